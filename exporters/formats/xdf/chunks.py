"""The chunks of an XDF file: which of them are sound, and what their streams are.

Of the specification, https://github.com/sccn/xdf/wiki/Specifications. Each chunk is checked before pyxdf reads it, as
the lengths in a damaged file can ask for any amount of memory.
"""

import gzip
import mmap
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

import numpy as np

from spikeloop.exporters.formats.storage.existing_file import require_file
from spikeloop.exporters.formats.xdf.for_pyxdf import header_for_pyxdf, packed_chunk
from spikeloop.models.errors import BadInputError, in_one_line
from spikeloop.models.memory import memory_left, require_memory

__all__ = [
    "BOUNDARY",
    "CLOCK_OFFSET",
    "FILE_HEADER",
    "FORMATS",
    "MAGIC",
    "SAMPLES",
    "STREAM_FOOTER",
    "STREAM_HEADER",
    "UUID",
    "XDF_SUFFIXES",
    "Bytes",
    "Stream",
    "Streams",
    "open_streams",
    "read_length",
]

XDF_SUFFIXES = PLAIN, COMPRESSED = ".xdf", ".xdfz"
MAGIC = b"XDF:"
FILE_HEADER, STREAM_HEADER, SAMPLES, CLOCK_OFFSET, BOUNDARY, STREAM_FOOTER = range(1, 7)
OF_A_STREAM = (STREAM_HEADER, SAMPLES, CLOCK_OFFSET, STREAM_FOOTER)
UUID = bytes.fromhex("43A546DCCBF5410FB30ED5467383CBE4")  # of boundaries, which a reader of damaged files looks for
FORMATS = {"int8": 1, "int16": 2, "int32": 4, "int64": 8, "float32": 4, "double64": 8, "string": 0}  # bytes of a value
MOST_CHANNELS = 2**20
LARGEST_RATE_HZ = 1e9
LONGEST_CHUNK = 2**31
MOST_UNPACKED, UNPACKED_SHARE = 400 * 2**20, 3  # bytes of a compressed file, and per byte of it
OF_A_TEXT, OF_A_STAMP = 120, 64  # bytes of memory that each takes while a stream is read

Bytes = mmap.mmap | bytes


@dataclass(frozen=True, eq=False)
class Stream:
    """One stream of a file.

    Attributes
    ----------
    number : int
        Its number in the file.
    info : xml.etree.ElementTree.Element
        Its header.
    channels : int
    form : str
        Of its values, a key of FORMATS.
    rate_hz : float >= 0, Hz
        0 of a stream that is not regular.
    chunks : list of (int, int)
        Where each of its sound chunks begins and ends in the file, header first.
    samples : int
    """

    number: int
    info: ElementTree.Element
    channels: int
    form: str
    rate_hz: float
    chunks: list[tuple[int, int]] = field(default_factory=list)
    samples: int = 0

    @property
    def name(self) -> str:
        """Its name; its number where it has none."""
        return self.info.findtext("name", "").strip() or f"stream {self.number}"

    @property
    def type(self) -> str:
        """Its type, such as "Spikes"."""
        return self.info.findtext("type", "").strip()

    @property
    def memory(self) -> int:
        """Bytes of memory that it takes to read all samples: their chunks, twice, then values and stamps, twice."""
        stored = sum(end - begin for begin, end in self.chunks)
        if self.is_text:
            return 2 * stored + self.samples * (OF_A_TEXT * self.channels + OF_A_STAMP) + stored
        return 2 * stored + self.samples * (2 * FORMATS[self.form] * self.channels + OF_A_STAMP)

    @property
    def is_text(self) -> bool:
        """Whether its values are texts."""
        return self.form == "string"

    def of_channels(self, entry: Literal["label", "unit"]) -> tuple[str, ...]:
        """Return what the header says of each channel; "" where it says nothing."""
        found = [(node.findtext(entry) or "").strip() for node in self.info.iterfind("desc/channels/channel")]
        return tuple(found) if len(found) == self.channels else ("",) * self.channels

    def fact(self, name: str) -> str | None:
        """Return what spikeloop said of its own stream; None where another program wrote the stream."""
        return self.info.findtext(f"desc/spikeloop/{name}")


@dataclass(frozen=True, eq=False)
class Streams:
    """The streams of an open file.

    Attributes
    ----------
    content : bytes-like
        Of the file.
    streams : tuple of Stream
        In the order of their headers.
    damaged : int
        Chunks that can't be read, or stretches without one that can.
    """

    content: Bytes
    streams: tuple[Stream, ...]
    damaged: int

    def only(self, stream: Stream) -> bytes:
        """Return a sound file that has only this stream, with a name."""
        header = packed_chunk(STREAM_HEADER, stream.number, header_for_pyxdf(stream.info, name=stream.name))
        return MAGIC + header + b"".join(self.content[begin:end] for begin, end in stream.chunks[1:])


@contextmanager
def open_streams(path: Path) -> Iterator[Streams]:
    """Find the streams of a file, without their samples.

    Raises
    ------
    BadInputError
        If the file is missing, or no XDF file, or has no stream.
    """
    require_file(path)
    with _content(path) as content:
        if content[:4] != MAGIC:
            raise BadInputError(f"{path}: expected an XDF file, which begins with XDF:, found something else")
        found = _scan(content)
        if not found.streams:
            raise BadInputError(f"{path}: expected XDF streams, found none that can be read; is the file complete?")
        yield found


