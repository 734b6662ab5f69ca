"""What the distances of stamps from their line show: how large the jitter is, and whether the line moved for good."""

import math
from typing import NamedTuple

import numpy as np

from spikeloop.models.arrays import Floats

__all__ = ["JitterBand", "StepDetector"]

UNKNOWN_JITTER_S = 0.02  # assumed at first: a system's clock may tick every 16 ms
KEPT, LEAST, SEEN_S = 512, 16, 5.0  # distances from which the jitter is seen, and the time over which they spread
QUANTILES = (0.01, 0.99)
BLOCK_S, BLOCK_SAMPLES = 0.5, 16  # the longer of these has one mean
SETTLED, MEMORY = 8, 64  # blocks, until means are known; by which their variance is averaged
PENDING = 3  # blocks that a step lasts before it counts
SMALLEST_STEP, STANDARD_DEVIATIONS = 0.6, 4.0  # of a bin; of the means of blocks


class JitterBand:
    """Where the distances of a stream's stamps from their line usually lie.

    Parameters
    ----------
    bin_size_s : float > 0, s

    Attributes
    ----------
    low_s, high_s : float, s
        The usual distances.
    margin_s : float > 0, s
        Beyond these, up to which distances are not yet remarkable.
    """

    def __init__(self, bin_size_s: float) -> None:
        self._bin_size_s, self._stride = bin_size_s, max(1, round(SEEN_S / KEPT / bin_size_s))
        self._distances_s = np.empty(0)
        self.low_s = self.high_s = 0.0
        self.margin_s = max(bin_size_s / 2, UNKNOWN_JITTER_S)

    def add(self, distances_s: Floats) -> None:
        """See the distances of the next samples, NaN for unknown ones; a single stall widens the band by little."""
        known_s = distances_s[~np.isnan(distances_s)][:: self._stride][-KEPT:]
        if len(self._distances_s) >= LEAST:
            known_s = self.clip(known_s)
        self._distances_s = np.concatenate([self._distances_s, known_s])[-KEPT:]
        kept = len(self._distances_s)
        if kept >= LEAST:
            ordered_s = np.sort(self._distances_s)
            self.low_s, self.high_s = (float(ordered_s[round(share * (kept - 1))]) for share in QUANTILES)
            self.margin_s = max(self._bin_size_s / 2, (self.high_s - self.low_s) / 2)

    def clip(self, distances_s: Floats) -> Floats:
        """Bring distances to the edge of what is not yet remarkable."""
        return np.clip(distances_s, self.low_s - self.margin_s, self.high_s + self.margin_s)

    def is_far(self, distances_s: Floats) -> np.ndarray:
        """Which distances are remarkable, (samples,); NaN never is."""
        return (distances_s < self.low_s - self.margin_s) | (distances_s > self.high_s + self.margin_s)

    def is_near(self, distances_s: Floats) -> np.ndarray:
        """Which distances are usual, to half a bin, (samples,); NaN never is."""
        half_s = self._bin_size_s / 2
        return (distances_s >= self.low_s - half_s) & (distances_s <= self.high_s + half_s)


class Blocks(NamedTuple):
    """What the latest means of blocks show.

    Attributes
    ----------
    step_bins : int
        By which the line moved for good.
    pending : {-1, 0, 1}
        Direction in which it may be about to.
    ordinary : bool
        Whether a block ended that is not off the line.
    """

    step_bins: int = 0
    pending: int = 0
    ordinary: bool = False


class StepDetector:
    """Finds lasting steps of the line that are smaller than the jitter, from means of blocks of samples.

    A step counts when the means of three blocks on end are off the line, to the same side, by more than 0.6 bins and
    more than four of their standard deviations.

    Parameters
    ----------
    bin_size_s : float > 0, s
    """

    def __init__(self, bin_size_s: float) -> None:
        self._bin_size_s = bin_size_s
        self._block = max(BLOCK_SAMPLES, round(BLOCK_S / bin_size_s))
        self._empty()
        self._pending_s: list[float] = []
        self._blocks, self._of_means_s2, self._of_independent_s2 = 0, 0.0, 0.0  # variances of means

    @property
    def settled(self) -> bool:
        """Whether enough came to know how means vary."""
        return self._blocks >= SETTLED

    @property
    def inflation(self) -> float:
        """The variance of means over that of means of independent samples, at least 1."""
        return max(1.0, self._of_means_s2 / self._of_independent_s2) if self._of_independent_s2 else 1.0

    def add(self, distances_s: Floats) -> Blocks:
        """See the distances of the next samples from the line, NaN for unknown ones."""
        known_s = distances_s[~np.isnan(distances_s)]
        self._sum_s += float(known_s.sum())
        self._square_s2 += float(known_s @ known_s)
        self._count, self._samples = self._count + len(known_s), self._samples + len(distances_s)
        if self._samples < self._block or not self._count:
            return Blocks(pending=self._direction())
        mean_s, independent_s2 = self._sum_s / self._count, self._square_s2 / self._count**2
        self._empty()
        gate_s = max(SMALLEST_STEP * self._bin_size_s, STANDARD_DEVIATIONS * math.sqrt(self._of_means_s2))
        if not (self.settled and abs(mean_s) > gate_s and all(mean_s * before_s > 0 for before_s in self._pending_s)):
            self._average(mean_s, independent_s2)
            self._pending_s.clear()
            return Blocks(ordinary=True)
        self._pending_s.append(mean_s)
        if len(self._pending_s) < PENDING:
            return Blocks(pending=self._direction())
        lasting_s = sum(self._pending_s[1:]) / (PENDING - 1)  # the first block may hold the step itself
        self._pending_s.clear()
        return Blocks(round(lasting_s / self._bin_size_s))

    def _direction(self) -> int:
        return 0 if not self._pending_s else 1 if self._pending_s[0] > 0 else -1

    def _empty(self) -> None:
        self._sum_s, self._square_s2, self._count, self._samples = 0.0, 0.0, 0, 0

    def _average(self, mean_s: float, independent_s2: float) -> None:
        self._blocks += 1
        share = 1 / min(self._blocks, MEMORY)
        self._of_means_s2 += share * (mean_s**2 - self._of_means_s2)
        self._of_independent_s2 += share * (independent_s2 - self._of_independent_s2)
