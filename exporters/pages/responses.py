"""Pictures of how a conditional model answers to what drives it."""

import numpy as np

from spikeloop.exporters.pages.drawing import FAINT, MODEL, NARROW, REAL, SERIES, Axes, draw, draw_wide, room_for
from spikeloop.exporters.pages.plots import dots, entries, name_rows, scatter, thinned
from spikeloop.exporters.pages.shell import Markup, join, legend, panel, panels
from spikeloop.models.evaluation.responses import ConditionalEvaluation, tuning
from spikeloop.models.measures.response import noise_correlation, psth
from spikeloop.models.recordings.repeats import recorded_rows

__all__ = ["draw_decoding", "draw_responses"]

SHOWN_PSTHS = 4


def draw_responses(answered: ConditionalEvaluation) -> Markup:
    """Draw the PSTHs of the units that the stimulus moves most, and noise correlations.

    Parameters
    ----------
    answered : ConditionalEvaluation, of a model that a stimulus' phase drives
    """
    recording = answered.held_out
    real, model = psth(recording.counts), psth(answered.model)
    times = np.arange(recording.bins) * recording.bin_size_s
    per_bin, label = (1 / recording.bin_size_s, "rate (Hz)") if recording.signal == "spikes" else (1.0, "signal")

    def of_unit(unit: int) -> Markup:
        def paint(axis: Axes) -> None:
            for rate, colour in ((real, REAL), (model, MODEL)):
                axis.plot(times, rate[:, unit] * per_bin, color=colour, linewidth=1)
            axis.set(xlabel="time in a repeat (s)", ylabel=label, xlim=(0, times[-1] + recording.bin_size_s))

        picture = draw_wide(lambda width: draw(paint, width, 170))
        return panel(f"PSTH of {recording.unit_names[unit]}", picture, whole=True)

    real_pairs, model_pairs = (
        entries("covariance", noise_correlation(counts)) for counts in (recording.counts, answered.model)
    )
    noise = draw(lambda axis: scatter(axis, real_pairs, model_pairs, ("held-out recording", "model"), "correlation"))
    most = np.argsort(real.var(axis=0))[::-1][:SHOWN_PSTHS]
    keys = legend(("held-out recording", "ink"), ("model", "line"))
    return join([keys, *map(of_unit, most), panels(panel("noise correlations", noise, thinned(len(real_pairs))))])


def draw_decoding(answered: ConditionalEvaluation) -> Markup:
    """Draw the tuning of every unit to every condition, and what decoders learn from it.

    Parameters
    ----------
    answered : ConditionalEvaluation, of a model that recorded conditions drive
    """
    channels = [channel.name for channel in answered.held_out.channels]
    names = [f"{score.decoder}, {channels[score.column]}" for score in answered.decoding]
    colours = list(SERIES)
    tuned = [(name, colours[place % len(colours)]) for place, name in enumerate(channels)]
    learned = (("recording", "ink"), ("the model's answers", "line"))
    return panels(
        panel("tuning: correlation of counts and condition", draw(lambda axis: _draw_tuning(axis, answered)),
              legend(*tuned)),
        panel("decoding held-out data, by what the decoder learned from",
              draw(lambda axis: _draw_scores(axis, answered, names), NARROW, 60 + 40 * len(names),
                   left=room_for(names)),
              legend(*learned)),
    )  # fmt: skip


def _draw_tuning(axis: Axes, answered: ConditionalEvaluation) -> None:
    recording = answered.held_out
    conditions, counts, answers = (
        recorded_rows(values, recording.lengths) for values in (recording.conditions, recording.counts, answered.model)
    )
    real, model = (tuning(values, conditions) for values in (counts, answers))
    colours = list(SERIES.values())
    for column in range(len(recording.channels)):
        dots(axis, real[:, column], model[:, column], colours[column % len(colours)], 5, alpha=0.7)
    ends = [min(real.min(), model.min()), max(real.max(), model.max())]
    axis.plot(ends, ends, color=FAINT, linewidth=0.9)
    axis.set(xlabel="held-out recording (correlation)", ylabel="model (correlation)")


def _draw_scores(axis: Axes, answered: ConditionalEvaluation, names: list[str]) -> None:
    rows = np.arange(len(names))
    for shift, scores, colour in (
        (-0.19, [score.real for score in answered.decoding], REAL),
        (0.19, [score.synthetic for score in answered.decoding], MODEL),
    ):
        axis.barh(rows + shift, np.maximum(scores, 0), height=0.34, color=colour)
    axis.set(xlabel="R²", xlim=(0, 1))
    name_rows(axis, names)
