"""An evaluation as one self-contained page: verdicts, and pictures of everything that was compared."""

import io
import math
from collections.abc import Sequence
from contextlib import suppress
from html import escape
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.conditional_evaluation import ConditionalEvaluation, tuning
from spikeloop.models.errors import FailureError
from spikeloop.models.evaluation import TRACE_STATISTICS, Evaluation
from spikeloop.models.measures.likeness import Likeness, statistics_of, verdict
from spikeloop.models.measures.response import noise_correlation, psth
from spikeloop.models.recordings.recording import Recording

__all__ = ["write_report"]

REAL, MODEL = "#222222", "#0b6e99"
COLOURS = {"at the floor": "#1a7f37", "near": "#6b8e23", "off": "#b07d00", "far off": "#b3261e"}
RASTER_WINDOWS = 12
SCATTERED = 5000  # points of a scatter at most
NAMED_UNITS = 8
SHOWN_PSTHS = 4
SCATTERS = ("covariance", "lag-1 covariance")

Axes = Any


def write_report(
    path: Path,
    evaluation: Evaluation,
    *,
    model: str,
    recording: Recording,
    judged_on: str,
    samples: Recording | None = None,
    answered: ConditionalEvaluation | None = None,
) -> None:
    """Write the page, whole or not at all.

    Parameters
    ----------
    model : what was evaluated, in words
    recording : what it was judged by
    samples : a model's samples where they are repeats as long as the recording's, for the PSTH
    answered : of a conditional model, how it answers

    Raises
    ------
    FailureError
        If Matplotlib is not installed, or the disk refuses.
    """
    pictures = _draw(evaluation, recording, samples)
    if answered is not None:
        pictures = f"{_answers(answered)}\n<h2>Windows of the stream</h2>\n{pictures}"
    page = _page(evaluation, model, recording, judged_on, pictures)
    scratch = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch.write_text(page, encoding="utf-8")
        scratch.replace(path)
    except OSError as error:
        raise FailureError(f"could not write {path} ({error}); nothing was left there half-written") from error
    finally:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)


