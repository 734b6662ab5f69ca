"""What MATLAB files hold, of any version: structs become dotted names, cells of text become text."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.named.lazy_arrays import Entry
from spikeloop.models.errors import BadInputError

__all__ = ["Unreadable", "Value", "dense", "flat", "text_rows"]

MOST_DENSE_BYTES = 2**28  # of a sparse matrix, written out, where next to nothing is in it
SPARSEST = 1 / 4096  # values in a cell of a larger one


@dataclass(frozen=True)
class Unreadable:
    """A value of a class that only MATLAB itself can read.

    Attributes
    ----------
    kind : str
        Its class, such as "string" or "table".
    """

    kind: str


Value = NDArray[Any] | Mapping[str, Any] | Unreadable  # numbers, text, or objects of a cell; a struct; or neither


def flat(name: str, value: Value) -> Iterator[tuple[str, Entry]]:
    """Yield the arrays in a value under dotted names: "session.spikes" of a struct.

    Numbers and text stay what they are. A field of an array of structs, and a cell, are arrays of text where all parts
    are text, of numbers where all parts are single numbers, and else arrays of objects.
    """
    if isinstance(value, Mapping):
        for field, inner in value.items():
            yield from flat(f"{name}.{field}", inner)
    elif isinstance(value, Unreadable):
        yield name, Entry((), np.dtype("V1"), lambda: _refuse(name, value.kind), value.kind)
    elif value.dtype != object:
        yield name, Entry.of(value)
    else:
        yield from _flat_cell(name, value)


def _flat_cell(name: str, cell: NDArray[Any]) -> Iterator[tuple[str, Entry]]:
    parts = list(cell.ravel(order="F"))
    if len(parts) == 1 and not (isinstance(parts[0], np.ndarray) and parts[0].dtype == object):
        yield from flat(name, parts[0])
        return
    if parts and all(isinstance(part, Mapping) for part in parts) and len({tuple(part) for part in parts}) == 1:
        fields = {field: _objects([part[field] for part in parts], cell.shape) for field in parts[0]}
        yield from flat(name, fields)
        return
    single = [part for part in parts if isinstance(part, np.ndarray) and (part.size == 1 or part.dtype.kind == "U")]
    if parts and len(single) == len(parts):
        if all(part.dtype.kind == "U" for part in single):
            texts = np.array(["\n".join(part.ravel()) for part in single])
            yield name, Entry.of(texts.reshape(cell.shape, order="F"))
            return
        if all(part.dtype.kind in "buif" for part in single):
            yield name, Entry.of(np.array([part.ravel()[0] for part in single]).reshape(cell.shape, order="F"))
            return
    yield name, Entry.of(cell)


def _objects(parts: list[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    cell = np.empty(len(parts), object)
    for number, part in enumerate(parts):
        cell[number] = part
    return cell.reshape(shape, order="F")


def _refuse(name: str, kind: str) -> NDArray[Any]:
    remedy = {"string": "cellstr", "table": "table2struct", "categorical": "cellstr", "datetime": "posixtime"}
    raise BadInputError(
        f"{name} is a MATLAB {kind}, which only MATLAB can read; convert it there"
        f"{f' with {remedy[kind]}' if kind in remedy else ' to numbers, cells or structs'}, and save it again"
    )


def text_rows(letters: str, shape: tuple[int, ...]) -> NDArray[np.str_]:
    """Cut letters, column by column, into the rows of a char array, without the blanks that fill them up."""
    rows = shape[0]
    if len(shape) != 2 or rows <= 1 or len(letters) != rows * shape[1]:
        return np.array([letters.rstrip("\0")])
    return np.array([letters[row::rows].rstrip(" \0") for row in range(rows)])


def dense(rows: NDArray[Any], columns: NDArray[Any], values: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """Write a sparse matrix out.

    Parameters
    ----------
    rows : array of shape (filled,), int
    columns : array of shape (shape[1] + 1,), int
        Where each column begins in `rows` and `values`, and where the last one ends.
    values : array of shape (filled,)
    shape : tuple of int

    Raises
    ------
    ValueError
        If they don't fit together.
    BadInputError
        If the matrix does not fit into memory.
    """
    columns = np.asarray(columns).astype(np.int64)
    if len(columns) != shape[1] + 1 or min(shape) < 0 or np.any(np.diff(columns) < 0) or columns[0] != 0:
        raise ValueError(f"a sparse matrix of shape {shape} with {len(columns)} columns")
    filled = int(columns[-1])
    rows, values = np.asarray(rows[:filled], np.int64), values[:filled]
    if len(rows) != filled or len(values) != filled or (filled and not 0 <= rows.min() <= rows.max() < shape[0]):
        raise ValueError(f"a sparse matrix of shape {shape} with {filled} values")
    whole = values.dtype.kind in "fui" and (not filled or (0 <= values.min() <= values.max() <= 255))
    small = whole and not np.any(values % 1)
    dtype = np.dtype(np.uint8) if small else values.dtype
    size = shape[0] * shape[1]
    if size * dtype.itemsize > MOST_DENSE_BYTES and filled < SPARSEST * size:
        raise BadInputError(
            f"a sparse matrix of shape {shape} needs {size * dtype.itemsize / 1e9:.3g} GB written out;"
            " save larger bins, or spike times"
        )
    full = np.zeros(shape, dtype)
    np.add.at(full, (rows, np.repeat(np.arange(shape[1]), np.diff(columns))), values.astype(dtype))
    return full
