"""Single NumPy arrays: counts, of shape (bins, units) or (trials, bins, units)."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.choices import Choices
from spikeloop.exporters.formats.found import Found, Item
from spikeloop.exporters.formats.named.arrays import find_in_arrays, items_of_arrays
from spikeloop.exporters.formats.storage.existing_file import require_file
from spikeloop.models.errors import BadInputError, in_one_line

__all__ = ["find", "items", "read_npy"]

KEY = "data"


def items(path: Path) -> tuple[Item, ...]:
    """Describe the array."""
    return items_of_arrays({KEY: read_npy(path)})


def find(path: Path, choices: Choices) -> Found:
    """Read counts from the array."""
    return find_in_arrays({KEY: read_npy(path)}, choices, path)


def read_npy(path: Path) -> NDArray[Any]:
    """Map the array into memory, so that only what is used is read; one that is pickled comes as no objects at all.

    Raises
    ------
    BadInputError
        If the file is missing or unreadable.
    """
    require_file(path)
    try:
        with path.open("rb") as file:
            np.lib.format.read_magic(file)
        array = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # NumPy raises several on damaged files, and on arrays of objects or of no values
        return _unmapped(path, error)
    return array.view(np.ndarray)


def _unmapped(path: Path, error: Exception) -> NDArray[Any]:
    if "Python objects" in str(error):
        return np.empty(0, object)
    if "empty file" not in str(error):
        raise BadInputError(f"{path}: not a readable .npy file ({in_one_line(error)}); is it complete?") from error
    with path.open("rb") as file:
        return np.lib.format.read_array(file, allow_pickle=False)
