"""The stamps of a stream of an XDF file, without its values; and when its chunks were written."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from spikeloop.exporters.formats.xdf.chunks import CLOCK_OFFSET, FORMATS, SAMPLES, Stream, Streams, read_length
from spikeloop.models.arrays import Floats

__all__ = ["STAMPED", "Comparison", "chunks_of", "comparisons_of", "stamps_of_chunks"]

STAMPED = 8  # bytes of a stamp


@dataclass(frozen=True)
class Comparison:
    """A comparison of a stream's clock with the recorder's.

    Attributes
    ----------
    place : int
        In the file, which shows what was written before it.
    at_s : float, s
        When it was made, on the stream's clock.
    offset_s : float, s
        What has to be added to the stream's stamps then.
    """

    place: int
    at_s: float
    offset_s: float

    @property
    def recorder_s(self) -> float:
        """When it was made, s, on the recorder's clock."""
        return self.at_s + self.offset_s


def chunks_of(streams: Streams, stream: Stream) -> Iterator[tuple[int, int, int]]:
    """Yield tag, place behind the stream's number, and end of each of a stream's chunks."""
    for begin, end in stream.chunks:
        _, place = read_length(streams.content, begin)
        yield struct.unpack_from("<H", streams.content, place)[0], place + 6, end


def comparisons_of(streams: Streams, stream: Stream) -> list[Comparison]:
    """Return the comparisons of a stream's clock with the recorder's, in the order of the file."""
    content = streams.content
    return [
        Comparison(place, *struct.unpack_from("<dd", content, place))
        for tag, place, _ in chunks_of(streams, stream)
        if tag == CLOCK_OFFSET
    ]


def stamps_of_chunks(streams: Streams, stream: Stream) -> Iterator[tuple[int, Floats]]:
    """Yield the place of each chunk of samples, and its stamps on the sender's clock, s.

    A sample without a stamp follows the one before it by the stream's interval, as LabRecorder leaves such stamps out.
    """
    last_s, step_s = 0.0, 1 / stream.rate_hz if stream.rate_hz else 0.0
    for tag, place, end in chunks_of(streams, stream):
        if tag != SAMPLES:
            continue
        stamps = _stamps(streams, stream, place, end, last_s, step_s)
        last_s = float(stamps[-1]) if len(stamps) else last_s
        yield place, stamps


def _stamps(streams: Streams, stream: Stream, place: int, end: int, last_s: float, step_s: float) -> Floats:
    content = streams.content
    number, place = read_length(content, place)
    width = FORMATS[stream.form] * stream.channels
    if not stream.is_text and end - place == number * (1 + STAMPED + width):
        rows = np.dtype([("size", "u1"), ("stamp", "<f8"), ("values", f"V{width}")])
        return np.frombuffer(content, rows, number, place)["stamp"].astype(np.float64)
    stamps = np.empty(number)
    for sample in range(number):
        stamped, place = content[place], place + 1
        last_s = struct.unpack_from("<d", content, place)[0] if stamped else last_s + step_s
        place += stamped + width
        for _ in range(stream.channels if stream.is_text else 0):
            length, place = read_length(content, place)
            place += length
        stamps[sample] = last_s
    return stamps
