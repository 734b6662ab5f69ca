"""A line through stamps by their numbers: recursive least squares, in which older samples count for less."""

import math
from functools import lru_cache

import numpy as np

from spikeloop.models.arrays import Floats

__all__ = ["LineFit"]

NOMINAL_SD = 0.03  # of a true bin size about the declared one, as a share of it, before anything came
LEAST_NOISE = 0.05  # standard deviation of stamps that is assumed at least, as a share of a bin
CONFIDENCE = 1.96  # standard errors on both sides, for an interval of 95 %


class LineFit:
    """Estimates when the next samples are due, and the true time between two.

    A sample that came k samples before the newest has the weight exp(-k * bin size / forget_s). The declared bin size
    counts as a weak observation of the slope.

    Parameters
    ----------
    bin_size_s : float > 0, s
        As declared.
    level_s : float, s
        When the sample before the next one would have been due.
    forget_s : float > 0, s
        Time in which the weight of a sample falls to 1/e.

    Attributes
    ----------
    level_s : float, s
        The line at the newest sample.
    bin_size_s : float, s
        Its slope, the estimated time between two samples.
    samples : int
        Of which it was made.
    """

    def __init__(self, bin_size_s: float, level_s: float, forget_s: float) -> None:
        self.level_s, self.bin_size_s, self.samples = level_s, bin_size_s, 0
        self._nominal_s, self._decay = bin_size_s, math.exp(-bin_size_s / forget_s)
        self._weights = self._squared = (0.0, 0.0, 0.0)  # sums of weights, or of their squares, times powers 0, 1, 2 of
        self._products = (0.0, 0.0)  # the number, counted from the newest; the same of weights times distances
        self._noise_s2 = 0.0  # weighted sum of squared distances
        self._floor_s2 = (LEAST_NOISE * bin_size_s) ** 2

    def predict(self, samples: int) -> Floats:
        """Return when the next samples are due, (samples,), s."""
        return self.level_s + self.bin_size_s * np.arange(1, samples + 1, dtype=np.float64)

    def skip(self, bins: int) -> None:
        """Count bins that never came; a negative number takes back what was skipped."""
        self.level_s += bins * self.bin_size_s
        self._count_on(bins)

    def add(self, stamps_s: Floats) -> None:
        """Fit the next samples too.

        Parameters
        ----------
        stamps_s : array of shape (samples,), s
            NaN for a sample whose stamp is to be passed over.
        """
        count = len(stamps_s)
        off_s = stamps_s - self.predict(count)
        self._count_on(count)
        self.level_s += count * self.bin_size_s
        known = ~np.isnan(off_s)
        weights, numbers = _weights(count, self._decay)
        weights, off_s = weights * known, np.where(known, off_s, 0.0)
        decay = self._decay**count
        self._weights = _plus(decay, self._weights, weights @ numbers)
        self._squared = _plus(decay**2, self._squared, weights**2 @ numbers)
        p0, p1 = ((weights * off_s) @ numbers[:, :2]).tolist()
        self._products = decay * self._products[0] + p0, decay * self._products[1] + p1
        self._noise_s2 = decay * self._noise_s2 + float(weights @ off_s**2)
        self.samples += int(known.sum())
        for _ in range(2):  # as the weight of the declared bin size depends on the distances from the line
            self._solve()

    def interval_s(self, inflation: float = 1.0) -> tuple[float, float]:
        """Return the interval, 95 %, of the true time between two samples.

        Parameters
        ----------
        inflation : float >= 1
            By which the variance of means of adjacent samples exceeds that of independent ones.
        """
        s0, s1, s2 = self._weights
        spread = s2 - s1**2 / s0 if s0 else 0.0
        if self.samples < 3 or spread <= 0:
            return 0.0, math.inf
        mean = s1 / s0
        v0, v1, v2 = self._squared
        error_s = (
            CONFIDENCE * math.sqrt(self.noise_s2 * inflation * max(0.0, v2 - 2 * mean * v1 + mean**2 * v0)) / spread
        )
        return self.bin_size_s - error_s, self.bin_size_s + error_s

    @property
    def noise_s2(self) -> float:
        """The variance of stamps about the line, s^2."""
        return max(self._floor_s2, self._noise_s2 / self._weights[0]) if self._weights[0] else self._floor_s2

    def _count_on(self, samples: int) -> None:
        """Count numbers from the sample that is now the newest."""
        (s0, s1, s2), (v0, v1, v2), (p0, p1) = self._weights, self._squared, self._products
        self._weights = s0, s1 - samples * s0, s2 - 2 * samples * s1 + samples**2 * s0
        self._squared = v0, v1 - samples * v0, v2 - 2 * samples * v1 + samples**2 * v0
        self._products = p0, p1 - samples * p0

    def _solve(self) -> None:
        """Move the line to where the weighted squared distances, and that of its slope, are least."""
        (s0, s1, s2), (p0, p1) = self._weights, self._products
        if not s0:
            return
        trust = self.noise_s2 / (NOMINAL_SD * self._nominal_s) ** 2
        of_slope = p1 + trust * (self._nominal_s - self.bin_size_s)
        determinant = s0 * (s2 + trust) - s1**2
        level_s = (p0 * (s2 + trust) - s1 * of_slope) / determinant
        slope_s = (s0 * of_slope - s1 * p0) / determinant
        self.level_s += level_s
        self.bin_size_s += slope_s
        less_s2 = 2 * (level_s * p0 + slope_s * p1) - level_s**2 * s0 - 2 * level_s * slope_s * s1 - slope_s**2 * s2
        self._noise_s2 = max(0.0, self._noise_s2 - less_s2)
        self._products = p0 - level_s * s0 - slope_s * s1, p1 - level_s * s1 - slope_s * s2


@lru_cache(maxsize=64)
def _weights(samples: int, decay: float) -> tuple[Floats, Floats]:
    """Weights of the newest samples, (samples,), and powers 0, 1, 2 of their numbers, (samples, 3)."""
    numbers = np.arange(1 - samples, 1, dtype=np.float64)
    return decay**-numbers, np.stack([np.ones(samples), numbers, numbers**2], axis=1)


def _plus(decay: float, sums: tuple[float, float, float], new: Floats) -> tuple[float, float, float]:
    n0, n1, n2 = new.tolist()
    return decay * sums[0] + n0, decay * sums[1] + n1, decay * sums[2] + n2
