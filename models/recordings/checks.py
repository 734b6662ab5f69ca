"""What the arrays and names of a recording must be; each check raises a BadInputError that says what was expected."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikeloop.models.errors import BadInputError
from spikeloop.models.scalars import is_number, shown

__all__ = [
    "LONGEST_BIN_S",
    "SHORTEST_BIN_S",
    "checked_bin_size",
    "checked_counts",
    "checked_fluorescence",
    "checked_names",
    "is_label",
]

SHORTEST_BIN_S, LONGEST_BIN_S = 1e-5, 10.0
LONGEST_LABEL = 200
MOST_IN_A_BIN = 255
BRIGHTEST = 1e15  # of fluorescence: float32 holds sums of its squares


def checked_counts(counts: ArrayLike, name: str) -> NDArray[np.uint8]:
    """Check spike counts and give them the axis of repeats.

    Parameters
    ----------
    counts : array of shape (bins, units) or (repeats, bins, units)
        Whole numbers from 0 to 255, of any numeric type.
    name : str
        Of the recording, for messages.

    Returns
    -------
    array of shape (repeats, bins, units), uint8
    """
    array = _with_repeats(counts, name)
    if array.dtype.kind not in "buif":
        raise BadInputError(f"{name}: expected whole spike counts, found values of type {array.dtype}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise BadInputError(f"{name}: expected whole spike counts, found NaN or infinity among them")
    whole = array.dtype.kind != "f" or np.array_equal(np.rint(array), array)  # many times faster than a remainder
    if not (array.min() >= 0 and array.max() <= MOST_IN_A_BIN and whole):
        raise BadInputError(
            f"{name}: expected whole spike counts from 0 to {MOST_IN_A_BIN}, found values from {array.min()} to"
            f" {array.max()}; count the spikes again, in smaller bins (counts that are binned already can't be split);"
            " rates in Hz, multiply by the bin size in s"
        )
    return array.astype(np.uint8)


def checked_fluorescence(values: ArrayLike, name: str) -> NDArray[np.float32]:
    """Check fluorescence traces and give them the axis of repeats.

    Parameters
    ----------
    values : array of shape (frames, units) or (repeats, frames, units)
        From 0 to 1e15, whose squares and their sums float32 still holds.
    name : str
        Of the recording, for messages.

    Returns
    -------
    array of shape (repeats, frames, units), float32
    """
    array = _with_repeats(values, name)
    if array.dtype.kind not in "buif" or not (np.isfinite(array).all() and array.min() >= 0):
        raise BadInputError(
            f"{name}: expected fluorescence of 0 or more, found an array of {array.dtype} with negative values, NaN or"
            " infinity; use the denoised traces"
        )
    if array.max() > BRIGHTEST:
        raise BadInputError(
            f"{name}: expected fluorescence of at most {BRIGHTEST:g}, found {array.max():g}; divide all by its scale"
        )
    return array.astype(np.float32)


def _with_repeats(values: ArrayLike, name: str) -> NDArray:
    try:
        array = np.asarray(values)
    except Exception as error:  # rows of several lengths, or an object that only pretends to be an array
        raise BadInputError(f"{name}: expected an array of numbers, found {shown(values)}") from error
    array = array[np.newaxis] if array.ndim == 2 else array
    if array.ndim != 3 or array.size == 0:
        raise BadInputError(
            f"{name}: expected counts of shape (bins, units) or (repeats, bins, units), found {array.shape}"
        )
    return array


def checked_bin_size(bin_size_s: float, name: str) -> float:
    """Check that a bin lasts from 1e-5 to 10 s."""
    if not (is_number(bin_size_s) and SHORTEST_BIN_S <= bin_size_s <= LONGEST_BIN_S):
        raise BadInputError(
            f"{name}: expected a bin size from {SHORTEST_BIN_S:g} to {LONGEST_BIN_S:g} s, found {shown(bin_size_s)}"
        )
    return float(bin_size_s)


def checked_names(unit_names: Sequence[str] | None, units: int, name: str) -> tuple[str, ...]:
    """Check that there is one printable name for each unit; without names, give "unit 0", "unit 1", ..."""
    if isinstance(unit_names, str) or not isinstance(unit_names, Iterable | None):
        raise BadInputError(f"{name}: expected {units} unit names, found {shown(unit_names)}")
    names = tuple(unit_names) if unit_names is not None else tuple(f"unit {i}" for i in range(units))
    if len(names) != units:
        raise BadInputError(f"{name}: expected {units} unit names, found {len(names)}")
    if odd := [unit_name for unit_name in names if not is_label(unit_name)]:
        raise BadInputError(
            f"{name}: expected unit names of 1 to {LONGEST_LABEL} printable letters, found {odd[0]!r:.60}"
        )
    return tuple(map(str, names))


def is_label(text: object) -> bool:
    """Say whether a name is text that can be shown in a terminal and sent over a wire."""
    return isinstance(text, str) and 0 < len(text) <= LONGEST_LABEL and text.isprintable()
