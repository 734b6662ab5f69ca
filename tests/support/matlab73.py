"""Files as MATLAB 7.3 writes them: HDF5 with reversed axes, references, and classes as attributes."""

from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.sparse

__all__ = ["write_mat73"]

CLASSES = {"float64": "double", "float32": "single", "bool": "logical"}


def write_mat73(path: Path, variables: Mapping[str, Any]) -> None:
    """Write variables as MATLAB does; lists of dicts are arrays of structs."""
    with h5py.File(path, "w", userblock_size=512) as file:
        numbers = count()
        for name, value in variables.items():
            _write(file, name, value, file, numbers)
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Sun Nov 29 2026 HDF5 schema 1.00 .".ljust(124))
        raw.write(b"\x00\x02IM")


def _write(group: Any, name: str, value: Any, file: Any, numbers: Any) -> Any:
    if scipy.sparse.issparse(value):
        return _write_sparse(group, name, value.tocsc())
    if isinstance(value, Mapping):
        inside = group.create_group(name)
        inside.attrs["MATLAB_class"] = np.bytes_("struct")
        for field, part in value.items():
            _write(inside, field, part, file, numbers)
        return inside
    if isinstance(value, list) and value and all(isinstance(part, Mapping) for part in value):
        inside = group.create_group(name)
        inside.attrs["MATLAB_class"] = np.bytes_("struct")
        for field in value[0]:
            parts = np.empty((1, len(value)), object)
            for number, part in enumerate(value):
                parts[0, number] = part[field]
            _write_references(inside, field, parts, file, numbers)
        return inside
    if isinstance(value, str):
        codes = np.frombuffer(value.encode("utf-16-le"), np.uint16)[:, np.newaxis]
        return _with_class(group, name, codes, "char", MATLAB_int_decode=np.int32(2))
    array = np.asarray(value)
    if array.dtype == object:
        written = _write_references(group, name, array if array.ndim == 2 else array.reshape(1, -1), file, numbers)
        written.attrs["MATLAB_class"] = np.bytes_("cell")
        return written
    return _write_array(group, name, array)


def _write_array(group: Any, name: str, array: np.ndarray) -> Any:
    array = array if array.ndim >= 2 else array.reshape(1, -1)
    kind = CLASSES.get(str(array.dtype), str(array.dtype))
    if array.dtype.kind == "c":
        pairs = np.empty(array.T.shape, [("real", "f8"), ("imag", "f8")])
        pairs["real"], pairs["imag"] = np.real(array.T), np.imag(array.T)
        return _with_class(group, name, pairs, "double")
    if not array.size:
        shape = np.array(array.shape, np.uint64)
        return _with_class(group, name, shape, kind, MATLAB_empty=np.uint8(1))
    if array.dtype == bool:
        return _with_class(group, name, array.T.astype(np.uint8), kind, MATLAB_int_decode=np.int32(1))
    return _with_class(group, name, array.T, kind)


def _with_class(group: Any, name: str, values: np.ndarray, kind: str, **attributes: Any) -> Any:
    packed = {"compression": "gzip", "chunks": True} if values.size > 1000 else {}
    written = group.create_dataset(name, data=values, **packed)
    written.attrs["MATLAB_class"] = np.bytes_(kind)
    for key, attribute in attributes.items():
        written.attrs[key] = attribute
    return written


def _write_references(group: Any, name: str, cells: np.ndarray, file: Any, numbers: Any) -> Any:
    references = file.require_group("#refs#")
    written = group.create_dataset(name, cells.T.shape, h5py.ref_dtype)
    for place in np.ndindex(*cells.shape):
        part = _write(references, f"r{next(numbers)}", cells[place], file, numbers)
        written[place[::-1]] = part.ref
    return written


def _write_sparse(group: Any, name: str, matrix: Any) -> Any:
    inside = group.create_group(name)
    inside.attrs["MATLAB_class"] = np.bytes_("double")
    inside.attrs["MATLAB_sparse"] = np.uint64(matrix.shape[0])
    inside.create_dataset("jc", data=matrix.indptr.astype(np.uint64))
    if matrix.nnz:
        inside.create_dataset("ir", data=matrix.indices.astype(np.uint64))
        inside.create_dataset("data", data=matrix.data)
    return inside
