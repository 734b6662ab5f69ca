"""Distances of stamps from their line, of the samples whose stamps carry information."""

import math
from collections import deque
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats

__all__ = ["Arrivals", "Distances", "held_back"]

LATELY_S, LEAST_S = 2.0, 0.5  # in which samples that come are counted; of these, before they mean anything
TOGETHER = 0.5  # of a bin, by which a sample waited at least, if it waited for a later one
AHEAD = 5  # samples among which that one is: bursts may be torn


def held_back(stamps_s: Floats, bin_size_s: float) -> NDArray[np.bool_]:
    """Find the samples that waited for a later one, to be sent together with it: only the last of these was in time.

    One waited where the k-th after it came less than k - 1/2 bins later.

    Parameters
    ----------
    stamps_s : array of shape (samples,), s
    bin_size_s : float > 0, s

    Returns
    -------
    array of shape (samples,), bool
        Never of the last one, nor of those beside a stamp that is no number.
    """
    waited = np.zeros(len(stamps_s), np.bool_)
    for later in range(1, min(AHEAD, len(stamps_s) - 1) + 1):
        passed_s = np.abs(stamps_s[later:] - stamps_s[:-later])
        waited[:-later] |= passed_s < (later - TOGETHER) * bin_size_s
    return waited


class Distances(NamedTuple):
    """Distances of stamps from their line, by the numbers of their samples.

    Attributes
    ----------
    numbers : array of shape (known,), int64
    off_s : array of shape (known,), float64, s
    """

    numbers: NDArray[np.int64]
    off_s: Floats

    @classmethod
    def known(cls, off_s: Floats) -> Self:
        """Take those that are known, of samples that follow each other."""
        numbers = np.flatnonzero(~np.isnan(off_s))
        return cls(numbers, off_s[numbers])

    @property
    def span(self) -> int:
        """From the first of these samples to the last, in samples."""
        return int(self.numbers[-1] - self.numbers[0]) + 1

    def last(self, samples: int) -> Self:
        """Take those among the last samples."""
        late = self.numbers > self.numbers[-1] - samples
        return type(self)(self.numbers[late], self.off_s[late])

    def slope_s(self) -> tuple[float, float]:
        """Return the slope from sample to sample, s, and its standard error."""
        numbers = self.numbers - self.numbers.mean()
        spread = float(numbers @ numbers)
        if not spread:
            return 0.0, math.inf
        slope_s = float(numbers @ self.off_s) / spread
        left_s = self.off_s - self.off_s.mean() - slope_s * numbers
        return slope_s, math.sqrt(float(left_s @ left_s) / max(1, len(numbers) - 2) / spread)


class Arrivals:
    """Counts the samples that come, by a clock of this machine.

    Attributes
    ----------
    every_s : float, s
        Time from one to the next, of those that came lately; infinity before that is known.
    """

    def __init__(self) -> None:
        self.every_s = math.inf
        self._counted: deque[tuple[float, int]] = deque()  # when samples came, and how many had come by then
        self._came = 0

    def add(self, samples: int, now_s: float) -> None:
        """Count the samples that came now."""
        if not samples:
            return
        self._came += samples
        self._counted.append((now_s, self._came))
        while now_s - self._counted[0][0] > LATELY_S and len(self._counted) > 2:
            self._counted.popleft()
        since_s, before = self._counted[0]
        self.every_s = (now_s - since_s) / (self._came - before) if now_s - since_s >= LEAST_S else math.inf
