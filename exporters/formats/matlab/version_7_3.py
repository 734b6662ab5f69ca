"""MATLAB files since version 7.3, which are HDF5: arrays with their axes reversed, cells as references."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.choices import Choices
from spikeloop.exporters.formats.found import Found, Item
from spikeloop.exporters.formats.matlab.paired_cells import with_trials_paired
from spikeloop.exporters.formats.matlab.struct_labels import with_labels_apart
from spikeloop.exporters.formats.matlab.values import Unreadable, Value, dense, flat, text_rows
from spikeloop.exporters.formats.named.arrays import find_in_arrays, items_of_arrays
from spikeloop.exporters.formats.named.lazy_arrays import Entry, LazyArrays
from spikeloop.exporters.formats.storage.existing_file import require_file
from spikeloop.exporters.formats.storage.hdf5_guard import require_sound
from spikeloop.models.errors import BadInputError, in_one_line
from spikeloop.models.memory import require_memory

__all__ = ["find", "items", "read_arrays"]

NUMERIC = "biufc"
DEEPEST = 40
MOST_PARTS = 10**7  # of all cells together
MOST_PER_STORED_BYTE = 1100  # deflate packs at most 1032 bytes into one
SMALL = 2**20  # bytes that may be large beside what is stored, as an array of zeros that was never written


def items(path: Path) -> tuple[Item, ...]:
    """List the variables of a file; those in structs under dotted names."""
    with _opened(path) as file:
        return items_of_arrays(_arrays_in(file, path))


def find(path: Path, choices: Choices) -> Found:
    """Read a recording from a file; see `named_arrays`."""
    with _opened(path) as file:
        arrays = with_labels_apart(_arrays_in(file, path))
        return find_in_arrays(with_trials_paired(arrays, choices, path), choices, path)


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read every variable of a file, by name; BadInputError where it is missing or unreadable."""
    with _opened(path) as file:
        return dict(_arrays_in(file, path))


def _opened(path: Path) -> Any:
    import h5py

    require_file(path)
    require_sound(path)
    try:
        return h5py.File(path, "r")
    except Exception as error:  # h5py raises several on damaged files
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> BadInputError:
    return BadInputError(f"{path}: not a readable .mat file of version 7.3 ({in_one_line(error)}); is it complete?")


def _arrays_in(file: Any, path: Path) -> LazyArrays:
    try:
        entries = dict(_Hdf5(path).entries(file))
    except BadInputError:
        raise
    except Exception as error:  # h5py raises several on damaged files
        raise _unreadable(path, error) from error
    return LazyArrays(entries)


def _class_of(item: Any) -> str:
    found = item.attrs.get("MATLAB_class", b"")
    return found.decode("latin-1") if isinstance(found, bytes) else str(found)


