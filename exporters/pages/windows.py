"""Pictures of the windows that an evaluation compared."""

from collections.abc import Callable, Mapping

import numpy as np

from spikeloop.exporters.pages.drawing import (
    FAINT,
    GRID,
    MODEL,
    NARROW,
    REAL,
    Axes,
    draw,
    draw_stack,
    draw_wide,
    room_for,
)
from spikeloop.exporters.pages.plots import bars, curve, entries, log_axis, raster, scatter, thinned
from spikeloop.exporters.pages.shell import Markup, Section, join, legend, panel, panels, section
from spikeloop.models.arrays import Floats, Windows, join_bins
from spikeloop.models.evaluation.windows import Evaluation
from spikeloop.models.measures.similarity import statistics_of
from spikeloop.models.measures.table import title_of
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.models.recordings.recording import Recording

__all__ = ["RECORDED_OR_MODEL", "draw_psth", "window_sections"]

RASTER_WINDOWS, FEW_WINDOWS = 12, 4  # on a wide picture, and on a phone's
NAMED_UNITS = 8
RECORDED_OR_MODEL = (("held-out recording", "ink"), ("model", "line"))
UNITS = {
    "covariance": "spikes²", "lag_1_covariance": "spikes²", "triplets": "spikes³", "means": "signal",
    "quantiles": "signal",
}  # fmt: skip

Values = Mapping[str, Floats]


