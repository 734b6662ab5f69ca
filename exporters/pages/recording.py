"""A recording as one self-contained page: what is in its file, what is read, raster, rates and conditions."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from spikeloop.exporters.formats.inspection import Inspection, Stretch, stretch_of
from spikeloop.exporters.pages.drawing import MODEL, REAL, Axes, draw, draw_stack, draw_wide, literal
from spikeloop.exporters.pages.plots import heat, raster
from spikeloop.exporters.pages.shell import (
    Markup,
    Section,
    details,
    figures,
    fill,
    item_list,
    page,
    panel,
    section,
    table,
)
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.summary import RecordingSummary, format_duration
from spikeloop.models.whole_file import whole_file

__all__ = ["recording_page", "write_recording_page"]

SPAN_S = 10.0  # time that the raster shows
LEAST_BINS, MOST_BINS = 200, 20_000  # of the raster
MOST_TRACES = 8


def write_recording_page(found: Inspection, path: Path) -> None:
    """Write the page, whole or not at all.

    Parameters
    ----------
    found : Inspection
    path : pathlib.Path

    Raises
    ------
    FailureError
        If Matplotlib is not installed, or the disk refuses.
    """
    content = recording_page(found)
    with whole_file(path) as file:
        file.write(content)


def recording_page(found: Inspection) -> bytes:
    """Make the page, UTF-8."""
    head = [fill("<p>{}</p>", found.format)]
    recording, summary = found.recording, found.summary
    if recording is None or summary is None:
        problem = fill('<p class="alarm">Not a recording as it stands: {}</p>', found.problem)
        return page(found.path, *head, problem, _items(found), kind="recording")
    return page(
        found.path,
        *head,
        figures(_figures(summary)),
        fill("<p>{}</p>", str(summary)),
        section("Warnings", item_list(summary.warnings)),
        section("Done to the data", item_list(summary.history)),
        section("A stretch of it", _draw_stretch(recording)),
        section("Rates", _draw_rates(recording) if recording.signal == "spikes" else None),
        section("Conditions", _conditions(summary) if summary.conditions else None),
        _items(found),
        section("Units", details(f"All {recording.units} units", _units(found, recording))),
        kind="recording",
    )


def _figures(summary: RecordingSummary) -> Iterator[tuple[str, str]]:
    yield str(summary.trials), "trial" if summary.trials == 1 else "trials"
    yield str(summary.longest_bins), f"bins of {summary.bin_size_s * 1000:g} ms"
    yield str(summary.units), "units"
    yield format_duration(summary.duration_s), "in all"
    if summary.mean_rate_hz is not None:
        yield f"{summary.mean_rate_hz:.3g} Hz", "mean rate"


def _items(found: Inspection) -> Section:
    rows = ((item.path, item.what, " x ".join(map(str, item.shape)), item.dtype, item.unit) for item in found.items)
    listed = table(("path", "what", "shape", "type", "unit"), rows) if found.items else None
    return section("In the file", listed or "")


def _conditions(summary: RecordingSummary) -> Markup:
    rows = (
        (channel.name, channel.unit, f"{channel.low:.4g}", f"{channel.high:.4g}", f"{channel.rest:.4g}")
        for channel in summary.conditions
    )
    return table(("condition", "unit", "lowest", "highest", "rest"), rows)


def _units(found: Inspection, recording: Recording) -> Markup:
    labels = found.labels or ("",) * recording.units
    rates = recording.rates_hz
    rows = (
        (name, "" if np.isnan(rate) else f"{rate:.3g}", label)
        for name, rate, label in zip(recording.unit_names, rates, labels, strict=True)
    )
    return table(("unit", "rate (Hz)", "label"), rows)


def _draw_stretch(recording: Recording) -> Markup:
    """A raster above the courses of conditions, on one time axis."""
    bins = int(np.clip(round(SPAN_S / recording.bin_size_s), LEAST_BINS, MOST_BINS))
    stretch = stretch_of(recording, bins)
    channels = recording.channels[:MOST_TRACES]
    times = stretch.from_s + (np.arange(len(stretch.counts)) + 0.5) * stretch.bin_size_s

    def course(number: int, axis: Axes) -> None:
        channel = channels[number]
        axis.plot(times, stretch.conditions[:, number], color=MODEL, linewidth=1.2)
        axis.set_ylabel(literal(channel.name) + (f"\n({literal(channel.unit)})" if channel.unit else ""))

    rows = [lambda axis: _draw_raster(axis, stretch, recording), *(partial(course, k) for k in range(len(channels)))]
    where = f"trial {stretch.trial}" if recording.repeats > 1 else "the middle of the recording"
    height = 320 + 90 * len(channels)
    shares = [3.2, *(1.0 for _ in channels)]
    picture = draw_wide(lambda width: draw_stack(rows, shares, width, height, xlabel="time (s)", left=72))
    note = f"Shown are {MOST_TRACES} of {len(recording.channels)} conditions." if len(channels) == MOST_TRACES else ""
    return panel(where, picture, note if len(recording.channels) > MOST_TRACES else "", whole=True)


def _draw_raster(axis: Axes, stretch: Stretch, recording: Recording) -> None:
    if recording.signal == "spikes":
        most = max(1.0, float(np.percentile(stretch.counts, 99.9)))
        raster(axis, stretch.counts, stretch.bin_size_s, REAL, most, stretch.from_s)
    else:
        extent = (stretch.from_s, stretch.to_s, recording.units - 0.5, -0.5)
        values = stretch.counts.T
        heat(axis, values, extent, recording.signal, (float(np.nanmin(values)), float(np.nanmax(values))))
    axis.set_ylabel("unit")


def _draw_rates(recording: Recording) -> Markup:
    def paint(axis: Axes) -> None:
        axis.bar(np.arange(recording.units), recording.rates_hz, color=MODEL, width=0.8)
        axis.set(xlabel="unit, in the order of the file", ylabel="mean rate (Hz)")
        axis.grid(visible=False, axis="x")

    return panel("mean rate of every unit", draw_wide(lambda width: draw(paint, width, 200)), whole=True)