class _Hdf5:
    """Reads the variables of one file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.parts = 0

    def entries(self, group: Any, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Entry]]:
        """Yield numbers as entries that load later, and what is in structs and cells as its arrays."""
        self._check(depth)
        for key in group:
            item = group.get(key)
            if key.startswith("#") or item is None:
                continue
            name = f"{prefix}{key}"
            if self._is_plain(item):
                yield name, self._entry(item)
            elif self._is_struct(item) and not any(self._is_field(item.get(field)) for field in item):
                yield from self.entries(item, f"{name}.", depth + 1)
            else:
                yield from self._flat(name, item, depth)

    def _flat(self, name: str, item: Any, depth: int) -> Iterator[tuple[str, Entry]]:
        """Read a cell, a struct or text; one that can't be read is listed, and does not matter to the others."""
        try:
            yield from list(flat(name, self.value(item, depth)))
        except Exception as error:  # h5py raises several on damaged files
            yield name, Entry((), np.dtype("V1"), partial(self._refuse, error), "damaged variable")

    def _refuse(self, error: Exception) -> NDArray[Any]:
        raise error if isinstance(error, BadInputError) else _unreadable(self.path, error)

    def _check(self, depth: int) -> None:
        self.parts += 1
        if depth > DEEPEST or self.parts > MOST_PARTS:
            raise ValueError("cells inside cells without end")

    def _is_struct(self, item: Any) -> bool:
        return not hasattr(item, "shape") and "MATLAB_sparse" not in item.attrs

    def _is_field(self, item: Any) -> bool:
        """Say whether this is a field of an array of structs: references, to which no class is given."""
        return hasattr(item, "shape") and item.dtype.kind == "O" and not _class_of(item)

    def _is_plain(self, item: Any) -> bool:
        """Say whether this is an array of numbers that is not empty."""
        if not hasattr(item, "shape") or "MATLAB_empty" in item.attrs or _class_of(item) == "char":
            return False
        return "MATLAB_object_decode" not in item.attrs and (item.dtype.kind in NUMERIC or item.dtype.kind == "V")

    def _entry(self, item: Any) -> Entry:
        shape, kind = item.shape, item.dtype
        if "MATLAB_class" in item.attrs:
            shape = shape[::-1]
        if _class_of(item) == "logical":
            kind = np.dtype(bool)
        kind = np.dtype(complex) if kind.kind == "V" else kind
        load, check = (partial(self._guarded, work, item) for work in (self._numbers, self._checked_size))
        return Entry(tuple(shape), kind, load, check=check)

    def _guarded(self, work: Callable[[Any], Any], item: Any) -> Any:
        try:
            return work(item)
        except BadInputError:
            raise
        except Exception as error:  # h5py raises several on damaged files
            raise _unreadable(self.path, error) from error

    def _checked_size(self, item: Any) -> int:
        """Return the bytes of an array; ValueError where its file holds too little for that."""
        size = int(np.prod([int(length) for length in item.shape], dtype=object)) * item.dtype.itemsize
        if size > SMALL + MOST_PER_STORED_BYTE * item.id.get_storage_size():
            raise ValueError(f"{item.name} of {size} bytes, stored in {item.id.get_storage_size()}")
        return size

    def _numbers(self, item: Any) -> NDArray[Any]:
        require_memory(item.name.strip("/").replace("/", "."), self._checked_size(item))
        values = item[()]
        if item.dtype.names == ("real", "imag"):
            values = values["real"] + 1j * values["imag"]
        if _class_of(item) == "logical":
            values = values.astype(bool)
        return np.asarray(values).T if "MATLAB_class" in item.attrs else np.asarray(values)

    def value(self, item: Any, depth: int) -> Value:
        """Read one variable, or one part of a cell."""
        self._check(depth)
        kind = _class_of(item)
        if "MATLAB_sparse" in item.attrs:
            return self._sparse(item)
        if not hasattr(item, "shape"):
            return self._struct(item, depth)
        if "MATLAB_object_decode" in item.attrs or kind == "function_handle":
            return Unreadable(kind or "object")
        if "MATLAB_empty" in item.attrs:
            return np.array([""]) if kind == "char" else self._empty(item)
        if kind == "char":
            codes = self._numbers(item)
            letters = codes.ravel(order="F").astype("<u2").tobytes().decode("utf-16-le", "replace")
            return text_rows(letters, codes.shape)
        if item.dtype.kind == "O" and item.dtype.metadata and "ref" in item.dtype.metadata:
            return self._cell(item, depth)
        if item.dtype.kind in "OS":
            return _text(item)
        return self._numbers(item)

    def _empty(self, item: Any) -> NDArray[Any]:
        shape = [int(length) for length in np.ravel(item[()])]
        return np.empty(shape if len(shape) > 1 and 0 in shape else (0, 0))

    def _cell(self, item: Any, depth: int) -> NDArray[Any]:
        references = self._numbers(item) if "MATLAB_class" in item.attrs else item[()].T
        parts = np.empty(references.size, object)
        for number, reference in enumerate(references.ravel(order="F")):
            parts[number] = self.value(item.file[reference], depth + 1) if reference else np.empty((0, 0))
        return parts.reshape(references.shape, order="F")

    def _struct(self, group: Any, depth: int) -> Value:
        if _class_of(group) == "function_handle":
            return Unreadable("function handle")
        return {field: self.value(group[field], depth + 1) for field in group}

    def _sparse(self, group: Any) -> NDArray[Any]:
        rows, columns = int(group.attrs["MATLAB_sparse"]), self._numbers(group["jc"]).ravel()
        if "data" not in group:  # nothing is filled
            return dense(np.empty(0, np.int64), columns, np.empty(0), (rows, len(columns) - 1))
        values = self._numbers(group["data"]).ravel()
        filled = dense(self._numbers(group["ir"]).ravel(), columns, values, (rows, len(columns) - 1))
        return filled.astype(bool) if _class_of(group) == "logical" else filled


def _text(item: Any) -> NDArray[Any]:
    """Read text that no MATLAB wrote."""
    texts = np.ravel(item[()])
    return np.array([text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text) for text in texts])
