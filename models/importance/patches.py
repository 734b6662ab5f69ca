"""What a critic's first convolution sees of changes: the few bins of one unit under its kernel, each such patch once.

Changes of one unit within a few bins have most of their patches in common, so that few have to be computed.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["SPAN_BINS", "Convolution", "Patches", "cut_patches", "distinct_rows"]

SPAN_BINS = 8  # bins within which a change may move spikes; the published window
LARGEST_CODE = 2**62

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Convolution:
    """A convolution over time: how many bins it sees, how far its positions are apart, and how far it is padded."""

    kernel: int
    stride: int
    padding: int

    def first_position(self, first: Any) -> Any:
        """Return the position, a multiple of the stride, from which on a span that begins at `first` may be seen."""
        reached = -(-(first + self.padding - self.kernel + 1) // self.stride)
        return reached // self.stride * self.stride

    @cached_property
    def span_positions(self) -> int:
        """How many positions from the first one see a span of `SPAN_BINS`, wherever it begins."""
        last = ((first + SPAN_BINS - 1 + self.padding) // self.stride for first in range(self.stride**2))
        return max(end - self.first_position(first) + 1 for first, end in enumerate(last))


class Patches(NamedTuple):
    """The patches of some changes, by phase: the remainder of their position over the stride.

    Attributes
    ----------
    unit, position : arrays of shape (stride, patches), int64
    values : array of shape (stride, patches, kernel), float32
        What is added to the unit's counts; the first patch of each phase is empty, and so are those that fill it up.
    place : array of shape (positions, changes), int64
        Which patch of its phase each change has at each of `span_positions`.
    """

    unit: Integers
    position: Integers
    values: NDArray[np.float32]
    place: Integers


def cut_patches(unit: Integers, first: Integers, change: NDArray[np.float32], convolution: Convolution) -> Patches:
    """Cut changes into patches, of which equal ones are kept once.

    Parameters
    ----------
    unit, first : arrays of shape (changes,), int64
        The unit, and the first bin of a span of `SPAN_BINS` that holds the change.
    change : array of shape (changes, bins), float32
        Whole numbers.
    convolution : Convolution

    Returns
    -------
    Patches
    """
    kernel, stride, padding = convolution.kernel, convolution.stride, convolution.padding
    bins, most = change.shape[1], convolution.span_positions
    positions = (bins + 2 * padding - kernel) // stride + 1
    wanted = convolution.first_position(first) + np.arange(most)[:, np.newaxis]  # (positions, changes)
    seen = np.arange(kernel) + stride * np.arange(positions)[:, np.newaxis]  # (positions, kernel), in padded bins
    padded = np.pad(change, ((0, 0), (padding, padding)))
    inside = (wanted >= 0) & (wanted < positions)
    which, of_change = np.nonzero(inside)
    position = wanted[which, of_change]
    values = padded[of_change[:, np.newaxis], seen[position]]
    some = np.flatnonzero(values.any(axis=1))
    which, of_change, position, values = which[some], of_change[some], position[some], values[some]
    phase = position % stride
    once, back = distinct_rows(
        (phase * positions + position) * (int(unit.max(initial=0)) + 1) + unit[of_change], values
    )
    number = np.bincount(phase[once], minlength=stride)
    before = np.cumsum(number) - number
    index = np.arange(len(once)) - before[phase[once]] + 1
    cut = Patches(
        np.zeros((stride, 1 + number.max()), np.int64),
        np.zeros((stride, 1 + number.max()), np.int64),
        np.zeros((stride, 1 + number.max(), kernel), np.float32),
        np.zeros((most, len(unit)), np.int64),
    )
    cut.unit[phase[once], index] = unit[of_change[once]]
    cut.position[phase[once], index] = position[once]
    cut.values[phase[once], index] = values[once]
    cut.place[which, of_change] = index[back]
    return cut


def distinct_rows(place: Integers, rows: NDArray[Any]) -> tuple[Integers, Integers]:
    """Find rows of whole numbers that are equal, and at the same place.

    Parameters
    ----------
    place : array of shape (rows,), int64
    rows : array of shape (rows, values)

    Returns
    -------
    array of int64
        Which rows are the first of their like, ordered by place.
    array of shape (rows,), int64
        Which of these every row is like.
    """
    low, high = (int(rows.min()), int(rows.max())) if rows.size else (0, 0)
    values = high - low + 1
    if (int(place.max(initial=0)) + 1) * values ** rows.shape[1] > LARGEST_CODE:
        _, once, back = np.unique(np.column_stack([place, rows]), axis=0, return_index=True, return_inverse=True)
        return once, back
    code = (rows.astype(np.int64) - low) @ values ** np.arange(rows.shape[1], dtype=np.int64)
    _, once, back = np.unique(place * values ** rows.shape[1] + code, return_index=True, return_inverse=True)
    return once, back