def _page(evaluation: Evaluation, model: str, recording: Recording, judged_on: str, pictures: str) -> str:
    worst = evaluation.worst
    published = "Fluorescence: statistics that need spikes, and the intervals, are left out."
    if evaluation.published is not None:
        errors = (f"{escape(key.replace('_', ' '))} {value:.4g}" for key, value in vars(evaluation.published).items())
        published = f"The errors of Molano-Mazon et al. 2018, not normalised: {', '.join(errors)}."
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(model)} against {escape(recording.name)}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 1060px; margin: 2em auto; padding: 0 1em }}
table {{ border-collapse: collapse }} td, th {{ padding: .15em .8em .15em 0; text-align: right }}
td:first-child, th:first-child {{ text-align: left }} th {{ border-bottom: 1px solid #999 }}
.big {{ font-size: 1.6em; margin-right: 1em }} .big small {{ font-size: .55em; color: #555 }}
svg {{ max-width: 100%; height: auto }} p {{ max-width: 50em }}
</style></head><body>
<h1>{escape(model)} against {escape(recording.name)}</h1>
<p>{recording.units} units, {recording.bin_size_s * 1000:g} ms bins, windows of {evaluation.sampled.shape[1]} bins;
judged on {escape(judged_on)}: {len(evaluation.held_out)} windows at random places, as many of the model at a time.</p>
<p><span class="big">{_number(evaluation.mean_ratio)} <small>mean E/F</small></span>
<span class="big">{_number(worst.ratio)} <small>worst, {escape(worst.statistic)}</small></span>
<span class="big">{evaluation.two_sample:.2f} <small>two-sample AUC (real against real
{evaluation.real_two_sample:.2f})</small></span>
<span class="big">{evaluation.memorisation:.2f} <small>memorisation AUC</small></span></p>
{_table(evaluation.likeness)}
<p>E: distance of model to held-out data; F, the floor: of training data to held-out data; I: of independent units at
the same rates. E/F = 1 is as good as more recording would be. The interval is a bootstrap over repeats.
The two-sample AUC is that of a classifier which tells the model's windows from held-out ones: 0.5 is perfect. The
memorisation AUC is above 0.5 where the model's windows lie nearer to training windows than to held-out ones.
{100 * evaluation.duplicates:.2f} % of the model's windows occur exactly in the training data
({100 * evaluation.real_duplicates:.2f} % of the held-out ones do).</p>
<p>{published}</p>
{pictures}
</body></html>
"""


def _answers(answered: ConditionalEvaluation) -> str:
    """How a conditional model answers, in words, tables and pictures."""
    parts = ["<h2>Answers to what drives it</h2>"]
    if (responses := answered.responses) is not None:
        parts.append(
            f"<p>PSTH correlation {responses.psth_correlation:.3f} (real repeats reach {responses.psth_reachable:.3f}),"
            f" {responses.repeats} repeats at a time.</p>{_table([responses.noise_correlation])}"
        )
        parts.append(_draw_responses(answered))
    if (continuous := answered.continuous) is not None:
        parts.append(
            f"{_table(continuous.rows)}<p>Of the stream as a whole: one half of the held-out part, blocks of 10 s in"
            " turn, by the other half (F) and by the model's (E). Variance of the population count, model over real:"
            f" {_number(continuous.population_variance_ratio)}.</p>"
        )
    if answered.decoding:
        parts.append(_draw_decoding(answered))
    return "\n".join(parts)


def _table(likeness: Sequence[Likeness]) -> str:
    rows = "\n".join(map(_row, likeness))
    return f"""<table><tr><th>statistic</th><th>E</th><th>F (floor)</th><th>I (independent)</th><th>E/F</th>
<th>95 %</th><th>(E-F)/(I-F)</th><th>verdict</th></tr>
{rows}
</table>"""


def _row(likeness: Likeness) -> str:
    said = verdict(likeness)
    interval = "" if math.isnan(likeness.low) else f"{likeness.low:.2f} to {likeness.high:.2f}"
    figures = (f"{figure:.3g}" for figure in (likeness.error, likeness.floor, likeness.ceiling))
    cells = "".join(
        f"<td>{cell}</td>" for cell in (*figures, _number(likeness.ratio), interval, _number(likeness.excess))
    )
    colour = COLOURS.get(said, "#555")
    return f'<tr><td>{escape(likeness.statistic)}</td>{cells}<td style="color:{colour}">{said}</td></tr>'


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f}"


def _figure(width: float, height: float) -> Any:
    try:
        figures: Any = import_module("matplotlib.figure")
    except ImportError as error:
        raise FailureError(
            "matplotlib is not installed, which the report needs; pip install 'spikeloop[evaluate]'"
        ) from error
    return figures.Figure(figsize=(width, height), layout="constrained")


def _as_svg(figure: Any) -> str:
    for axis in figure.axes:
        axis.spines[["top", "right"]].set_visible(False)
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg", dpi=110, metadata={"Date": None})
    return drawn.getvalue()[drawn.getvalue().index("<svg") :]


def _draw(evaluation: Evaluation, recording: Recording, samples: Recording | None) -> str:
    """Every picture of the windows, as SVG."""
    if recording.signal != "spikes":
        return _draw_traces(evaluation, recording)
    real, model = statistics_of(evaluation.held_out), statistics_of(evaluation.sampled)
    bin_size_s = recording.bin_size_s
    figure = _figure(12, 17)
    axes = figure.subplot_mosaic(
        [["real"] * 3, ["model"] * 3, ["rates", "covariance", "lag-1 covariance"],
         ["population count", "autocorrelation", "interspike intervals"],
         ["window counts", "correlation spectrum", "population spectrum"],
         ["triplets", "deviations", "units"], ["psth"] * 3],
    )  # fmt: skip
    _draw_rasters(axes, evaluation, bin_size_s)
    for name in ("rates", *SCATTERS, "triplets"):
        _scatter(axes[name], name, _entries(name, real[name]), _entries(name, model[name]))
    _draw_dependence(axes, real, model, evaluation.sampled.shape[1], bin_size_s)
    intervals = np.arange(len(real["interspike intervals"])) * bin_size_s * 1000
    _lines(axes["interspike intervals"], "interspike intervals", "interval (ms)", intervals, real, model, log=True)
    _lines(axes["population count"], "population count", "spikes in a bin", None, real, model, log=True)
    mean_counts = (
        {"window counts": real["window counts"].mean(axis=0)},
        {"window counts": model["window counts"].mean(axis=0)},
    )
    _lines(axes["window counts"], "window counts", "spikes of a unit in a window", None, *mean_counts, log=True)
    _draw_deviations(axes["deviations"], evaluation)
    _draw_units(axes["units"], real, model, recording)
    _draw_psth(axes["psth"], recording, samples)
    return _as_svg(figure)


def _draw_traces(evaluation: Evaluation, recording: Recording) -> str:
    """The same of fluorescence, without what needs spikes."""
    real, model = (
        {name: statistic(windows) for name, statistic in TRACE_STATISTICS.items()}
        for windows in (evaluation.held_out, evaluation.sampled)
    )
    figure = _figure(12, 8)
    axes = figure.subplot_mosaic(
        [["means", "quantiles", "deviations"], [*SCATTERS, "autocorrelation"],
         ["correlation spectrum", "population spectrum", "."]],
    )  # fmt: skip
    for name in ("means", "quantiles", *SCATTERS):
        _scatter(axes[name], name, _entries(name, real[name]), _entries(name, model[name]))
    _draw_dependence(axes, real, model, evaluation.sampled.shape[1], recording.bin_size_s)
    _draw_deviations(axes["deviations"], evaluation)
    return _as_svg(figure)


def _draw_dependence(
    axes: dict[str, Axes],
    real: dict[str, NDArray[np.float64]],
    model: dict[str, NDArray[np.float64]],
    window_bins: int,
    bin_size_s: float,
) -> None:
    """How bins and units depend on each other."""
    lags = np.arange(1, len(real["autocorrelation"]) + 1) * bin_size_s * 1000
    _lines(axes["autocorrelation"], "autocorrelation", "lag (ms)", lags, real, model)
    frequency = np.fft.rfftfreq(window_bins, bin_size_s)
    _lines(axes["population spectrum"], "population spectrum", "frequency (Hz)", frequency, real, model, log=True)
    ranks = np.arange(1, len(real["correlation spectrum"]) + 1)
    _lines(axes["correlation spectrum"], "correlation spectrum", "rank", ranks, real, model, log=True)


def _draw_responses(answered: ConditionalEvaluation) -> str:
    """PSTHs of the units that the stimulus moves most, and noise correlations."""
    recording = answered.held_out
    real, model = psth(recording.counts), psth(answered.model)
    shown = np.argsort(real.var(axis=0))[::-1][:SHOWN_PSTHS]
    figure = _figure(12, 2 + 1.6 * len(shown))
    axes = figure.subplot_mosaic([[str(row), str(row), "noise"] for row in range(len(shown))])
    times = np.arange(recording.bins) * recording.bin_size_s
    per_bin, label = (1 / recording.bin_size_s, "Hz") if recording.signal == "spikes" else (1.0, recording.signal)
    for row, unit in enumerate(shown):
        axis = axes[str(row)]
        for rate, colour, who in ((real, REAL, "recording"), (model, MODEL, "model")):
            axis.plot(times, rate[:, unit] * per_bin, color=colour, linewidth=0.8, label=who)
        axis.set(title=f"PSTH of {_literal(recording.unit_names[unit])}", ylabel=label)
        axis.margins(x=0)
    axes["0"].legend(frameon=False, fontsize=8)
    axes[str(len(shown) - 1)].set_xlabel("time in a repeat (s)")
    pairs = [_entries("covariance", noise_correlation(each)) for each in (recording.counts, answered.model)]
    _scatter(axes["noise"], "noise correlations", *pairs)
    return _as_svg(figure)


def _draw_decoding(answered: ConditionalEvaluation) -> str:
    """Tuning of every unit to every condition, and what decoders learn from it."""
    recording, decoding = answered.held_out, answered.decoding
    real, model = (tuning(each, recording.conditions) for each in (recording.counts, answered.model))
    figure = _figure(12, 4.5)
    left, right = figure.subplots(1, 2)
    for column, channel in enumerate(recording.channels):
        left.scatter(real[:, column], model[:, column], s=8, alpha=0.7, linewidths=0, label=_literal(channel.name))
    ends = [min(real.min(), model.min()), max(real.max(), model.max())]
    left.plot(ends, ends, color=REAL, linewidth=0.8)
    left.legend(frameon=False, fontsize=8)
    left.set(title="tuning: correlation of counts and condition", xlabel="held-out data", ylabel="model")
    rows = np.arange(len(decoding))
    for shift, scores, colour, who in (
        (-0.2, [each.real for each in decoding], REAL, "trained on real data"),
        (0.2, [each.synthetic for each in decoding], MODEL, "trained on the model's answers"),
    ):
        right.barh(rows + shift, np.maximum(scores, 0), height=0.4, color=colour, label=who)
    right.set(title="decoding held-out data", xlabel="R2", yticks=rows, xlim=(0, 1))
    names = [f"{each.decoder}, {_literal(recording.channels[each.column].name)}" for each in decoding]
    right.set_yticklabels(names, fontsize=8)
    right.invert_yaxis()
    right.legend(frameon=False, fontsize=8)
    return _as_svg(figure)


def _literal(name: str) -> str:
    """A name as Matplotlib shows it, without mathematics."""
    return name.replace("$", r"\$")


def _draw_rasters(axes: dict[str, Axes], evaluation: Evaluation, bin_size_s: float) -> None:
    order = np.argsort(evaluation.held_out.mean(axis=(0, 1)))
    random = np.random.Generator(np.random.Philox(0))
    for name, windows, colour in (("real", evaluation.held_out, REAL), ("model", evaluation.sampled, MODEL)):
        shown = windows[random.permutation(len(windows))[:RASTER_WINDOWS]]
        times, units = shown.reshape(-1, shown.shape[2])[:, order].nonzero()
        axes[name].scatter(times * bin_size_s, units, s=3, marker="|", linewidths=1, color=colour, rasterized=True)
        for seam in range(1, len(shown)):
            axes[name].axvline(seam * shown.shape[1] * bin_size_s, color="#cccccc", linewidth=0.7)
        axes[name].set(ylabel="unit, by rate", xlabel="time (s), windows side by side", title=name)
        axes[name].margins(x=0)


def _entries(name: str, value: NDArray[np.float64]) -> NDArray[np.float64]:
    entries = value[np.triu_indices(len(value), 1)] if name == "covariance" else value.ravel()
    return entries[:: max(1, len(entries) // SCATTERED)]


def _scatter(axis: Axes, name: str, real: NDArray[np.float64], model: NDArray[np.float64]) -> None:
    axis.scatter(real, model, s=4, alpha=0.5, color=MODEL, linewidths=0, rasterized=True)
    if len(real):
        ends = [min(real.min(), model.min()), max(real.max(), model.max())]
        axis.plot(ends, ends, color=REAL, linewidth=0.8)
    axis.set(title=name, xlabel="held-out data", ylabel="model")


def _lines(
    axis: Axes,
    name: str,
    label: str,
    places: NDArray[Any] | None,
    real: dict[str, NDArray[np.float64]],
    model: dict[str, NDArray[np.float64]],
    log: bool = False,
) -> None:
    for value, colour, who in ((real[name], REAL, "held-out data"), (model[name], MODEL, "model")):
        shown = np.where(value > 0, value, np.nan) if log else value
        axis.plot(
            np.arange(len(value)) if places is None else places, shown, ".-", color=colour, label=who, linewidth=1
        )
    if log:
        axis.set_yscale("log")
    axis.set(title=name, xlabel=label)
    axis.legend(frameon=False, fontsize=8)


def _draw_deviations(axis: Axes, evaluation: Evaluation) -> None:
    """How far each statistic is off, in floors, with its interval."""
    shown = [each for each in evaluation.likeness if not math.isnan(each.ratio)][::-1]
    ratios = np.array([each.ratio for each in shown])
    colours = [COLOURS.get(verdict(each), "#555") for each in shown]
    axis.barh(range(len(shown)), ratios, color=colours)
    low, high = (np.array([getattr(each, end) for each in shown]) for end in ("low", "high"))
    spread = np.nan_to_num([np.maximum(0, ratios - low), np.maximum(0, high - ratios)])  # none where not asked for
    axis.errorbar(ratios, range(len(shown)), xerr=spread, fmt="none", ecolor=REAL, linewidth=0.8)
    axis.axvline(1, color=REAL, linewidth=0.8)
    axis.set(title="deviations", xlabel="E/F", yticks=range(len(shown)))
    axis.set_yticklabels([each.statistic for each in shown], fontsize=7)


def _draw_units(
    axis: Axes, real: dict[str, NDArray[np.float64]], model: dict[str, NDArray[np.float64]], recording: Recording
) -> None:
    """The units whose spike counts in a window differ most: where a deviation comes from."""
    longest = max(real["window counts"].shape[1], model["window counts"].shape[1])
    padded = [
        np.pad(each["window counts"], ((0, 0), (0, longest - each["window counts"].shape[1]))) for each in (real, model)
    ]
    distance = np.abs(padded[0] - padded[1]).sum(axis=1)
    worst = np.argsort(distance)[::-1][:NAMED_UNITS][::-1]
    axis.barh(range(len(worst)), distance[worst], color=MODEL)
    axis.axvline(distance.mean(), color=REAL, linewidth=0.8)
    axis.set(title="units that differ most", xlabel="L1 of window counts (line: mean)", yticks=range(len(worst)))
    axis.set_yticklabels([recording.unit_names[unit] for unit in worst], fontsize=7)


def _draw_psth(axis: Axes, recording: Recording, samples: Recording | None) -> None:
    """Mean population rate over a repeat, where both have repeats of one length."""
    axis.set(title="PSTH of the population", xlabel="time in a repeat (s)", ylabel="Hz a unit")
    if recording.repeats == 1:
        axis.text(0.5, 0.5, "no repeats, no PSTH", transform=axis.transAxes, ha="center")
        return
    times = np.arange(recording.bins) * recording.bin_size_s
    axis.plot(times, _population_rate_hz(recording), color=REAL, linewidth=0.8, label="recording")
    if samples is not None and samples.bins == recording.bins:
        axis.plot(times, _population_rate_hz(samples), color=MODEL, linewidth=0.8, label="model")
        axis.legend(frameon=False, fontsize=8)
    else:
        axis.text(
            0.01,
            0.92,
            "the model's windows carry no stimulus phase: the recording's alone",
            transform=axis.transAxes,
            fontsize=8,
        )
    axis.margins(x=0)


def _population_rate_hz(recording: Recording) -> NDArray[np.float64]:
    """Mean rate of a unit at each time of a repeat."""
    return recording.counts.mean(axis=(0, 2)) / recording.bin_size_s
