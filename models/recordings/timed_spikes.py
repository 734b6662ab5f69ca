"""Spikes with times of their own, beside the counts of the same spikes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Counts, Floats

__all__ = ["UNFIT", "SpikeTimes", "fits_counts", "in_order", "of_stretches", "of_units", "spikes_by_unit"]


@dataclass(frozen=True, eq=False)
class SpikeTimes:
    """Every spike of a recording: repeat after repeat, bin after bin, and in order of time inside a bin.

    Attributes
    ----------
    units : array of shape (spikes,), int32
        The unit of each spike.
    times_s : array of shape (spikes,), s
        By the clock of the recording's `starts_s`.
    """

    units: NDArray[np.int32]
    times_s: Floats


UNFIT = SpikeTimes(np.full(1, -1, np.int32), np.full(1, np.nan))  # of no counts: for times that can't be read as such


def fits_counts(times: SpikeTimes, counts: Counts) -> bool:
    """Say whether there is a time for each spike, (repeats, bins, units), of each unit in each bin, and no other."""
    units = counts.shape[2]
    of_bins = counts.sum(axis=2, dtype=np.int64).ravel()
    if times.units.shape != (of_bins.sum(),) or times.times_s.shape != times.units.shape:
        return False
    if not np.isfinite(times.times_s).all() or times.units.min(initial=0) < 0 or times.units.max(initial=0) >= units:
        return False
    place = np.arange(len(of_bins)).repeat(of_bins) * units + times.units
    return bool((np.bincount(place, minlength=counts.size) == counts.ravel()).all())


def of_stretches(times: SpikeTimes, counts: Counts, stretches: Iterable[tuple[int, int, int]]) -> SpikeTimes:
    """Return the spikes of some stretches of bins, one after the other.

    Parameters
    ----------
    times : SpikeTimes
        Of all the counts.
    counts : array of shape (repeats, bins, units), uint8
    stretches : iterable of (int, int, int)
        Repeat, first bin, and the bin after the last.
    """
    edges = np.concatenate([[0], np.cumsum(counts.sum(axis=2, dtype=np.int64).ravel())])
    bins = counts.shape[1]
    parts = [slice(edges[repeat * bins + first], edges[repeat * bins + stop]) for repeat, first, stop in stretches]
    return SpikeTimes(
        np.concatenate([times.units[:0], *(times.units[part] for part in parts)]),
        np.concatenate([times.times_s[:0], *(times.times_s[part] for part in parts)]),
    )


def of_units(times: SpikeTimes, chosen: NDArray[np.int64], units: int) -> SpikeTimes:
    """Return the spikes of the chosen units, numbered as these are in their new order."""
    places = np.full(units, -1, np.int32)
    places[chosen] = np.arange(len(chosen))
    inside = (times.units >= 0) & (times.units < units)
    numbers = np.where(inside, places[np.where(inside, times.units, 0)], -1).astype(np.int32)
    return SpikeTimes(numbers[numbers >= 0], times.times_s[numbers >= 0])


def spikes_by_unit(times: SpikeTimes, units: int) -> list[Floats]:
    """Return the times of each unit's spikes, in their order."""
    order = np.argsort(times.units, kind="stable")
    edges = np.searchsorted(times.units[order], np.arange(1, units))
    return np.split(times.times_s[order], edges)


def in_order(trains: Sequence[Floats]) -> SpikeTimes:
    """Bring the spike times of each unit into one row, by time; spikes of one moment by their unit."""
    units = np.arange(len(trains), dtype=np.int32).repeat([len(train) for train in trains])
    times = np.concatenate([np.empty(0), *trains])
    order = np.argsort(times, kind="stable")
    return SpikeTimes(units[order], times[order])
