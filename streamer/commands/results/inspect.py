"""What is in a recording's file, and a picture of it, for a terminal."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from rich.text import Text

from spikeloop.exporters.documents import print_line, printable
from spikeloop.exporters.formats.inspection import Inspection, Stretch, stretch_of
from spikeloop.models.memory import size_in_words
from spikeloop.models.recordings.recording import Recording
from spikeloop.streamer.commands.results.braille import bars, braille_raster, braille_trace, columns_of

__all__ = ["print_inspection"]

SPAN_S = 5.0  # time that the raster shows; more where a column would hold less than a bin
WIDEST = 120  # columns of the pictures
ROWS = 64  # of dots in the raster; a character has four
ITEMS, UNITS, TRACES = 40, 12, 4  # that are shown; the rest is counted


def print_inspection(found: Inspection) -> None:
    """Print what is in a file, what is read from it, and a picture."""
    console = Console()
    print_line(console, f"{printable(found.path)}: {printable(found.format)}")
    if found.items:
        console.print(_items(found))
        _print_more(console, len(found.items) - ITEMS, "in the file")
    if found.recording is None:
        print_line(console, f"\nnot a recording as it stands: {printable(found.problem)}")
        return
    _print_summary(console, found)
    if console.encoding.lower().startswith("utf"):
        for line in _pictures(found.recording, min(console.width, WIDEST)):
            print_line(console, line)
    console.print(_units(found, found.recording))
    _print_more(console, found.recording.units - UNITS, "units")


def _print_more(console: Console, number: int, what: str) -> None:
    if number > 0:
        print_line(console, f"... and {number} more {what}; --json lists all")


def _items(found: Inspection) -> Table:
    table = Table("path", "what", "shape", "type", "unit", box=None, pad_edge=False)
    for item in found.items[:ITEMS]:
        shape = " x ".join(map(str, item.shape))
        table.add_row(*(Text(printable(word)) for word in (item.path, item.what, shape, item.dtype, item.unit)))
    return table


def _print_summary(console: Console, found: Inspection) -> None:
    summary = found.summary
    assert summary is not None
    print_line(console, f"\n{printable(str(summary))}")
    print_line(console, f"  memory: reading takes about {size_in_words(found.memory_bytes)}")
    for what, sentences in (("done", summary.history), ("warning", summary.warnings)):
        for sentence in sentences:
            print_line(console, f"  {what}: {printable(sentence)}")


def _pictures(recording: Recording, width: int) -> Iterator[str]:
    stretch = stretch_of(recording, max(2 * width, round(SPAN_S / recording.bin_size_s)))
    where = f"{stretch.from_s:.4g} to {stretch.to_s:.4g} s"
    if recording.repeats > 1:
        where = f"trial {stretch.trial}, {where}"
    what = "spikes" if recording.signal == "spikes" else "fluorescence above a unit's mean"
    yield f"\n{what}, {where}, unit 0 at the top:"
    yield braille_raster(_raster(stretch, recording, 2 * width))
    for number, channel in enumerate(recording.channels[:TRACES]):
        values = [float(part.mean()) for part in columns_of(stretch.conditions[:, number], 2 * width)]
        unit = f" {channel.unit}" if channel.unit else ""
        yield f"{printable(channel.name)}, {min(values):.3g} to {max(values):.3g}{unit}:"
        yield braille_trace(values)
    if recording.signal == "spikes":
        rates = recording.rates_hz
        yield f"mean rates, unit by unit, up to {rates.max():.3g} Hz:"
        yield bars([part.mean() for part in columns_of(rates, width)])


def _raster(stretch: Stretch, recording: Recording, columns: int) -> NDArray[np.bool_]:
    """Dots (rows, columns): whether a unit, or one of several, spikes in a bin, or in one of several."""
    filled = stretch.counts > 0
    if recording.signal != "spikes":
        filled = stretch.counts > stretch.counts.mean(axis=0)
    by_column = np.array([part.any(axis=0) for part in columns_of(filled, columns)])
    return np.array([part.any(axis=0) for part in columns_of(by_column.T, ROWS)])


def _units(found: Inspection, recording: Recording) -> Table:
    headings = ["unit", *(["rate (Hz)"] if recording.signal == "spikes" else []), *(["label"] if found.labels else [])]
    table = Table(*headings, box=None, pad_edge=False)
    rates = recording.rates_hz
    for number, name in enumerate(recording.unit_names[:UNITS]):
        row = [printable(name)]
        if recording.signal == "spikes":
            row.append(f"{rates[number]:.3g}")
        if found.labels:
            row.append(printable(found.labels[number]))
        table.add_row(*map(Text, row))
    return table
