"""A recording as one self-contained page: what is in its file, what is read, raster, rates and conditions."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from spikeloop.exporters.formats.inspection import Inspection, Stretch, stretch_of
from spikeloop.exporters.pages.drawing import MODEL, REAL, Axes, as_svg, literal, new_figure
from spikeloop.exporters.pages.shell import Markup, details, figures, fill, item_list, page, section, table
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
        return page(found.path, *head, problem, _items(found))
    return page(
        found.path,
        *head,
        figures(_figures(summary)),
        fill("<p>{}</p>", str(summary)),
        section("Warnings", item_list(summary.warnings)),
        section("Done to the data", item_list(summary.history)),
        section("A stretch of it", Markup(_draw_stretch(recording))),
        section("Rates", Markup(_draw_rates(recording)) if recording.signal == "spikes" else None),
        section("Conditions", _conditions(summary) if summary.conditions else None),
        _items(found),
        details("Units", _units(found, recording)),
    )


def _figures(summary: RecordingSummary) -> Iterator[tuple[str, str]]:
    yield str(summary.trials), "trial" if summary.trials == 1 else "trials"
    yield str(summary.longest_bins), f"bins of {summary.bin_size_s * 1000:g} ms"
    yield str(summary.units), "units"
    yield format_duration(summary.duration_s), "in all"
    if summary.mean_rate_hz is not None:
        yield f"{summary.mean_rate_hz:.3g} Hz", "mean rate"


def _items(found: Inspection) -> Markup:
    rows = ((item.path, item.what, " x ".join(map(str, item.shape)), item.dtype, item.unit) for item in found.items)
    listed = table(("path", "what", "shape", "type", "unit"), rows) if found.items else None
    return section("In the file", listed)


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


def _draw_stretch(recording: Recording) -> str:
    bins = int(np.clip(round(SPAN_S / recording.bin_size_s), LEAST_BINS, MOST_BINS))
    stretch = stretch_of(recording, bins)
    channels = recording.channels[:MOST_TRACES]
    figure = new_figure(10, 4 + 1.1 * len(channels))
    heights = [4.0, *(1.0 for _ in channels)]
    axes = figure.subplots(len(heights), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    _draw_raster(axes[0], stretch, recording)
    times = stretch.from_s + (np.arange(len(stretch.counts)) + 0.5) * stretch.bin_size_s
    for number, (axis, channel) in enumerate(zip(axes[1:], channels, strict=True)):
        axis.plot(times, stretch.conditions[:, number], color=MODEL, linewidth=1)
        axis.set_ylabel(literal(f"{channel.name}\n({channel.unit})" if channel.unit else channel.name), fontsize=8)
    where = f"trial {stretch.trial}" if recording.repeats > 1 else "the middle of the recording"
    axes[0].set_title(where)
    axes[-1].set_xlabel("time (s)")
    return as_svg(figure)


def _draw_raster(axis: Axes, stretch: Stretch, recording: Recording) -> None:
    extent = (stretch.from_s, stretch.to_s, recording.units - 0.5, -0.5)
    picture = stretch.counts.T
    shown = np.minimum(picture, max(1, np.percentile(picture, 99.9))) if recording.signal == "spikes" else picture
    axis.imshow(shown, aspect="auto", interpolation="nearest", cmap="Greys", extent=extent, rasterized=True)
    axis.set_ylabel("unit")


def _draw_rates(recording: Recording) -> str:
    figure = new_figure(10, 2.5)
    axis = figure.subplots()
    axis.bar(np.arange(recording.units), recording.rates_hz, color=REAL, width=0.8)
    axis.set(xlabel="unit", ylabel="mean rate (Hz)")
    return as_svg(figure)
