"""MATLAB files of version 4, in which matrices follow each other, each behind a header of five whole numbers."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from spikeloop.exporters.formats.matlab.values import Value, dense, text_rows
from spikeloop.exporters.formats.matlab.version_5 import Damaged
from spikeloop.exporters.formats.named.lazy_arrays import Entry

__all__ = ["is_version_4", "variables"]

NUMBERS = ("f8", "f4", "i4", "i2", "u2", "u1")
FULL, TEXT, SPARSE = 0, 1, 2
LONGEST_NAME = 256
HEADER = 20  # bytes


def is_version_4(data: memoryview) -> bool:
    """Say whether a file begins with such a header: version 5 begins with text, in which none of four bytes is 0."""
    return len(data) >= HEADER and 0 in bytes(data[:4])


def variables(data: memoryview) -> Iterator[tuple[str, Entry | Value]]:
    """Yield the variables of a file in their order; Damaged where the bytes are not those of such a file."""
    at = 0
    while at < len(data):
        if at + HEADER > len(data):
            raise Damaged(f"the file ends inside a header, at byte {at}")
        order = "<" if 0 <= int(np.frombuffer(data[at : at + 4], "<i4")[0]) < 5000 else ">"
        kind, rows, columns, imaginary, name_bytes = (
            int(word) for word in np.frombuffer(data[at : at + HEADER], f"{order}i4")
        )
        machine, rest = divmod(kind, 1000)
        unused, rest = divmod(rest, 100)
        number, what = divmod(rest, 10)
        sound = machine in (0, 1) and not unused and number < len(NUMBERS) and what in (FULL, TEXT, SPARSE)
        if not (sound and rows >= 0 and columns >= 0 and imaginary in (0, 1) and 0 < name_bytes <= LONGEST_NAME):
            raise Damaged(f"no header of a MATLAB 4 variable at byte {at}")
        begin = at + HEADER + name_bytes
        name = bytes(data[at + HEADER : begin]).partition(b"\0")[0].decode("latin-1")
        dtype = np.dtype(f"{order}{NUMBERS[number]}")
        size = rows * columns * dtype.itemsize * (1 + imaginary)
        if begin + size > len(data):
            raise Damaged(f"{name} of {size} bytes where {len(data) - begin} are left; was the file cut off?")
        yield name, _value(np.frombuffer(data[begin : begin + size], dtype), what, (rows, columns), imaginary)
        at = begin + size


def _value(numbers: Any, what: int, shape: tuple[int, int], imaginary: int) -> Value:
    size = shape[0] * shape[1]
    values = numbers[:size] + 1j * numbers[size:] if imaginary else numbers
    if what == TEXT:
        codes = values.real.astype(np.int64) & 0xFF
        return text_rows("".join(map(chr, codes.tolist())), shape)
    values = values.reshape(shape, order="F")
    return _sparse(values) if what == SPARSE else values


def _sparse(triples: Any) -> Value:
    """Write out rows of row, column and value; the last one holds the shape."""
    if triples.shape[1] != 3 or not len(triples) or triples.dtype.kind == "c":
        raise Damaged(f"a sparse matrix of {triples.shape[1]} columns; expected row, column and a real value")
    listed = triples.astype(np.float64)
    if not np.isfinite(listed[:, :2]).all() or np.abs(listed[:, :2]).max() > 2**31:
        raise Damaged("a sparse matrix with impossible rows")
    shape = (int(listed[-1, 0]), int(listed[-1, 1]))
    rows, columns, values = (listed[:-1, 0].astype(np.int64) - 1, listed[:-1, 1].astype(np.int64) - 1, listed[:-1, 2])
    if min(shape) < 0 or shape[1] > 2**24 or (len(columns) and not 0 <= columns.min() <= columns.max() < shape[1]):
        raise Damaged(f"a sparse matrix of shape {shape}")
    order = np.argsort(columns, kind="stable")
    begins = np.concatenate([[0], np.cumsum(np.bincount(columns, minlength=shape[1]))])
    return dense(rows[order], begins, values[order], shape)
