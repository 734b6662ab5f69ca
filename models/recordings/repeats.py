"""Repeats of unequal length: when they began, and their recorded bins without the padding behind them."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats, join_bins

__all__ = ["begins_of", "join_recorded", "lengths_of", "pad_repeats", "recorded_rows", "split_repeats"]

Lengths = Sequence[int] | None


def recorded_rows(values: NDArray[Any], lengths: Lengths) -> NDArray[Any]:
    """Leave out the padding of short repeats.

    Parameters
    ----------
    values : array of shape (repeats, bins, columns)
        Or several times as many repeats, of the same lengths time and again.
    lengths : sequence of int, or None
        Recorded bins of each repeat; None where all bins were recorded.

    Returns
    -------
    array of shape (repeats, bins, columns), the same, where lengths is None; else of (1, recorded bins, columns)
    """
    if lengths is None:
        return values
    passes = len(values) // len(lengths)
    recorded = np.arange(values.shape[1]) < np.tile(lengths, passes)[:, np.newaxis]
    return values[recorded][np.newaxis]


def join_recorded(values: NDArray[Any], lengths: Lengths) -> NDArray[Any]:
    """Put the recorded bins of all repeats into one row, (recorded bins, columns); see `recorded_rows`."""
    return join_bins(recorded_rows(values, lengths))


def split_repeats(values: NDArray[Any], lengths: Lengths) -> list[NDArray[Any]]:
    """Return the recorded bins of each repeat, (bins, columns); views."""
    return list(values) if lengths is None else [row[:bins] for row, bins in zip(values, lengths, strict=True)]


def lengths_of(bins: Iterable[int]) -> tuple[int, ...] | None:
    """Return the bins of each repeat as a recording keeps them: None where all are the same."""
    lengths = tuple(int(length) for length in bins)
    return None if len(set(lengths)) <= 1 else lengths


def pad_repeats(repeats: Sequence[NDArray[Any]], fill: float = 0) -> NDArray[Any]:
    """Put repeats, (bins, columns) each, into one array, (repeats, longest bins, columns), filled up behind short ones.

    Parameters
    ----------
    repeats : sequence of arrays of shape (bins, columns)
    fill : number
        Such as NaN; the array gets a type that can hold it.
    """
    longest = max(map(len, repeats))
    kind = np.result_type(*repeats)
    if kind.kind in "biu" and not float(fill).is_integer():
        kind = np.dtype(np.float64)
    padded = np.full((len(repeats), longest, repeats[0].shape[1]), fill, kind)
    for repeat, row in zip(repeats, padded, strict=True):
        row[: len(repeat)] = repeat
    return padded


def begins_of(lengths: NDArray[np.integer], bin_size_s: float, starts_s: Sequence[float] | None) -> Floats:
    """Return when each repeat began.

    Parameters
    ----------
    lengths : array of shape (repeats,), bins
    bin_size_s : float > 0, s
    starts_s : sequence of float, s, or None
        When each began by the recording's clock, where that is known.

    Returns
    -------
    array of shape (repeats,), s
        By the recording's clock, where no repeat begins before the one before it ended; else as if each began then.
    """
    lasted_s = lengths * bin_size_s
    if starts_s is not None:
        starts = np.array(starts_s, np.float64)
        if (starts[1:] >= (starts + lasted_s)[:-1] - bin_size_s / 2).all():
            return starts
    return np.cumsum(lasted_s) - lasted_s
