"""What became of the streams of a recorded session in a file of another format."""

from dataclasses import dataclass

from spikeloop.exporters.formats.xdf.chunks import Stream
from spikeloop.exporters.formats.xdf.header import origin_of
from spikeloop.exporters.formats.xdf.other_clocks import other_clock_words
from spikeloop.exporters.formats.xdf.streams import OpenFile
from spikeloop.exporters.formats.xdf.whole import path_of

__all__ = ["LEFT_OUT", "StoredSession", "StoredStream", "clock_notes", "stored_stream"]

LEFT_OUT = "left out: no samples"


@dataclass(frozen=True)
class StoredStream:
    """One stream of the session.

    Attributes
    ----------
    name : str
        Its name; NAME#2 of several of one name, with the number in the XDF file.
    type : str
    origin : str
        The computer that sent it, and its source id, as far as these are known.
    samples : int
    place : str
        Where it is in the file; `LEFT_OUT` where it is nowhere.
    """

    name: str
    type: str
    origin: str
    samples: int
    place: str


@dataclass(frozen=True)
class StoredSession:
    """A file that was made of a session.

    Attributes
    ----------
    streams : tuple of StoredStream
        In the order of the XDF file.
    notes : tuple of str
        What to know of it, a sentence each: which stream gave the counts, which has stamps of another clock.
    """

    streams: tuple[StoredStream, ...]
    notes: tuple[str, ...] = ()


def stored_stream(file: OpenFile, stream: Stream, place: str) -> StoredStream:
    """Say of a stream where it is."""
    return StoredStream(path_of(stream, file.streams), stream.type, origin_of(stream.info), stream.samples, place)


def clock_notes(file: OpenFile) -> list[str]:
    """Say what the times are of streams that are stamped by other clocks, a sentence each."""
    clocks = file.other_clocks
    return [
        other_clock_words(path_of(stream, file.streams), clocks[stream.number])
        for stream in file.streams.streams
        if stream.number in clocks
    ]
