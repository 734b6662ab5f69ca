"""A recorded session, all streams of an XDF file, as a Zarr folder."""

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from spikeloop.exporters.formats.xdf.blocks import blocks, clock_offsets
from spikeloop.exporters.formats.xdf.chunks import Stream, open_streams
from spikeloop.exporters.formats.xdf.streams import OpenFile
from spikeloop.exporters.formats.zarr import add_recording, add_texts, write_group
from spikeloop.exporters.sessions.counts import counts_of
from spikeloop.models.packages import require_packages

__all__ = ["write_recorded_zarr"]

STREAMS = "streams"


def write_recorded_zarr(spool: Path, out: Path) -> None:
    """Write all streams of an XDF file to a Zarr folder, whole or not at all.

    The first stream of counts, or else of fluorescence, becomes the arrays that `write_recording` writes of a
    recording. Each stream, also this one, is a group `streams/NAME` with the arrays `values`, of shape (samples,
    channels), and `stamps_s`, both as they were sent, on the sender's clock; and `clock_offsets_s`, of shape
    (comparisons, 2): times of the sender's clock, and what has to be added to its stamps then to have them on the
    recorder's clock. Its attributes are its number, type, rate and whole description.

    Parameters
    ----------
    spool : pathlib.Path
        XDF file, of any recorder.
    out : pathlib.Path
        Zarr folder.

    Raises
    ------
    BadInputError
        If the XDF file can't be read.
    FailureError
        If the disk refuses, or a package is missing.
    """
    require_packages("zarr", extra="zarr", what="writing Zarr folders")
    require_packages("pyxdf", extra="xdf", what="reading XDF files")
    with open_streams(spool) as streams:
        opened = OpenFile(spool, streams)
        counts = counts_of(opened)

        def fill(group: Any) -> None:
            if counts is not None:
                add_recording(group, counts.recording)
            for stream in streams.streams:
                _add(group, opened, stream)

        write_group(out, fill)


def _add(parent: Any, file: OpenFile, stream: Stream) -> None:
    name = re.sub(r"[/\\]", "_", stream.name).strip(". ") or "stream"
    name = name if f"{STREAMS}/{name}" not in parent else f"{name}#{stream.number}"
    group = parent.create_group(f"{STREAMS}/{name}")
    group.attrs.update(
        {
            "number": stream.number,
            "type": stream.type,
            "nominal_rate_hz": stream.rate_hz,
            "description": ElementTree.tostring(stream.info, "unicode"),
        }
    )
    group["clock_offsets_s"] = clock_offsets(file.streams, stream)
    if not stream.samples:
        return
    if stream.is_text:
        values, stamps_s = file.as_sent(stream)
        add_texts(group, "values", values)
        group["stamps_s"] = stamps_s
        return
    dtype = "float64" if stream.form == "double64" else stream.form
    values = group.create_dataset("values", shape=(stream.samples, stream.channels), dtype=dtype)
    stamps = group.create_dataset("stamps_s", shape=(stream.samples,), dtype="float64")
    at = 0
    for block, times in blocks(file.streams, stream):
        place = slice(at, at + len(times))
        values[place], stamps[place] = block, times
        at = place.stop
