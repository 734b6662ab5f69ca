"""Pictures of the windows that an evaluation compared."""

import math

import numpy as np

from spikeloop.exporters.pages.drawing import COLOURS, MODEL, REAL, Axes, as_svg, entries, lines, new_figure, scatter
from spikeloop.models.arrays import Floats, join_bins
from spikeloop.models.evaluation.windows import Evaluation
from spikeloop.models.measures.similarity import statistics_of, verdict
from spikeloop.models.measures.table import title_of
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.models.recordings.recording import Recording

__all__ = ["draw_windows"]

RASTER_WINDOWS = 12
NAMED_UNITS = 8
SCATTERS = ("covariance", "lag_1_covariance")


def draw_windows(evaluation: Evaluation, recording: Recording, samples: Recording | None) -> str:
    """Draw everything that an evaluation compared of windows.

    Parameters
    ----------
    evaluation : Evaluation
    recording : Recording
        The held-out part.
    samples : Recording or None
        The model's samples; the PSTH shows them where they are repeats as long as the recording's.

    Returns
    -------
    str
        SVG.
    """
    if recording.signal != "spikes":
        return _draw_traces(evaluation, recording)
    real, model = statistics_of(evaluation.held_out), statistics_of(evaluation.sampled)
    bin_size_s = recording.bin_size_s
    figure = new_figure(12, 17)
    axes = figure.subplot_mosaic(
        [["real"] * 3, ["model"] * 3, ["rates", "covariance", "lag_1_covariance"],
         ["population_count", "autocorrelation", "interspike_intervals"],
         ["window_counts", "correlation_spectrum", "population_spectrum"],
         ["triplets", "deviations", "units"], ["psth"] * 3],
    )  # fmt: skip
    _draw_rasters(axes, evaluation, bin_size_s)
    for name in ("rates", *SCATTERS, "triplets"):
        scatter(axes[name], title_of(name), entries(name, real[name]), entries(name, model[name]))
    _draw_dependence(axes, real, model, evaluation.sampled.shape[1], bin_size_s)
    intervals = np.arange(len(real["interspike_intervals"])) * bin_size_s * 1000
    lines(axes["interspike_intervals"], "interspike_intervals", "interval (ms)", intervals, real, model, log=True)
    lines(axes["population_count"], "population_count", "spikes in a bin", None, real, model, log=True)
    mean_counts = ({"window_counts": of["window_counts"].mean(axis=0)} for of in (real, model))
    lines(axes["window_counts"], "window_counts", "spikes of a unit in a window", None, *mean_counts, log=True)
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
         ["correlation_spectrum", "population_spectrum", "."]],
    )  # fmt: skip
    for name in ("means", "quantiles", *SCATTERS):
        scatter(axes[name], title_of(name), entries(name, real[name]), entries(name, model[name]))
    _draw_dependence(axes, real, model, evaluation.sampled.shape[1], recording.bin_size_s)
    _draw_deviations(axes["deviations"], evaluation)
    return as_svg(figure)


def _draw_dependence(
    axes: dict[str, Axes],
    real: dict[str, Floats],
    model: dict[str, Floats],
    window_bins: int,
    bin_size_s: float,
) -> None:
    """How bins and units depend on each other."""
    lags = np.arange(1, len(real["autocorrelation"]) + 1) * bin_size_s * 1000
    lines(axes["autocorrelation"], "autocorrelation", "lag (ms)", lags, real, model)
    frequency = np.fft.rfftfreq(window_bins, bin_size_s)
    lines(axes["population_spectrum"], "population_spectrum", "frequency (Hz)", frequency, real, model, log=True)
    ranks = np.arange(1, len(real["correlation_spectrum"]) + 1)
    lines(axes["correlation_spectrum"], "correlation_spectrum", "rank", ranks, real, model, log=True)


def _draw_rasters(axes: dict[str, Axes], evaluation: Evaluation, bin_size_s: float) -> None:
    order = np.argsort(evaluation.held_out.mean(axis=(0, 1)))
    random = random_stream(0, Purpose.PICTURES)
    for name, windows, colour in (("real", evaluation.held_out, REAL), ("model", evaluation.sampled, MODEL)):
        shown = windows[random.permutation(len(windows))[:RASTER_WINDOWS]]
        times, units = join_bins(shown)[:, order].nonzero()
        axes[name].scatter(times * bin_size_s, units, s=3, marker="|", linewidths=1, color=colour, rasterized=True)
        for seam in range(1, len(shown)):
            axes[name].axvline(seam * shown.shape[1] * bin_size_s, color="#cccccc", linewidth=0.7)
        axes[name].set(ylabel="unit, by rate", xlabel="time (s), windows side by side", title=name)
        axes[name].margins(x=0)


def _draw_deviations(axis: Axes, evaluation: Evaluation) -> None:
    """How far each statistic is off, in floors, with its interval."""
    shown = [row for row in evaluation.similarity if not math.isnan(row.ratio)][::-1]
    ratios = np.array([row.ratio for row in shown])
    colours = [COLOURS.get(verdict(row), "#555") for row in shown]
    axis.barh(range(len(shown)), ratios, color=colours)
    low, high = (np.array([getattr(row, end) for row in shown]) for end in ("low", "high"))
    spread = np.nan_to_num([np.maximum(0, ratios - low), np.maximum(0, high - ratios)])  # none where not asked for
    axis.errorbar(ratios, range(len(shown)), xerr=spread, fmt="none", ecolor=REAL, linewidth=0.8)
    axis.axvline(1, color=REAL, linewidth=0.8)
    axis.set(title="deviations", xlabel="E/F", yticks=range(len(shown)))
    axis.set_yticklabels([title_of(row.statistic) for row in shown], fontsize=7)


def _draw_units(axis: Axes, real: dict[str, Floats], model: dict[str, Floats], recording: Recording) -> None:
    """The units whose spike counts in a window differ most: where a deviation comes from."""
    longest = max(real["window_counts"].shape[1], model["window_counts"].shape[1])
    padded = [
        np.pad(sums["window_counts"], ((0, 0), (0, longest - sums["window_counts"].shape[1]))) for sums in (real, model)
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
    if recording.repeats == 1 or recording.lengths is not None:
        why = "no repeats, no PSTH" if recording.repeats == 1 else "repeats of unequal length, no PSTH"
        axis.text(0.5, 0.5, why, transform=axis.transAxes, ha="center")
        return
    times = np.arange(recording.bins) * recording.bin_size_s
    axis.plot(times, _population_rate_hz(recording), color=REAL, linewidth=0.8, label="recording")
    if samples is not None and samples.lengths is None and samples.bins == recording.bins:
        axis.plot(times, _population_rate_hz(samples), color=MODEL, linewidth=0.8, label="model")
        axis.legend(frameon=False, fontsize=8)
    else:
        alone = "the model's windows carry no stimulus phase: the recording's alone"
        axis.text(0.01, 0.92, alone, transform=axis.transAxes, fontsize=8)
    axis.margins(x=0)


def _population_rate_hz(recording: Recording) -> Floats:
    """Mean rate of a unit at each time of a repeat."""
    return recording.counts.mean(axis=(0, 2)) / recording.bin_size_s
