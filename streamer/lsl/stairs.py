"""The best staircase through distances from a line: what bins that are lost, here and there, do to it."""

from typing import NamedTuple

import numpy as np

from spikeloop.models.arrays import Floats

__all__ = ["Stairs", "best_stairs"]

MOST_LEVELS = 256


class Stairs(NamedTuple):
    """A staircase that rises by whole numbers.

    Attributes
    ----------
    levels : array of shape (samples,)
        Where it is at each sample.
    steps : int
        How many it has.
    """

    levels: Floats
    steps: int


def best_stairs(distances: Floats, penalty: float) -> Stairs:
    """Find the staircase whose sum of squared distances, with a penalty for each step, is least.

    By dynamic programming from the lowest level to the highest.

    Parameters
    ----------
    distances : array of shape (samples,)
        In bins.
    penalty : float > 0
        For a step, in the unit of squared distances.
    """
    levels = np.unique(np.rint(distances))
    if len(levels) > MOST_LEVELS:
        levels = levels[np.linspace(0, len(levels) - 1, MOST_LEVELS).astype(int)]
    count = len(distances)
    least = np.empty((len(levels), count + 1))  # for the first samples, where the last of them is at this level
    entered = np.empty((len(levels), count + 1), np.int64)  # with which sample that level began
    lower = np.full(count + 1, np.inf)
    for row, level in enumerate(levels):
        spent = np.concatenate([[0.0], np.cumsum((distances - level) ** 2)])
        before = lower + penalty
        before[0] = 0.0
        before -= spent
        best = np.minimum.accumulate(before)
        entered[row] = np.maximum.accumulate(np.where(before == best, np.arange(count + 1), 0))
        least[row] = spent + best
        lower = np.minimum(lower, least[row])
    path, steps, end, row = np.empty(count), 0, count, int(least[:, count].argmin())
    while True:
        first = int(entered[row, end])
        path[first:end] = levels[row]
        if not first:
            return Stairs(path, steps)
        end, row, steps = first, int(least[:row, first].argmin()), steps + 1