def window_sections(evaluation: Evaluation, recording: Recording, samples: Recording | None) -> list[Section]:
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
    list of Section
    """
    real, model = statistics_of(evaluation.held_out), statistics_of(evaluation.sampled)
    window_bins, bin_size_s = evaluation.sampled.shape[1], recording.bin_size_s
    together = panels(
        *(_scatter(name, real, model, recording) for name in ("covariance", "lag_1_covariance")),
        *([_scatter("triplets", real, model, recording)] if "triplets" in real else []),
        *_dependence(real, model, window_bins, bin_size_s),
    )
    if recording.signal != "spikes":
        alone = panels(*(_scatter(name, real, model, recording) for name in ("means", "quantiles")))
        return [section("Units alone", legend(*RECORDED_OR_MODEL), alone), section("Units together", together)]
    return [
        section("Rasters", _rasters(evaluation, bin_size_s)),
        section("Units alone", legend(*RECORDED_OR_MODEL), _alone(real, model, recording)),
        section("Units together", legend(*RECORDED_OR_MODEL), together),
        section("Population over a repeat", draw_psth(recording, samples)),
    ]


def _alone(real: Values, model: Values, recording: Recording) -> Markup:
    """What each unit does by itself."""
    bin_ms = recording.bin_size_s * 1000
    counted, modelled = ({"window_counts": values["window_counts"].mean(axis=0)} for values in (real, model))
    return panels(
        _scatter("rates", real, model, recording),
        _curves("interspike_intervals", "interval (ms)", "probability", bin_ms, real, model, log=True),
        _curves("window_counts", "spikes of a unit in a window", "probability", 1, counted, modelled, log=True),
        _differing_units(real, model, recording),
    )


def _dependence(real: Values, model: Values, window_bins: int, bin_size_s: float) -> list[Markup]:
    """How bins and units depend on each other."""
    bin_ms, cycle_hz = bin_size_s * 1000, 1 / (window_bins * bin_size_s)
    drawn = [
        _curves("autocorrelation", "lag (ms)", "correlation", bin_ms, real, model, first=1),
        _curves("correlation_spectrum", "rank of the eigenvalue", "eigenvalue", 1, real, model, first=1, log=True),
        _curves("population_spectrum", "frequency (Hz)", "power (spikes²)", cycle_hz, real, model, log=True),
    ]
    if "population_count" in real:
        label = f"spikes in a bin of {bin_ms:g} ms"
        drawn.append(_curves("population_count", label, "probability", 1, real, model, log=True))
    return drawn


def _scatter(name: str, real: Values, model: Values, recording: Recording) -> Markup:
    """A dot a unit, a pair or a triplet."""
    per_bin = 1 / recording.bin_size_s if name == "rates" else 1.0
    unit = "Hz" if name == "rates" else UNITS[name]
    right, up = (entries(name, values[name]) * per_bin for values in (real, model))
    size = 5 if len(right) <= recording.units else 2.6
    picture = draw(lambda axis: scatter(axis, right, up, ("held-out recording", "model"), unit, size))
    return panel(title_of(name), picture, thinned(len(right)))


def _curves(
    name: str, xlabel: str, ylabel: str, step: float, real: Values, model: Values, first: int = 0, log: bool = False
) -> Markup:
    """A statistic that is a curve, of recording and model; its entries are a step apart."""

    def paint(axis: Axes) -> None:
        for value, colour in ((real[name], REAL), (model[name], MODEL)):
            curve(axis, (first + np.arange(len(value))) * step, value, colour, log)
        shown = np.concatenate([real[name], model[name]])
        if log and (shown > 0).any():
            log_axis(axis.yaxis, shown[shown > 0].min(), shown.max())
        axis.set(xlabel=xlabel, ylabel=ylabel)

    return panel(title_of(name), draw(paint))


def _rasters(evaluation: Evaluation, bin_size_s: float) -> Markup:
    """Recording above model, on one time axis, with units in one order."""
    order = np.argsort(-evaluation.held_out.mean(axis=(0, 1)), kind="stable")
    random = random_stream(0, Purpose.PICTURES)
    shown = [
        windows[random.permutation(len(windows))[:RASTER_WINDOWS]][:, :, order]
        for windows in (evaluation.held_out, evaluation.sampled)
    ]
    most = max(1.0, float(np.percentile(np.concatenate([join_bins(windows) for windows in shown]), 99.9)))
    note = "Windows side by side, parted by lines; one time axis and one order of units for both, most active on top."
    if most > 1:
        note += f" Darkest: {most:g} spikes in a bin or more."

    def paint(width: float) -> Markup:
        some = RASTER_WINDOWS if width > NARROW else FEW_WINDOWS
        rows = [
            _raster_row(windows[:some], label, colour, most, bin_size_s)
            for windows, label, colour in (
                (shown[0], "recording: unit", REAL),
                (shown[1], "model: unit", MODEL),
            )
        ]
        return draw_stack(rows, [1, 1], width, 440, xlabel="time (s)")

    return panel("Recording and model", draw_wide(paint), note, whole=True)


def _raster_row(windows: Windows, label: str, colour: str, most: float, bin_size_s: float) -> Callable[[Axes], None]:
    def paint(axis: Axes) -> None:
        raster(axis, join_bins(windows), bin_size_s, colour, most)
        for seam in range(1, len(windows)):
            axis.axvline(seam * windows.shape[1] * bin_size_s, color=GRID, linewidth=1)
        axis.set_ylabel(label)

    return paint


def _differing_units(real: Values, model: Values, recording: Recording) -> Markup:
    """The units whose spike counts in a window differ most: where a deviation comes from."""
    longest = max(values["window_counts"].shape[1] for values in (real, model))
    padded = [
        np.pad(values["window_counts"], ((0, 0), (0, longest - values["window_counts"].shape[1])))
        for values in (real, model)
    ]
    distance = np.abs(padded[0] - padded[1]).sum(axis=1)
    worst = np.argsort(-distance, kind="stable")[:NAMED_UNITS]
    names = [recording.unit_names[unit] for unit in worst]

    def paint(axis: Axes) -> None:
        bars(axis, names, distance[worst], MODEL)
        axis.axvline(distance.mean(), color=FAINT, linewidth=1.2, linestyle="--")
        axis.set(xlabel="L1 distance of window counts")

    picture = draw(paint, left=room_for(names))
    return panel("units that differ most", picture, "Broken line: mean of all units.")


def draw_psth(recording: Recording, samples: Recording | None) -> Markup:
    """Draw the mean rate over a repeat, where there are repeats of one length; else say why there is none."""
    if recording.repeats == 1 or recording.lengths is not None:
        why = "no repeats" if recording.repeats == 1 else "repeats of unequal length"
        return Markup(f'<p class="note">The recording has {why}, so there is no PSTH.</p>')
    shown = [(_population_rate_hz(recording), REAL)]
    alone = samples is None or samples.lengths is not None or samples.bins != recording.bins
    if samples is not None and not alone:
        shown.append((_population_rate_hz(samples), MODEL))
    times = np.arange(recording.bins) * recording.bin_size_s

    def paint(axis: Axes) -> None:
        for rate, colour in shown:
            axis.plot(times, rate, color=colour, linewidth=1)
        axis.set(xlabel="time in a repeat (s)", ylabel="rate (Hz per unit)")
        axis.set(xlim=(0, times[-1] + recording.bin_size_s), ylim=(0, None))

    note = "The model's windows carry no stimulus phase: the recording's alone." if alone else ""
    picture = draw_wide(lambda width: draw(paint, width))
    return join(
        [
            legend(*RECORDED_OR_MODEL[: len(shown)]),
            panel("mean rate of all units (PSTH)", picture, note, whole=True),
        ]
    )


def _population_rate_hz(recording: Recording) -> Floats:
    """Mean rate of a unit at each time of a repeat."""
    return recording.counts.mean(axis=(0, 2)) / recording.bin_size_s
