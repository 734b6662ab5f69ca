"""Events of a whole population inside windows: avalanches, the silences between, and who leads and who follows."""

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats, Windows, join_bins

__all__ = ["avalanche_size_distribution", "event_latency", "silence_duration_distribution"]


def avalanche_size_distribution(windows: Windows) -> Floats:
    """Probability of avalanches by size, in octaves of their spikes (Beggs and Plenz 2003, J Neurosci 23:11167).

    An avalanche is a run of bins in each of which the population has at least as many spikes as on average. Where that
    is up to one spike a bin, these are the bins with any spike, as Beggs and Plenz define it; a population that is
    never silent would else be one avalanche (thresholds: Poil et al. 2012, J Neurosci 32:9817). Where the average is no
    whole number, the distributions of the whole numbers about it are mixed, the nearer one more, so that nothing jumps
    when it passes one. A window's edge ends an avalanche.

    Parameters
    ----------
    windows : array of shape (windows, bins, units)

    Returns
    -------
    array of shape (octaves,), summing to 1
        Entry k is of 2^k to 2^(k+1) - 1 spikes. All zero where there is no avalanche.
    """
    population = windows.sum(axis=2, dtype=np.int64)
    until = np.concatenate(([0], np.cumsum(population)))
    octaves = int(np.frexp(max(1, population.sum(axis=1).max()))[1])
    mixed = np.zeros(octaves)
    for least, weight in _thresholds(population):
        start, end = _runs(population >= least)
        octave = np.frexp(until[end] - until[start])[1] - 1
        mixed += weight * np.bincount(octave, minlength=octaves) / max(1, len(octave))
    return mixed / (mixed.sum() or 1.0)


def silence_duration_distribution(windows: Windows) -> Floats:
    """Probability that a silence of the whole population lasts k bins; a window's edge ends it.

    Parameters
    ----------
    windows : array of shape (windows, bins, units)

    Returns
    -------
    array of shape (bins + 1,), summing to 1
        Durations of 0 to `bins` bins, the first of which never occurs. All zero where some unit fires in every bin.
    """
    start, end = _runs(windows.sum(axis=2, dtype=np.int64) == 0)
    histogram = np.bincount(end - start, minlength=windows.shape[1] + 1)
    return histogram / max(1, len(start))


def event_latency(windows: Windows) -> Floats:
    """By how much each unit's spikes lag behind the others' in population events, in bins; negative for a leader.

    An event is an avalanche of `avalanche_size_distribution`. A spike's latency is its bin minus the mean bin of all
    spikes of its event, and a unit's is the mean over its spikes in events (Luczak et al. 2007, PNAS 104:347: the order
    of units in events, there by their peaks after the onset).

    Parameters
    ----------
    windows : array of shape (windows, bins, units)

    Returns
    -------
    array of shape (units,). 0 for a unit without spikes in events.
    """
    population = windows.sum(axis=2, dtype=np.int64)
    total, number = np.zeros(windows.shape[2]), np.zeros(windows.shape[2])
    for least, weight in _thresholds(population):
        active = population >= least
        rows = np.flatnonzero(active)
        spikes = join_bins(windows)[rows].astype(np.float64)
        total += weight * (_lags(population, active) @ spikes)
        number += weight * spikes.sum(axis=0)
    return np.divide(total, number, out=np.zeros_like(number), where=number > 0)


def _lags(population: NDArray[np.int64], active: NDArray[np.bool_]) -> Floats:
    """By how much each active bin lies behind the mean bin of the spikes of its run, (active bins,)."""
    start, end = _runs(active)
    rows = np.flatnonzero(active)  # runs follow each other, so these are their bins in order
    lengths, counts = end - start, population.ravel()[rows]
    event = np.repeat(np.arange(len(start)), lengths)
    place = rows - np.repeat(start, lengths)
    centre = np.bincount(event, counts * place, len(start)) / np.bincount(event, counts, len(start))
    return place - centre[event]


def _thresholds(population: NDArray[np.int64]) -> list[tuple[int, float]]:
    """Least spikes of an active bin, the whole numbers about the average, 1 or more, each with its weight."""
    mean = max(1.0, float(population.mean()))
    below = int(mean)
    return [(below, 1 - (mean - below)), (below + 1, mean - below)]


def _runs(active: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First bin of each run of active bins inside a window, and the bin behind its last, all windows in one row.

    Parameters
    ----------
    active : array of shape (windows, bins)
    """
    windows, bins = active.shape
    padded = np.zeros((windows, bins + 1), np.int8)
    padded[:, :bins] = active
    steps = np.diff(padded.ravel(), prepend=0)
    places = np.flatnonzero(steps)
    window = places // (bins + 1)
    edges = places - window  # without the bin that was put behind each window
    return edges[::2], edges[1::2]
