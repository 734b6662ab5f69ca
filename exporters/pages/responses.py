"""Pictures of how a conditional model answers to what drives it."""

import numpy as np

from spikeloop.exporters.pages.drawing import MODEL, REAL, as_svg, entries, literal, new_figure, scatter
from spikeloop.models.evaluation.responses import ConditionalEvaluation, tuning
from spikeloop.models.measures.response import noise_correlation, psth
from spikeloop.models.recordings.repeats import recorded_rows

__all__ = ["draw_decoding", "draw_responses"]

SHOWN_PSTHS = 4


def draw_responses(answered: ConditionalEvaluation) -> str:
    """Draw the PSTHs of the units that the stimulus moves most, and noise correlations.

    Parameters
    ----------
    answered : ConditionalEvaluation, of a model that a stimulus' phase drives

    Returns
    -------
    str
        SVG.
    """
    recording = answered.held_out
    real, model = psth(recording.counts), psth(answered.model)
    shown = np.argsort(real.var(axis=0))[::-1][:SHOWN_PSTHS]
    figure = new_figure(12, 2 + 1.6 * len(shown))
    axes = figure.subplot_mosaic([[str(row), str(row), "noise"] for row in range(len(shown))])
    times = np.arange(recording.bins) * recording.bin_size_s
    per_bin, label = (1 / recording.bin_size_s, "Hz") if recording.signal == "spikes" else (1.0, recording.signal)
    for row, unit in enumerate(shown):
        axis = axes[str(row)]
        for rate, colour, who in ((real, REAL, "recording"), (model, MODEL, "model")):
            axis.plot(times, rate[:, unit] * per_bin, color=colour, linewidth=0.8, label=who)
        axis.set(title=f"PSTH of {literal(recording.unit_names[unit])}", ylabel=label)
        axis.margins(x=0)
    axes["0"].legend(frameon=False, fontsize=8)
    axes[str(len(shown) - 1)].set_xlabel("time in a repeat (s)")
    pairs = [entries("covariance", noise_correlation(counts)) for counts in (recording.counts, answered.model)]
    scatter(axes["noise"], "noise correlations", *pairs)
    return as_svg(figure)


def draw_decoding(answered: ConditionalEvaluation) -> str:
    """Draw the tuning of every unit to every condition, and what decoders learn from it.

    Parameters
    ----------
    answered : ConditionalEvaluation, of a model that recorded conditions drive

    Returns
    -------
    str
        SVG.
    """
    recording, decoding = answered.held_out, answered.decoding
    conditions, counts, answers = (
        recorded_rows(values, recording.lengths) for values in (recording.conditions, recording.counts, answered.model)
    )
    real, model = (tuning(values, conditions) for values in (counts, answers))
    figure = new_figure(12, 4.5)
    left, right = figure.subplots(1, 2)
    for column, channel in enumerate(recording.channels):
        left.scatter(real[:, column], model[:, column], s=8, alpha=0.7, linewidths=0, label=literal(channel.name))
    ends = [min(real.min(), model.min()), max(real.max(), model.max())]
    left.plot(ends, ends, color=REAL, linewidth=0.8)
    left.legend(frameon=False, fontsize=8)
    left.set(title="tuning: correlation of counts and condition", xlabel="held-out data", ylabel="model")
    rows = np.arange(len(decoding))
    for shift, scores, colour, who in (
        (-0.2, [score.real for score in decoding], REAL, "trained on real data"),
        (0.2, [score.synthetic for score in decoding], MODEL, "trained on the model's answers"),
    ):
        right.barh(rows + shift, np.maximum(scores, 0), height=0.4, color=colour, label=who)
    right.set(title="decoding held-out data", xlabel="R2", yticks=rows, xlim=(0, 1))
    names = [f"{score.decoder}, {literal(recording.channels[score.column].name)}" for score in decoding]
    right.set_yticklabels(names, fontsize=8)
    right.invert_yaxis()
    right.legend(frameon=False, fontsize=8)
    return as_svg(figure)
