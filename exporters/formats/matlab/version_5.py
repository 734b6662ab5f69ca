"""MATLAB files of versions 5 to 7.2, read element by element; each size is checked before anything is made of it.

The layout is that of MathWorks' "MAT-File Format". SciPy's reader is not used: a damaged tag can end the interpreter.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.matlab.values import Unreadable, Value, dense, text_rows
from spikeloop.exporters.formats.named.lazy_arrays import Entry
from spikeloop.models.memory import require_memory

__all__ = ["Damaged", "variables"]

HEADER_BYTES = 128
NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
TEXTS = {1: "u1", 2: "u1", 3: "u2", 4: "u2", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
INT8, INT32, UINT32, MATRIX, COMPRESSED = 1, 5, 6, 14, 15
CELL, STRUCT, OBJECT, CHAR, SPARSE, FUNCTION, OPAQUE = 1, 2, 3, 4, 5, 16, 17
CLASSES = dict(zip(range(6, 16), ("f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"), strict=True))
COMPLEX, LOGICAL = 0x0800, 0x0200
DEEPEST = 40
MOST_PER_COMPRESSED_BYTE = 1100  # deflate packs at most 1032 bytes into one
CELLS_TAKE = 3  # of memory, of their size in the file: each part is an object of its own
FIRST = 4096  # bytes of a compressed variable, enough for its name and shape


class Damaged(ValueError):
    """The bytes are not what the format says."""


@dataclass(frozen=True)
class _Element:
    kind: int
    data: memoryview


@dataclass(frozen=True)
class _Array:
    """A matrix element's own description, and where its contents begin."""

    name: str
    kind: int
    flags: int
    shape: tuple[int, ...]
    data: memoryview
    at: int

    @property
    def size(self) -> int:
        size = 1
        for length in self.shape:
            size *= length
        return size


def variables(data: memoryview) -> Iterator[tuple[str, Entry | Value]]:
    """Yield the variables of a file in their order: numbers as entries that load later, anything else as its value.

    Parameters
    ----------
    data : memoryview
        The whole file.

    Raises
    ------
    Damaged
        If the bytes are not those of such a file.
    """
    if len(data) < HEADER_BYTES or bytes(data[126:128]) not in (b"IM", b"MI"):
        raise Damaged("no header of a MATLAB file")
    order = "<" if bytes(data[126:128]) == b"IM" else ">"
    subsystem = int.from_bytes(bytes(data[116:124]), "little" if order == "<" else "big")
    reader = _Reader(order)
    at = HEADER_BYTES
    while at < len(data):
        element, after = reader.element(data, at)
        if at != subsystem:
            yield reader.variable(element)
        at = after