@contextmanager
def _content(path: Path) -> Iterator[Bytes]:
    """Open a file; errors of the block that reads it are its own."""
    try:
        content = _unpacked(path) if path.suffix.lower() == COMPRESSED else _mapped(path)
    except (OSError, EOFError, ValueError, zlib.error) as error:  # ValueError of an empty file
        raise BadInputError(f"{path}: not a readable XDF file ({in_one_line(error)}); is it complete?") from error
    try:
        yield content
    finally:
        if isinstance(content, mmap.mmap):
            content.close()


def _unpacked(path: Path) -> bytes:
    limit, left = MOST_UNPACKED + UNPACKED_SHARE * path.stat().st_size, memory_left()
    with gzip.open(path) as file:  # which states no size that could be relied on
        content = file.read(min(limit, left + 1))
    require_memory("the unpacked file", len(content))
    if len(content) == limit:
        raise BadInputError(f"{path}: larger than expected; unpack it with gzip to a file ending in .xdf")
    return content


def _mapped(path: Path) -> mmap.mmap:
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _scan(content: Bytes) -> Streams:
    """Walk from chunk to chunk; after a damaged one, go on behind the next boundary."""
    streams: dict[int, Stream] = {}
    samples: dict[int, int] = {}
    place, damaged = len(MAGIC), 0
    while place < len(content):
        begin = place
        try:
            length, place = read_length(content, place)
            end = place + length
            if not 2 <= length <= LONGEST_CHUNK or end > len(content):
                raise ValueError
            (tag,) = struct.unpack_from("<H", content, place)
            if not FILE_HEADER <= tag <= STREAM_FOOTER:
                raise ValueError
        except (struct.error, ValueError, IndexError):
            damaged += 1
            boundary = content.find(UUID, begin)
            place = len(content) if boundary < 0 else boundary + len(UUID)
            continue
        if tag in OF_A_STREAM and not _add(content, tag, place + 2, (begin, end), streams, samples):
            damaged += 1
        place = end
    found = [replace(stream, samples=samples.get(number, 0)) for number, stream in streams.items()]
    return Streams(content, tuple(found), damaged)


def _add(
    content: Bytes,
    tag: int,
    place: int,
    chunk: tuple[int, int],
    streams: dict[int, Stream],
    samples: dict[int, int],
) -> bool:
    """Add a chunk to its stream, where it is sound; say whether it is."""
    try:
        (number,) = struct.unpack_from("<I", content, place)
        place, end = place + 4, chunk[1]
        if tag == STREAM_HEADER:
            if number in streams:
                return False
            streams[number] = _stream(number, content[place:end])
        elif tag == SAMPLES:
            samples[number] = samples.get(number, 0) + _samples(content, place, end, streams[number])
        elif tag == CLOCK_OFFSET:
            if end - place != 16 or not np.isfinite(struct.unpack_from("<dd", content, place)).all():
                return False
        else:
            info = ElementTree.fromstring(content[place:end].decode("utf-8", "replace"))
            int(info.findtext("sample_count") or 0)
    except (struct.error, ValueError, IndexError, KeyError, ElementTree.ParseError):
        return False
    if number not in streams:
        return False
    streams[number].chunks.append(chunk)
    return True


def _stream(number: int, xml: bytes) -> Stream:
    info = ElementTree.fromstring(xml.decode("utf-8", "replace"))
    channels = int(info.findtext("channel_count") or "")
    rate_hz = float(info.findtext("nominal_srate") or "")
    form = info.findtext("channel_format") or ""
    sound = 1 <= channels <= MOST_CHANNELS and 0 <= rate_hz <= LARGEST_RATE_HZ
    if not sound or form not in FORMATS or info.tag != "info" or info.find("name") is None:
        raise ValueError
    return Stream(number, info, channels, form, rate_hz)


def read_length(content: Bytes, place: int) -> tuple[int, int]:
    """Read a length, which is preceded by its own size; and the place behind it."""
    size = content[place]
    form = {1: "<B", 4: "<I", 8: "<Q"}.get(size)
    if form is None:
        raise ValueError
    return struct.unpack_from(form, content, place + 1)[0], place + 1 + size


def _samples(content: Bytes, place: int, end: int, stream: Stream) -> int:
    """Count the samples of a chunk; ValueError where they don't fill it."""
    number, place = read_length(content, place)
    if stream.is_text:
        return _texts(content, place, end, stream.channels, number)
    width = 1 + FORMATS[stream.form] * stream.channels
    stamped, rest = divmod(end - place - number * width, 8)
    if rest or not 0 <= stamped <= number:
        raise ValueError
    if stamped in (0, number) and number:
        flags = np.frombuffer(content[place:end], np.uint8)[:: width + 8 * (stamped == number)]
        if (flags == (8 if stamped else 0)).all():
            return number
        raise ValueError
    for _ in range(number):
        place += width + _stamp(content, place)
    if place != end:
        raise ValueError
    return number


def _texts(content: Bytes, place: int, end: int, channels: int, number: int) -> int:
    if number * (1 + 2 * channels) > end - place:
        raise ValueError
    for _ in range(number):
        place += 1 + _stamp(content, place)
        for _ in range(channels):
            length, place = read_length(content, place)
            place += length
            if place > end:
                raise ValueError
    if place != end:
        raise ValueError
    return number


def _stamp(content: Bytes, place: int) -> int:
    """Return the size of the stamp that follows, 0 or 8 bytes."""
    with suppress(IndexError):
        if content[place] in (0, 8):
            return content[place]
    raise ValueError
