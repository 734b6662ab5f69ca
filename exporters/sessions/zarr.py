"""A recorded session, all streams of an XDF file, as a Zarr folder."""

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from spikeloop.exporters.formats.xdf.blocks import blocks, clock_offsets, synchronised
from spikeloop.exporters.formats.xdf.chunks import Stream, open_streams
from spikeloop.exporters.formats.xdf.other_clocks import other_clock_words
from spikeloop.exporters.formats.xdf.streams import OpenFile
from spikeloop.exporters.formats.zarr import add_recording, add_texts, write_group
from spikeloop.exporters.sessions.counts import choose_counts
from spikeloop.exporters.sessions.stored import StoredSession, StoredStream, clock_notes, stored_stream
from spikeloop.models.packages import require_packages

__all__ = ["write_recorded_zarr"]

STREAMS = "streams"


def write_recorded_zarr(spool: Path, out: Path, key: str | None = None) -> StoredSession:
    """Write all streams of an XDF file to a Zarr folder, whole or not at all.

    The first stream of counts, or else of fluorescence, becomes the arrays that `write_recording` writes of a
    recording. Each stream, also this one, is a group `streams/NAME` with the arrays `values`, of shape (samples,
    channels), and `stamps_s`, both as they were sent, on the sender's clock; `times_s`, the same on the recorder's
    clock, as pyxdf has them, or where samples arrived whose stamps are of another clock than LSL's; and
    `clock_offsets_s`, of shape (comparisons, 2): times of the sender's clock, and what has to be added to its stamps
    then to have them on the recorder's clock. Its attributes are its number, type, rate, whole description, and
    `other_clock` where its stamps are of one. A stream that sent nothing has arrays of no samples.

    Parameters
    ----------
    spool : pathlib.Path
        XDF file, of any recorder.
    out : pathlib.Path
        Zarr folder.
    key : str, optional
        Name of the stream that has the counts, as of `choose_counts`.

    Returns
    -------
    StoredSession
        What became of each stream.

    Raises
    ------
    BadInputError
        If the XDF file can't be read, or has no such stream of counts.
    FailureError
        If the disk refuses, or a package is missing.
    """
    require_packages("zarr", extra="zarr", what="writing Zarr folders")
    require_packages("pyxdf", extra="xdf", what="reading XDF files")
    with open_streams(spool) as streams:
        opened = OpenFile(spool, streams)
        chosen, notes = choose_counts(opened, key)
        stored: list[StoredStream] = []

        def fill(group: Any) -> None:
            if chosen is not None:
                add_recording(group, chosen.recording)
            for stream in streams.streams:
                also = " and the recording's arrays" * (chosen is not None and stream is chosen.stream)
                stored.append(stored_stream(opened, stream, f"{_add(group, opened, stream)}{also}"))
            notes.extend(clock_notes(opened))
            group.attrs["notes"] = notes

        write_group(out, fill)
    return StoredSession(tuple(stored), tuple(notes))


def _add(parent: Any, file: OpenFile, stream: Stream) -> str:
    """Add a stream; return its place."""
    name = re.sub(r"[/\\]", "_", stream.name).strip(". ") or "stream"
    name = name if f"{STREAMS}/{name}" not in parent else f"{name}#{stream.number}"
    group = parent.create_group(f"{STREAMS}/{name}")
    clocks = file.other_clocks.get(stream.number, ())
    group.attrs.update(
        {
            "number": stream.number,
            "type": stream.type,
            "nominal_rate_hz": stream.rate_hz,
            "source_id": stream.info.findtext("source_id") or "",
            "hostname": stream.info.findtext("hostname") or "",
            "description": ElementTree.tostring(stream.info, "unicode"),
        }
        | ({"other_clock": other_clock_words(stream.name, clocks)} if clocks else {})
    )
    group["clock_offsets_s"] = clock_offsets(file.streams, stream)
    if stream.is_text:
        _add_texts(group, file, stream)
    else:
        _add_numbers(group, file, stream)
    return f"{STREAMS}/{name}"


def _add_texts(group: Any, file: OpenFile, stream: Stream) -> None:
    loaded = file.load(stream) if stream.samples else None
    values = np.empty((0, stream.channels), object) if loaded is None else loaded.values
    add_texts(group, "values", values)
    group["stamps_s"] = np.empty(0) if loaded is None else loaded.own_s
    group["times_s"] = np.empty(0) if loaded is None else loaded.times_s


def _add_numbers(group: Any, file: OpenFile, stream: Stream) -> None:
    dtype = "float64" if stream.form == "double64" else stream.form
    values = group.create_dataset("values", shape=(stream.samples, stream.channels), dtype=dtype)
    stamps = group.create_dataset("stamps_s", shape=(stream.samples,), dtype="float64")
    at = 0
    for block, times in blocks(file.streams, stream):
        place = slice(at, at + len(times))
        values[place], stamps[place] = block, times
        at = place.stop
    clocks = file.other_clocks.get(stream.number, ())
    group["times_s"] = synchronised(file.streams, stream, clocks) if stream.samples else np.empty(0)
