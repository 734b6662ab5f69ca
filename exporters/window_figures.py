"""Pictures of the windows that an evaluation compared."""

import math

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.drawing import COLOURS, MODEL, REAL, Axes, as_svg, entries, lines, new_figure, scatter
from spikeloop.models.evaluation import Evaluation
from spikeloop.models.measures.likeness import statistics_of, verdict
from spikeloop.models.recordings.recording import Recording

__all__ = ["draw_windows"]

RASTER_WINDOWS = 12
NAMED_UNITS = 8
SCATTERS = ("covariance", "lag-1 covariance")


def draw_windows(evaluation: Evaluation, recording: Recording, samples: Recording | None) -> str:
    """Every picture of the windows, as SVG; the PSTH where samples are repeats as long as the recording's."""
    if recording.signal != "spikes":
        return _draw_traces(evaluation, recording)
    real, model = statistics_of(evaluation.held_out), statistics_of(evaluation.sampled)
    bin_size_s = recording.bin_size_s
    figure = new_figure(12, 17)
    axes = figure.subplot_mosaic(
        [["real"] * 3, ["model"] * 3, ["rates", "covariance", "lag-1 covariance"],
         ["population count", "autocorrelation", "interspike intervals"],
         ["window counts", "correlation spectrum", "population spectrum"],
         ["triplets", "deviations", "units"], ["psth"] * 3],
    )  # fmt: skip
    _draw_rasters(axes, evaluation, bin_size_s)
    for name in ("rates", *SCATTERS, "triplets"):
        scatter(axes[name], name, entries(name, real[name]), entries(name, model[name]))
    _draw_dependence(axes, real, model, evaluation.sampled.shape[1], bin_size_s)
    intervals = np.arange(len(real["interspike intervals"])) * bin_size_s * 1000
    lines(axes["interspike intervals"], "interspike intervals", "interval (ms)", intervals, real, model, log=True)
    lines(axes["population count"], "population count", "spikes in a bin", None, real, model, log=True)
    mean_counts = (
        {"window counts": real["window counts"].mean(axis=0)},
        {"window counts": model["window counts"].mean(axis=0)},
    )
    lines(axes["window counts"], "window counts", "spikes of a unit in a window", None, *mean_counts, log=True)
    _draw_deviations(axes["deviations"], evaluation)
    _draw_units(axes["units"], real, model, recording)
    _draw_psth(axes["psth"], recording, samples)
    return as_svg(figure)


def _draw_traces(evaluation: Evaluation, recording: Recording) -> str:
    """The same of fluorescence, without what needs spikes."""
    real, model = statistics_of(evaluation.held_out), statistics_of(evaluation.sampled)
    figure = new_figure(12, 8)
    axes = figure.subplot_mosaic(
        [["means", "quantiles", "deviations"], [*SCATTERS, "autocorrelation"],
         ["correlation spectrum", "population spectrum", "."]],
    )  # fmt: skip
    for name in ("means", "quantiles", *SCATTERS):
        scatter(axes[name], name, entries(name, real[name]), entries(name, model[name]))
    _draw_dependence(axes, real, model, evaluation.sampled.shape[1], recording.bin_size_s)
    _draw_deviations(axes["deviations"], evaluation)
    return as_svg(figure)


def _draw_dependence(
    axes: dict[str, Axes],
    real: dict[str, NDArray[np.float64]],
    model: dict[str, NDArray[np.float64]],
    window_bins: int,
    bin_size_s: float,
) -> None:
    """How bins and units depend on each other."""
    lags = np.arange(1, len(real["autocorrelation"]) + 1) * bin_size_s * 1000
    lines(axes["autocorrelation"], "autocorrelation", "lag (ms)", lags, real, model)
    frequency = np.fft.rfftfreq(window_bins, bin_size_s)
    lines(axes["population spectrum"], "population spectrum", "frequency (Hz)", frequency, real, model, log=True)
    ranks = np.arange(1, len(real["correlation spectrum"]) + 1)
    lines(axes["correlation spectrum"], "correlation spectrum", "rank", ranks, real, model, log=True)


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
