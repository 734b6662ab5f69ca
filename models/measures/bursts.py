"""Bursts of single units: how many of their spikes lie in bursts, and how many spikes a burst has."""

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats, Windows
from spikeloop.models.measures.intervals import interspike_intervals
from spikeloop.models.measures.statistics import expected_counts

__all__ = ["burst_share", "burst_size_distribution"]

LEAST_SPIKES = 3
SHORT = 0.25  # of a unit's mean interval


def burst_share(windows: Windows) -> Floats:
    """Share of each unit's spikes that lie in bursts.

    A burst is three or more spikes of a unit in a window, each following the one before within a quarter of the unit's
    mean interval, which is 1 / rate; so it means the same at any rate and in bins of any size. Intervals shorter than
    the mean by some factor are the measure of a burst in Chen et al. 2009 (Prog Nat Sci 19:229), and three spikes the
    least in most definitions that Cotterill et al. 2016 compare (J Neurophysiol 116:306).

    Parameters
    ----------
    windows : array of shape (windows, bins, units)

    Returns
    -------
    array of shape (units,). 0 for a unit that never fires.
    """
    units = windows.shape[2]
    sizes, unit = _bursts(windows)
    spikes = windows.sum(axis=(0, 1), dtype=np.float64)
    return np.bincount(unit, sizes, units) / np.maximum(1.0, spikes)


def burst_size_distribution(windows: Windows) -> Floats:
    """Probability that a burst has n spikes, all units pooled; see `burst_share`.

    Parameters
    ----------
    windows : array of shape (windows, bins, units)

    Returns
    -------
    array of shape (largest size + 1,), summing to 1; a single 0 where there is no burst
    """
    sizes, _ = _bursts(windows)
    return np.bincount(sizes) / len(sizes) if len(sizes) else np.zeros(1)


def _bursts(windows: Windows) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Spikes of every burst, and its unit."""
    intervals, unit, window = interspike_intervals(windows)
    mean = expected_counts(windows)
    longest = np.divide(SHORT, mean, out=np.zeros_like(mean), where=mean > 0)  # bins
    short = intervals <= longest[unit]
    goes_on = np.zeros_like(short)
    goes_on[1:] = short[:-1] & (unit[1:] == unit[:-1]) & (window[1:] == window[:-1])
    first = np.flatnonzero(short & ~goes_on)
    sizes = 1 + np.bincount(np.cumsum(short & ~goes_on)[short] - 1, minlength=len(first))
    enough = sizes >= LEAST_SPIKES
    return sizes[enough], unit[first][enough]
