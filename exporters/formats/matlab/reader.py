"""MATLAB files before version 7.3: read variable by variable, and written."""

import mmap
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikeloop.exporters.formats.choices import Choices
from spikeloop.exporters.formats.found import Found, Item
from spikeloop.exporters.formats.matlab import version_4 as matlab4
from spikeloop.exporters.formats.matlab import version_5 as matlab5
from spikeloop.exporters.formats.matlab.paired_cells import with_trials_paired
from spikeloop.exporters.formats.matlab.struct_labels import with_labels_apart
from spikeloop.exporters.formats.matlab.values import flat
from spikeloop.exporters.formats.named.arrays import find_in_arrays, items_of_arrays
from spikeloop.exporters.formats.named.lazy_arrays import Entry, LazyArrays
from spikeloop.exporters.formats.named.npz import arrays_of
from spikeloop.exporters.formats.storage.existing_file import require_file
from spikeloop.models.errors import BadInputError, in_one_line
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.whole_file import whole_file

__all__ = ["find", "items", "read_arrays", "read_variable", "write"]

MOST_BYTES = 2**32 - 2**16  # of one variable, which the format can hold


def items(path: Path) -> tuple[Item, ...]:
    """List the variables of a file; those in structs under dotted names."""
    return items_of_arrays(_arrays_in(path))


def find(path: Path, choices: Choices) -> Found:
    """Read a recording from a file; see `named_arrays`."""
    arrays = with_labels_apart(_arrays_in(path))
    return find_in_arrays(with_trials_paired(arrays, choices, path), choices, path)


def write(recording: Recording, path: Path) -> None:
    """Write a recording to a file, names as cell arrays of text.

    Raises
    ------
    BadInputError
        If the counts, or the conditions, are larger than the 4 GB that the format holds.
    """
    from scipy.io import savemat

    arrays = {key: _as_matlab_has_it(value) for key, value in arrays_of(recording).items()}
    if large := [key for key, value in arrays.items() if value.nbytes > MOST_BYTES]:
        raise BadInputError(f"{path}: expected variables of up to 4 GB, found {large[0]} larger; write a .npz file")
    with whole_file(path) as whole:
        savemat(whole, arrays, do_compression=True)


def _as_matlab_has_it(value: ArrayLike) -> NDArray[Any]:
    """Turn a list of text into a cell array, which keeps each as long as it is."""
    array = np.asarray(value)
    if array.dtype.kind != "U" or array.ndim == 0:
        return array
    cell = np.empty(array.shape, object)
    cell[...] = array
    return cell


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read every variable of a file, by name; BadInputError where it is missing or unreadable."""
    return dict(_arrays_in(path))


def read_variable(path: Path, name: str) -> NDArray[Any] | None:
    """Read one variable of a file, such as "ops.fs" in a struct; None where it has none, else as `read_arrays`."""
    return _arrays_in(path).get(name)


def _arrays_in(path: Path) -> LazyArrays:
    require_file(path)
    try:
        with path.open("rb") as file:
            data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        entries: dict[str, Entry] = {}
        version = matlab4 if matlab4.is_version_4(data) else matlab5
        for name, value in version.variables(data):
            if name and not name.startswith("__"):
                entries |= {name: value} if isinstance(value, Entry) else dict(flat(name, value))
    except (ValueError, OSError, OverflowError, MemoryError, zlib.error) as error:
        raise _unreadable(path, error) from error
    return LazyArrays({key: Entry(e.shape, e.dtype, _guarded(e, path), e.unit) for key, e in entries.items()})


def _guarded(entry: Entry, path: Path) -> Any:
    """Load an array later; a damaged one is named with its file."""

    def load() -> NDArray[Any]:
        try:
            return entry.load()
        except (ValueError, OverflowError, MemoryError, zlib.error) as error:
            raise _unreadable(path, error) from error

    return load


def _unreadable(path: Path, error: Exception) -> BadInputError:
    return BadInputError(f"{path}: not a readable .mat file ({in_one_line(error)}); is it complete?")
