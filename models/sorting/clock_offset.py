"""The offset between the clocks of two spike trains of the same neurons."""

import numpy as np
from scipy.signal import fftconvolve

from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError

__all__ = ["find_offset"]

BIN_S = 0.001
SLOW_BINS = 51  # whose mean is taken away, so that common changes of rates count less than coincidences
AROUND_S = 0.002  # of the best bin, within which spikes count as pairs
LEAST_SPIKES = 20
CLEAR = 8.0  # standard deviations of the correlation over all other offsets
LONGEST_S = 6 * 3600.0


def find_offset(true_s: Floats, found_s: Floats) -> float:
    """Find the time to add to found spikes so that most of them coincide with true ones.

    Both are counted in bins of 1 ms, without changes slower than some 50 ms, and correlated at all offsets; the median
    distance of the nearest pairs at the best one makes it exact.

    Parameters
    ----------
    true_s, found_s : arrays of shape (spikes,), float64, s
        Of all units together, ascending.

    Returns
    -------
    float, s

    Raises
    ------
    BadInputError
        If there are too few spikes, or no offset is much better than all others.
    """
    if min(len(true_s), len(found_s)) < LEAST_SPIKES:
        raise BadInputError(
            f"--offset auto: expected at least {LEAST_SPIKES} spikes in both, found {len(true_s)} and {len(found_s)};"
            " give the offset in seconds"
        )
    longest_s = max(true_s[-1] - true_s[0], found_s[-1] - found_s[0])
    if longest_s > LONGEST_S:
        raise BadInputError(
            f"--offset auto: expected at most {LONGEST_S / 3600:g} hours, found {longest_s / 3600:.1f}; give the offset"
            " in seconds, or a part with --start and --stop"
        )
    true, found = _fast(true_s), _fast(found_s)
    correlation = fftconvolve(true, found[::-1])
    best = int(correlation.argmax())
    height = float((correlation[best] - correlation.mean()) / correlation.std())
    if height < CLEAR:
        raise BadInputError(
            f"--offset auto: expected spikes that coincide at one offset, found none that stands out ({height:.1f}"
            f" standard deviations, {CLEAR:g} wanted); are both of the same neurons and time? Give the offset in"
            " seconds"
        )
    rough_s = (best - (len(found) - 1)) * BIN_S + true_s[0] - found_s[0]
    return rough_s + _median_distance(true_s, found_s + rough_s)


def _fast(times_s: Floats) -> Floats:
    counts = np.bincount(((times_s - times_s[0]) / BIN_S).astype(np.int64)).astype(np.float64)
    return counts - np.convolve(counts, np.full(SLOW_BINS, 1 / SLOW_BINS), "same")


def _median_distance(true_s: Floats, found_s: Floats) -> float:
    """By how much true spikes are later than the found ones nearest to them, where there is one near."""
    after = np.searchsorted(found_s, true_s).clip(1, len(found_s) - 1)
    before_s, after_s = true_s - found_s[after - 1], true_s - found_s[after]
    distances_s = np.where(np.abs(before_s) < np.abs(after_s), before_s, after_s)
    near = np.abs(distances_s) < AROUND_S
    return float(np.median(distances_s[near])) if near.any() else 0.0
