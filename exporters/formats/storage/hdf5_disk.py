"""A file for HDF5 to write to that never refuses: where a write fails, the library crashes the process at its end."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spikeloop.models.whole_file import whole_file

__all__ = ["whole_hdf5_file"]

LARGEST_NOTE = 2**18  # bytes that HDF5 writes at once of what it reads again, and more than which are values


@contextmanager
def whole_hdf5_file(path: Path) -> Iterator[io.RawIOBase]:
    """Open a file for h5py's driver for Python files, which takes its place when the block ends without an error.

    The file must be closed by HDF5 inside the block.

    Raises
    ------
    FailureError
        If the disk refuses, at the end of the block; where there can be no such file, at once.
    """
    with whole_file(path) as whole:
        disk = _Disk(os.open(whole.name, os.O_RDWR | getattr(os, "O_BINARY", 0)))
        try:
            yield disk
        finally:
            disk.leave()


class _Disk(io.RawIOBase):
    """A file on disk; after the disk refused, what HDF5 reads again is kept in memory, and values are dropped."""

    def __init__(self, descriptor: int) -> None:
        self._file = io.FileIO(descriptor, "r+")
        self._at = self._end = 0
        self._failure: OSError | None = None
        self._notes: dict[int, bytes] = {}  # by place, since the failure

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + {0: 0, 1: self._at, 2: self._end}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def truncate(self, size: int | None = None) -> int:
        self._end = self._at if size is None else size
        if self._failure is None:
            try:
                self._file.truncate(self._end)
            except OSError as error:
                self._failure = error
        return self._end

    def write(self, data: Any) -> int:
        content = memoryview(data).cast("B")
        if self._failure is None:
            try:
                self._write(content)
            except OSError as error:
                self._failure = error
        if self._failure is not None and len(content) <= LARGEST_NOTE:
            self._notes.pop(self._at, None)  # so that the order is that of writing
            self._notes[self._at] = bytes(content)
        self._at += len(content)
        self._end = max(self._end, self._at)
        return len(content)

    def _write(self, content: memoryview) -> None:
        self._file.seek(self._at)
        done = 0
        while done < len(content):
            done += self._file.write(content[done:]) or 0

    def readinto(self, buffer: Any) -> int:
        content = memoryview(buffer).cast("B")
        self._file.seek(self._at)
        found = self._file.read(len(content)) or b""
        content[:] = found + bytes(len(content) - len(found))
        for place, note in self._notes.items():
            _lay_over(content, note, place - self._at)
        self._at += len(content)
        return len(content)

    def leave(self) -> None:
        """Close the file; OSError if the disk refused anything."""
        self._file.close()
        if self._failure is not None:
            raise self._failure


def _lay_over(content: memoryview, note: bytes, offset: int) -> None:
    begin, end = max(0, offset), min(len(content), offset + len(note))
    if begin < end:
        content[begin:end] = note[begin - offset : end - offset]
