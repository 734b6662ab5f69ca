"""Spikes that have a trial each, and whose times nevertheless run on from one trial to another."""

from collections.abc import Sequence
from math import lgamma, log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.found import Intervals
from spikeloop.models.recordings.spike_times import EDGE_TOLERANCE

__all__ = ["trials_by_times"]

CHANCE = 1e-3  # that spikes of trials of one clock each lie apart from those of all other trials


def trials_by_times(
    trains: Sequence[NDArray[Any]], trial_of_spike: Sequence[NDArray[np.int64]], trials: int, bin_size_s: float
) -> Intervals | None:
    """Find when each trial was, where times are by the clock of the session; None where they count from each trial.

    Times are by one clock where no two trials share a stretch of time, in whatever order they are numbered, and that
    is no chance. Of n trials with k spikes each, drawn from the same times, that has the probability
    n! (k!)^n / (n k)!.

    Parameters
    ----------
    trains : sequence of arrays of shape (spikes of the unit,), s
        Of all units.
    trial_of_spike : sequence of arrays of shape (spikes of the unit,), int
    trials : int
        How many there are.
    bin_size_s : float > 0, s

    Returns
    -------
    Intervals or None
        From the beginning of the bin of each trial's first spike to the end of that of its last one, where bins begin
        at multiples of their size; NaN of trials without spikes.
    """
    first, last, spikes = np.full(trials, np.inf), np.full(trials, -np.inf), np.zeros(trials, np.int64)
    for train, trial in zip(trains, trial_of_spike, strict=True):
        np.minimum.at(first, trial, np.asarray(train, np.float64))
        np.maximum.at(last, trial, np.asarray(train, np.float64))
        spikes += np.bincount(trial, minlength=trials)
    filled = np.flatnonzero(spikes)
    order = filled[np.argsort(first[filled], kind="stable")]
    if not (first[order[1:]] >= last[order[:-1]]).all() or not np.isfinite(last[filled]).all():
        return None
    chance = lgamma(len(filled) + 1) + sum(lgamma(k + 1) for k in spikes[filled]) - lgamma(spikes.sum() + 1)
    if chance > log(CHANCE):
        return None
    starts, stops = np.full(trials, np.nan), np.full(trials, np.nan)
    starts[filled] = np.floor(first[filled] / bin_size_s + EDGE_TOLERANCE) * bin_size_s
    stops[filled] = (np.floor(last[filled] / bin_size_s + EDGE_TOLERANCE) + 1) * bin_size_s
    return Intervals(starts, stops)
