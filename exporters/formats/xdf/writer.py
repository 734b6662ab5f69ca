"""Writing XDF files: chunk by chunk, as samples come in; or a whole recording.

Of the specification, https://github.com/sccn/xdf/wiki/Specifications.
"""

import struct
import time
from array import array
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Self
from xml.etree import ElementTree

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikeloop.exporters.formats.storage.file_lock import open_alone
from spikeloop.exporters.formats.xdf.chunks import (
    BOUNDARY,
    CLOCK_OFFSET,
    FILE_HEADER,
    FORMATS,
    MAGIC,
    SAMPLES,
    STREAM_FOOTER,
    STREAM_HEADER,
    UUID,
)
from spikeloop.exporters.formats.xdf.header import append_entries
from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.interrupts import hold_interrupts

__all__ = ["XdfWriter"]

DTYPES = {form: "float64" if form == "double64" else form for form in FORMATS if form != "string"}
MOST_WAITING = 4 * 2**20  # bytes


class XdfWriter:
    """An XDF file that grows, open from entering to leaving the context.

    A path is opened at the first stream, and folders above it are made: without a stream nothing is written. While it
    is open, no other writer opens it. What was handed to the system stays in the file where the program is killed, or
    the disk is full.

    Parameters
    ----------
    file : pathlib.Path or binary file
        To write to.
    flush_each_chunk : bool
        Hand each chunk to the system as it is written, so that a program that is killed loses at most the last one.
        Otherwise chunks wait for `flush`, or until they are 4 MB.
    own : mapping, optional
        What spikeloop says of the file in its header.
    replace : bool
        Replace a file that is there; otherwise it is refused.

    Attributes
    ----------
    size_bytes : int
        What was handed to the system so far.

    Raises
    ------
    FailureError
        If the disk refuses. The file then ends with the last chunk before, and is closed without footers.

    Examples
    --------
    >>> from pathlib import Path
    >>> from spikeloop.exporters.formats.xdf.header import stream_header
    >>> header = stream_header("counts", "Spikes", [{"label": "unit 0"}], 50.0, "int16", {"bin_size_s": 0.02})
    >>> with XdfWriter(Path("session.xdf")) as writer:
    ...     stream = writer.add_stream(header)
    ...     writer.add_samples(stream, [[1], [0]], [0.02, 0.04])
    """

    def __init__(
        self,
        file: Path | IO[bytes],
        flush_each_chunk: bool = True,
        own: Mapping[str, Any] | None = None,
        *,
        replace: bool = True,
    ) -> None:
        self._own, self._replace = own or {}, replace
        self.size_bytes = 0
        self._flush_each_chunk, self._failed = flush_each_chunk, False
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._path = file if isinstance(file, Path) else Path(str(getattr(file, "name", "XDF file")))
        self._owned = isinstance(file, Path)
        self._given = file
        self._file: IO[bytes] | None = None
        self._entered = False
        self._streams: list[_Written] = []

    def __enter__(self) -> Self:
        self._entered = True
        if not isinstance(self._given, Path):
            self._file = self._given
        self._waiting, self._waiting_bytes = [MAGIC], len(MAGIC)
        info = ElementTree.Element("info")
        entries = {"version": "1.0", "datetime": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
        append_entries(info, entries | ({"spikeloop": self._own} if self._own else {}))
        self._chunk(FILE_HEADER, ElementTree.tostring(info, "utf-8", xml_declaration=True))
        return self

    def __exit__(self, *error: object) -> None:
        """Write what each stream held, and close the file."""
        with hold_interrupts():
            try:
                if not self._failed:
                    for number in range(1, len(self._streams) + 1):
                        self._footer(number)
                    self.flush()
            finally:
                if self._owned and self._file is not None:
                    self._file.close()
                self._file, self._entered = None, False

    def add_stream(self, info: ElementTree.Element) -> int:
        """Begin a stream.

        Parameters
        ----------
        info : xml.etree.ElementTree.Element
            Its description, of `stream_header` or of LSL: `ElementTree.fromstring(inlet.info().as_xml())`.

        Returns
        -------
        int
            Its number in the file, from 1 on.

        Raises
        ------
        BadInputError
            If the description lacks the number of channels, or has a format that XDF hasn't.
        """
        form, channels = info.findtext("channel_format") or "", info.findtext("channel_count") or ""
        if form not in FORMATS or not channels.isdecimal():
            raise BadInputError(f"expected a stream's channel_format and channel_count, found {form!r}, {channels!r}")
        if self._entered and self._file is None:
            self._open()
        self._streams.append(_Written(form, int(channels)))
        number = len(self._streams)
        self._chunk(
            STREAM_HEADER, struct.pack("<I", number) + ElementTree.tostring(info, "utf-8", xml_declaration=True)
        )
        return number

    def add_samples(self, stream: int, values: Any, stamps_s: ArrayLike) -> None:
        """Append samples to a stream.

        Parameters
        ----------
        stream : int
            As of `add_stream`.
        values : array of shape (samples, channels), or sequence of sequences of str or bytes (of UTF-8)
        stamps_s : array of shape (samples,), s

        Raises
        ------
        BadInputError
            If there is not one stamp for each sample, or one value for each channel.
        """
        written, stamps = self._streams[stream - 1], np.atleast_1d(np.asarray(stamps_s, np.float64))
        if not len(stamps):
            return
        if written.form == "string":
            if len(values) != len(stamps) or any(len(row) != written.channels for row in values):
                raise BadInputError(f"expected {written.channels} texts for each of {len(stamps)} stamps")
            content = b"".join(
                b"\x08" + struct.pack("<d", stamp) + b"".join(map(_sized, row))
                for row, stamp in zip(values, stamps, strict=True)
            )
        else:
            content = _packed(values, stamps, written)
        self._chunk(SAMPLES, struct.pack("<I", stream) + _length(len(stamps)) + content)
        written.first_s = stamps[0] if written.samples == 0 else written.first_s
        written.last_s, written.samples = stamps[-1], written.samples + len(stamps)

    def add_clock_offset(self, stream: int, at_s: float, offset_s: float) -> None:
        """Say by how much a stream's clock was behind the recorder's, s, at a time of the stream's clock, s."""
        self._streams[stream - 1].offsets.extend((at_s, offset_s))
        self._chunk(CLOCK_OFFSET, struct.pack("<Idd", stream, at_s, offset_s))

    def add_boundary(self) -> None:
        """Mark a place from where a reader can go on behind a damaged one; every 10 s, as the specification says."""
        self._chunk(BOUNDARY, UUID)

    def _footer(self, number: int) -> None:
        written = self._streams[number - 1]
        info = ElementTree.Element("info")
        stamps = {} if not written.samples else {"first_timestamp": written.first_s, "last_timestamp": written.last_s}
        append_entries(info, {key: float(value) for key, value in stamps.items()} | {"sample_count": written.samples})
        offsets = ElementTree.SubElement(info, "clock_offsets")
        for at_s, offset_s in zip(written.offsets[::2], written.offsets[1::2], strict=True):
            append_entries(offsets, {"offset": {"time": at_s, "value": offset_s}})
        self._chunk(STREAM_FOOTER, struct.pack("<I", number) + ElementTree.tostring(info, "utf-8"))

    def flush(self) -> None:
        """Hand what waits to the system."""
        if not self._entered:
            raise self._closed()
        if self._file is None:  # before the first stream
            return
        rest = memoryview(b"".join(self._waiting))
        size = len(rest)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
            self._file.flush()
        except OSError as error:
            self._give_up()
            raise self._refused(error) from error
        self.size_bytes += size
        self._waiting, self._waiting_bytes = [], 0

    def _chunk(self, tag: int, content: bytes) -> None:
        if not self._entered:
            raise self._closed()
        self._waiting += [_length(2 + len(content)), struct.pack("<H", tag), content]
        self._waiting_bytes += len(content)
        if self._flush_each_chunk or self._waiting_bytes >= MOST_WAITING:
            self.flush()

    def _open(self) -> None:
        assert isinstance(self._given, Path)
        try:
            self._given.parent.mkdir(parents=True, exist_ok=True)
            self._file = open_alone(self._given, self._replace)
        except OSError as error:
            self._failed = True
            raise self._refused(error) from error

    def _give_up(self) -> None:
        """Leave only whole chunks in a file of our own."""
        self._failed, self._waiting = True, []
        if self._owned and self._file is not None:
            with suppress(OSError):
                self._file.truncate(self.size_bytes)

    def _closed(self) -> BadInputError:
        return BadInputError(f"{self._path}: expected a file that is open; use `with XdfWriter(...) as writer`")

    def _refused(self, error: OSError) -> FailureError:
        return FailureError(f"could not write {self._path} ({error}); free some space, or choose another place")


class _Written:
    """What was written of a stream so far."""

    def __init__(self, form: str, channels: int) -> None:
        self.form, self.channels = form, channels
        self.samples, self.first_s, self.last_s = 0, 0.0, 0.0
        self.offsets = array("d")  # time and offset by turns: days of them fit into memory


def _length(number: int) -> bytes:
    if number < 256:
        return struct.pack("<BB", 1, number)
    return struct.pack("<BI", 4, number) if number < 2**32 else struct.pack("<BQ", 8, number)


def _sized(text: str | bytes) -> bytes:
    content = text.encode() if isinstance(text, str) else text
    return _length(len(content)) + content


def _packed(values: ArrayLike, stamps: Floats, written: _Written) -> bytes:
    array: NDArray[Any] = np.asarray(values, np.dtype(DTYPES[written.form]).newbyteorder("<"))
    if array.shape != (len(stamps), written.channels):
        raise BadInputError(f"expected samples of shape {(len(stamps), written.channels)}, found {array.shape}")
    rows = np.empty(len(stamps), [("size", "u1"), ("stamp", "<f8"), ("values", array.dtype, (written.channels,))])
    rows["size"], rows["stamp"], rows["values"] = 8, stamps, array
    return rows.tobytes()
