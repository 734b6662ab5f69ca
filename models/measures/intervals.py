"""Interspike intervals inside windows of counts: their distribution, their variation, their moments."""

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Counts, Floats, Windows

__all__ = ["interspike_interval_cv", "interspike_interval_distribution", "interspike_intervals", "interval_moments"]


def interspike_interval_distribution(windows: Windows) -> Floats:
    """Probability that a spike's next one in the same unit and window follows k bins later, all units pooled.

    Several spikes in one bin count as intervals of 0 bins. Intervals longer than a window are not seen, in a
    model's windows as little as in a recording's.

    Parameters
    ----------
    windows : array of shape (windows, bins, units)

    Returns
    -------
    array of shape (bins,): intervals of 0 to bins - 1. All zero where no unit fires twice in a window.
    """
    intervals, _, _ = interspike_intervals(windows)
    histogram = np.bincount(intervals, minlength=windows.shape[1]).astype(np.float64)
    return histogram / max(1.0, histogram.sum())


def interspike_interval_cv(windows: Windows) -> Floats:
    """Coefficient of variation of each unit's interspike intervals inside windows, std / mean.

    Parameters
    ----------
    windows : array of shape (windows, bins, units)

    Returns
    -------
    array of shape (units,). 0 for a unit with no intervals, or none but of 0 bins.
    """
    number, bins, units = windows.shape
    spikes = _spikes_in_trains(windows)
    train = spikes // bins
    inside = train[1:] == train[:-1]
    intervals = np.diff(spikes) * inside
    borders = np.searchsorted(spikes[1:], np.arange(units + 1) * (number * bins))
    total, square, count = (
        np.diff(np.concatenate([[0], np.cumsum(values, dtype=np.int64)])[borders])
        for values in (intervals, intervals * intervals, inside)
    )
    mean, mean_square = total / np.maximum(1, count), square / np.maximum(1, count)
    deviation = np.sqrt(np.maximum(0, mean_square - mean**2))
    return np.divide(deviation, mean, out=np.zeros(units), where=mean > 0)


def interspike_intervals(windows: Windows) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Every interspike interval inside a window, in bins, with the unit and the window that it belongs to.

    Parameters
    ----------
    windows : array of shape (windows, bins, units), of integers or booleans

    Returns
    -------
    (intervals, units, windows), each an array of shape (intervals,), sorted by unit, window and time
    """
    number, bins, _ = windows.shape
    spikes = _spikes_in_trains(windows)
    train = spikes // bins
    later = np.flatnonzero(train[1:] == train[:-1])
    unit, window = np.divmod(train[later], number)
    return np.diff(spikes)[later], unit, window


def _spikes_in_trains(windows: Windows) -> NDArray[np.int64]:
    """Return the place of every spike, ascending, in all trains laid end to end: unit by unit, window by window."""
    number, bins, units = windows.shape
    places = np.flatnonzero(windows != 0)  # bin by bin
    time, unit = np.divmod(places, units)
    by_unit = np.argsort(unit.astype(np.min_scalar_type(units)), kind="stable")  # of small numbers a radix sort
    spikes = (unit * (number * bins) + time)[by_unit]
    if windows.max(initial=0) > 1:
        spikes = spikes.repeat(windows.reshape(-1)[places[by_unit]])
    return spikes


def interval_moments(windows: Counts) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Mean and standard deviation of each unit's interspike intervals inside windows, in bins, and their number.

    The n spikes of one bin are taken to lie at (k + 1/2) / n of it.

    Parameters
    ----------
    windows : array of shape (windows, bins, units)

    Returns
    -------
    three arrays of shape (units,); moments are 0 for a unit without intervals
    """
    units = windows.shape[2]
    trains = np.ascontiguousarray(windows.transpose(2, 0, 1))  # (units, windows, bins)
    counts = trains.reshape(-1).astype(np.int64)
    place = np.repeat(np.arange(len(counts)), counts)
    rank = np.arange(len(place)) - np.repeat(np.cumsum(counts) - counts, counts)
    time = place + (rank + 0.5) / counts[place]
    train = place // windows.shape[1]
    together = train[1:] == train[:-1]
    intervals, unit = np.diff(time)[together], (train // windows.shape[0])[1:][together]
    number = np.bincount(unit, minlength=units)
    mean = np.bincount(unit, weights=intervals, minlength=units) / np.maximum(1, number)
    square = np.bincount(unit, weights=(intervals - mean[unit]) ** 2, minlength=units) / np.maximum(1, number)
    return mean, np.sqrt(square), number