class _Reader:
    """Reads elements in one byte order."""

    def __init__(self, order: str) -> None:
        self.order = order

    def element(self, data: memoryview, at: int) -> tuple[_Element, int]:
        """Return the element that begins there, and where the next one does."""
        if at + 8 > len(data):
            raise Damaged(f"the file ends inside an element, at byte {at} of a part of {len(data)}")
        kind, size = (int(word) for word in np.frombuffer(data[at : at + 8], f"{self.order}u4"))
        if kind >> 16:  # a small element: both in one word, the data in the other
            kind, size, begin = kind & 0xFFFF, kind >> 16, at + 4
            after = at + 8
            if size > 4:
                raise Damaged(f"a small element of {size} bytes")
        else:
            begin = at + 8
            after = begin + (size if kind == COMPRESSED else -(-size // 8) * 8)
        if begin + size > len(data):
            raise Damaged(f"an element of {size} bytes where {len(data) - begin} are left; was the file cut off?")
        return _Element(kind, data[begin : begin + size]), after

    def variable(self, element: _Element) -> tuple[str, Entry | Value]:
        """Return the name of a variable, and what loads it or its value."""
        if element.kind == COMPRESSED:
            start = zlib.decompressobj().decompress(element.data, FIRST)
            array = self.description(memoryview(start)[8:])
            if array.kind in CLASSES:
                return array.name, self._entry(array, lambda: self._array_of(_unpacked(element.data, self.order)))
            require_memory(array.name, CELLS_TAKE * _stated_size(start, self.order))
            element, _ = self.element(memoryview(_unpacked(element.data, self.order)), 0)
        if element.kind != MATRIX:
            raise Damaged(f"an element of type {element.kind} in place of a variable")
        array = self.description(element.data)
        if array.kind in CLASSES:
            return array.name, self._entry(array, lambda: self.numbers(array))
        return array.name, self.value(array, 0)

    def _entry(self, array: _Array, load: Any) -> Entry:
        kind = "?" if array.flags & LOGICAL else "c16" if array.flags & COMPLEX else CLASSES[array.kind]
        return Entry(array.shape, np.dtype(kind), load)

    def _array_of(self, unpacked: bytes) -> NDArray[Any]:
        element, _ = self.element(memoryview(unpacked), 0)
        return self.numbers(self.description(element.data))

    def description(self, data: memoryview) -> _Array:
        """Read flags, shape and name of a matrix element."""
        flags, at = self.element(data, 0)
        if flags.kind != UINT32 or len(flags.data) != 8:
            raise Damaged("a variable without flags")
        word = int(np.frombuffer(flags.data, f"{self.order}u4")[0])
        kind, shape = word & 0xFF, (1, 1)
        if kind != OPAQUE:
            sizes, at = self.element(data, at)
            shape = tuple(int(size) for size in self._plain(sizes, INT32))
            if not 2 <= len(shape) <= 32 or min(shape) < 0:
                raise Damaged(f"a variable of shape {shape!s:.80}")
        name, at = self.element(data, at)
        return _Array(bytes(name.data).decode("latin-1"), kind, word, shape, data, at)

    def _plain(self, element: _Element, kind: int) -> NDArray[Any]:
        dtype = np.dtype(f"{self.order}{NUMBERS[kind]}")
        if element.kind != kind or len(element.data) % dtype.itemsize:
            raise Damaged(f"an element of type {element.kind} where one of type {kind} belongs")
        return np.frombuffer(element.data, dtype)

    def value(self, array: _Array, depth: int) -> Value:
        """Read the contents of a matrix element."""
        if depth > DEEPEST:
            raise Damaged("cells inside cells without end")
        if array.kind in CLASSES:
            return self.numbers(array)
        if array.kind == CHAR:
            return self._text(array)
        if array.kind == SPARSE:
            return self._sparse(array)
        if array.kind == CELL:
            return self._cell(array, depth)
        if array.kind in (STRUCT, OBJECT):
            return self._struct(array, depth)
        if array.kind == OPAQUE:
            _, at = self.element(array.data, array.at)
            return Unreadable(bytes(self.element(array.data, at)[0].data).decode("latin-1"))
        if array.kind == FUNCTION:
            return Unreadable("function handle")
        raise Damaged(f"a variable of class {array.kind}, which there is not")

    def _values(self, element: _Element) -> NDArray[Any]:
        if element.kind not in NUMBERS:
            raise Damaged(f"an element of type {element.kind} where numbers belong")
        return self._plain(element, element.kind)

    def numbers(self, array: _Array) -> NDArray[Any]:
        """Read an array of numbers, as the type that it is stored in, which may be narrower than its class."""
        real, at = self.element(array.data, array.at)
        values = self._values(real)
        if array.flags & COMPLEX:
            values = values + 1j * self._values(self.element(array.data, at)[0])
        if values.size != array.size:
            raise Damaged(f"{values.size} numbers in an array of shape {array.shape}")
        values = values.reshape(array.shape, order="F")
        return values.astype(bool) if array.flags & LOGICAL else values

    def _text(self, array: _Array) -> NDArray[np.str_]:
        element, _ = self.element(array.data, array.at)
        if element.kind not in TEXTS:
            raise Damaged(f"an element of type {element.kind} where text belongs")
        coding = TEXTS[element.kind]
        if coding.startswith("utf"):
            wide = coding if coding == "utf-8" else f"{coding}-{'le' if self.order == '<' else 'be'}"
            letters = bytes(element.data).decode(wide, "replace")
        else:
            letters = "".join(map(chr, np.frombuffer(element.data, f"{self.order}{coding}").tolist()))
        return text_rows(letters, array.shape)

    def _sparse(self, array: _Array) -> NDArray[Any]:
        rows, at = self.element(array.data, array.at)
        columns, at = self.element(array.data, at)
        real, at = self.element(array.data, at)
        values = self._values(real)
        if array.flags & COMPLEX:
            values = values + 1j * self._values(self.element(array.data, at)[0])
        if len(array.shape) != 2:
            raise Damaged("a sparse array that is not a matrix")
        shape = (array.shape[0], array.shape[1])
        filled = dense(self._plain(rows, INT32), self._plain(columns, INT32), values, shape)
        return filled.astype(bool) if array.flags & LOGICAL else filled

    def _cell(self, array: _Array, depth: int) -> NDArray[Any]:
        parts = np.empty(self._counted(array, 1, array.at), object)
        at = array.at
        for number in range(array.size):
            parts[number], at = self._part(array.data, at, depth)
        return parts.reshape(array.shape, order="F")

    def _struct(self, array: _Array, depth: int) -> Value:
        at = array.at
        if array.kind == OBJECT:
            _, at = self.element(array.data, at)
        longest, at = self.element(array.data, at)
        length = int(self._plain(longest, INT32)[0]) if len(longest.data) == 4 else 0
        listed, at = self.element(array.data, at)
        if length < 1 or len(listed.data) % length:
            raise Damaged("a struct whose fields have no names")
        raw = bytes(listed.data)
        names = [raw[i : i + length].partition(b"\0")[0].decode("utf-8", "replace") for i in range(0, len(raw), length)]
        columns = {name: np.empty(self._counted(array, len(names), at), object) for name in names}
        for number in range(array.size if names else 0):
            for name in names:
                columns[name][number], at = self._part(array.data, at, depth)
        if array.size == 1:
            return {name: column[0] for name, column in columns.items()}
        return {name: column.reshape(array.shape, order="F") for name, column in columns.items()}

    def _counted(self, array: _Array, parts: int, at: int) -> int:
        """Return how many there are, once it is clear that the bytes can hold so many."""
        if array.size * parts * 8 > len(array.data) - at:
            raise Damaged(f"{array.size * parts} parts in {len(array.data) - at} bytes")
        return array.size

    def _part(self, data: memoryview, at: int, depth: int) -> tuple[Value, int]:
        element, at = self.element(data, at)
        if element.kind != MATRIX:
            raise Damaged(f"an element of type {element.kind} where one of type {MATRIX} belongs")
        if not len(element.data):
            return np.empty((0, 0)), at
        return self.value(self.description(element.data), depth + 1), at


def _stated_size(start: bytes, order: str) -> int:
    """Return how many bytes follow the tag of an element."""
    return int(np.frombuffer(start[4:8], f"{order}u4")[0])


def _unpacked(data: memoryview, order: str) -> bytes:
    """Decompress one variable, no further than it says that it reaches."""
    packed = zlib.decompressobj()
    start = packed.decompress(data, 8)
    if len(start) < 8:
        raise Damaged("a compressed variable of no length")
    size = _stated_size(start, order)
    if size > MOST_PER_COMPRESSED_BYTE * len(data) + 1024:
        raise Damaged(f"a variable of {size} bytes, compressed to {len(data)}")
    return start + packed.decompress(packed.unconsumed_tail, size)
