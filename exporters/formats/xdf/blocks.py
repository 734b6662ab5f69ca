"""Large streams of an XDF file, chunk by chunk, so that memory does not grow with them."""

import io
import struct
from collections.abc import Iterator, Sequence
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.xdf.chunk_stamps import STAMPED, chunks_of, comparisons_of, stamps_of_chunks
from spikeloop.exporters.formats.xdf.chunks import (
    CLOCK_OFFSET,
    FORMATS,
    MAGIC,
    SAMPLES,
    STREAM_FOOTER,
    STREAM_HEADER,
    Bytes,
    Stream,
    Streams,
    read_length,
)
from spikeloop.exporters.formats.xdf.for_pyxdf import header_for_pyxdf, packed_chunk
from spikeloop.exporters.formats.xdf.other_clocks import OtherClock, placed_by_arrival
from spikeloop.models.arrays import Floats

__all__ = ["blocks", "clock_offsets", "footer_samples", "synchronised"]

DTYPES = {
    form: np.dtype("float64" if form == "double64" else form).newbyteorder("<") for form in FORMATS if FORMATS[form]
}
MOST_ONE_BY_ONE = 2_000_000  # samples, which take pyxdf some seconds


def footer_samples(streams: Streams, stream: Stream) -> int | None:
    """Return how many samples a stream's footer says that it has; None where there is no footer, or it does not say."""
    for tag, place, end in chunks_of(streams, stream):
        if tag == STREAM_FOOTER:
            stated = ElementTree.fromstring(streams.content[place:end].decode("utf-8", "replace"))
            samples = stated.findtext("sample_count")
            return int(samples) if samples else None
    return None


def blocks(streams: Streams, stream: Stream) -> Iterator[tuple[NDArray[np.generic], Floats]]:
    """Read the samples of a stream of numbers, a chunk at a time.

    Parameters
    ----------
    streams : Streams
        Of the open file.
    stream : Stream
        Of numbers; its chunks are sound.

    Yields
    ------
    values : array of shape (samples, channels)
    stamps_s : array of shape (samples,), s
        On the sender's clock, as they were written, or deduced from the one before.
    """
    last_s, step_s = 0.0, 1 / stream.rate_hz if stream.rate_hz else 0.0
    row = np.dtype([("size", "u1"), ("stamp", "<f8"), ("values", DTYPES[stream.form], (stream.channels,))])
    for tag, place, end in chunks_of(streams, stream):
        if tag != SAMPLES:
            continue
        number, place = read_length(streams.content, place)
        if end - place == number * row.itemsize:
            rows = np.frombuffer(streams.content[place:end], row)
            values, stamps = rows["values"], rows["stamp"]
        else:
            values, stamps = _deduced(streams.content, place, number, stream, last_s, step_s)
        last_s = float(stamps[-1]) if number else last_s
        yield values, stamps


def clock_offsets(streams: Streams, stream: Stream) -> Floats:
    """Return the comparisons of a stream's clock with the recorder's.

    Returns
    -------
    array of shape (comparisons, 2), s
        The stream's time of each, and what has to be added to its stamps then.
    """
    found = [(comparison.at_s, comparison.offset_s) for comparison in comparisons_of(streams, stream)]
    return np.array(found, np.float64).reshape(-1, 2)


def synchronised(streams: Streams, stream: Stream, clocks: Sequence[OtherClock] = ()) -> Floats:
    """Return the stamps of a stream as pyxdf puts them on the recorder's clock, s; those of other clocks by arrival.

    pyxdf gets the stamps and the comparisons of clocks alone, as it reads samples one by one. Of a very long stream it
    gets only the first and the last stamp: between them, the clock is taken to be even.
    """
    import pyxdf

    header = header_for_pyxdf(stream.info, name=stream.name, channel_count="1", channel_format="int8")
    parts = [MAGIC, packed_chunk(STREAM_HEADER, stream.number, header)]
    read, stamps = stamps_of_chunks(streams, stream), []
    for (begin, end), (tag, _, _) in zip(stream.chunks, chunks_of(streams, stream), strict=True):
        if tag == CLOCK_OFFSET:
            parts.append(bytes(streams.content[begin:end]))
        elif tag == SAMPLES:
            stamps.append(next(read)[1])
            if stream.samples <= MOST_ONE_BY_ONE:
                parts.append(packed_chunk(SAMPLES, stream.number, _bare(stamps[-1])))
    raw = np.concatenate(stamps)
    if stream.samples > MOST_ONE_BY_ONE:
        parts.append(packed_chunk(SAMPLES, stream.number, _bare(raw[[0, -1]])))
    found, _ = pyxdf.load_xdf(io.BytesIO(b"".join(parts)), dejitter_timestamps=False)
    shifted = np.asarray(found[0]["time_stamps"], np.float64)
    if len(shifted) != len(raw):
        slope = (shifted[-1] - shifted[0]) / (raw[-1] - raw[0]) if raw[-1] != raw[0] else 1.0
        shifted = shifted[0] + (raw - raw[0]) * slope
    return placed_by_arrival(raw, shifted, clocks)


def _bare(stamps: Floats) -> bytes:
    """Samples of one byte, each with its stamp."""
    rows = np.zeros(len(stamps), [("size", "u1"), ("stamp", "<f8"), ("value", "i1")])
    rows["size"], rows["stamp"] = STAMPED, stamps
    return struct.pack("<BI", 4, len(stamps)) + rows.tobytes()


def _deduced(
    content: Bytes, place: int, number: int, stream: Stream, last_s: float, step_s: float
) -> tuple[NDArray[np.generic], Floats]:
    """Read samples of which some have no stamp, as LabRecorder leaves out those that follow from the one before."""
    dtype, stamps = DTYPES[stream.form], np.empty(number)
    width = dtype.itemsize * stream.channels
    parts = []
    for sample in range(number):
        stamped, place = content[place], place + 1
        last_s = struct.unpack_from("<d", content, place)[0] if stamped else last_s + step_s
        place += stamped
        stamps[sample] = last_s
        parts.append(content[place : place + width])
        place += width
    return np.frombuffer(b"".join(parts), dtype).reshape(number, stream.channels), stamps
