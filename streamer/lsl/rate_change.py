"""Whether samples that are off the line are lost, or come at another rate than before."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats
from spikeloop.streamer.lsl.stairs import best_stairs

__all__ = ["RateChange", "RateWatch"]

WATCH_S, KEPT = 30.0, 1500  # time that is looked at, and samples of it at most
BEFORE, AFTER = 16, 3  # samples on both sides of where the rate may have changed, at least
PLACES, MOST_KNOTS = 64, 256  # places that are tried, at samples and then beside the best of these
LEAST_NOISE = 0.05  # standard deviation of stamps that is assumed at least, in bins
COMMON = 0.9  # share of differences between adjacent stamps that are of jitter alone
EVIDENCE = 10.0  # twice the logarithm of the likelihood ratio, from which on a change of the rate is believed
AS_BEFORE = 2.0  # by which the variance may be larger after the change than before
ROUNDS = 2  # of fitting a line and stairs in turn


class RateChange(NamedTuple):
    """A rate that changed.

    Attributes
    ----------
    bin_size_s : float, s
        The time between two samples since then.
    level_s : float, s
        Where the newest sample that was added is due by it.
    not_lost : int
        Bins that were counted as lost since then.
    """

    bin_size_s: float
    level_s: float
    not_lost: int


class RateWatch:
    """Keeps the latest stamps, and compares two explanations of them.

    Where bins are lost, stamps are a line and stairs of whole bins; where the rate changes, they bend into another
    line. Each is fitted by least squares. The bend is believed where it is more likely, by Schwarz's criterion, in
    which each step of the stairs counts as two parameters, and the bend too.

    Parameters
    ----------
    bin_size_s : float > 0, s

    References
    ----------
    Schwarz, Estimating the dimension of a model, Annals of Statistics 6 (1978).
    """

    def __init__(self, bin_size_s: float) -> None:
        self._bin_size_s, self._stride = bin_size_s, max(1, round(WATCH_S / KEPT / bin_size_s))
        self._numbers, self._stamps_s = np.empty(0, np.int64), np.empty(0)
        self._added = 0
        self._losses: list[tuple[int, int]] = []  # each by the number of the sample after it, and bins

    def add(self, stamps_s: Floats) -> None:
        """Add the stamps of the next samples, NaN for those that tell nothing."""
        known = np.flatnonzero(~np.isnan(stamps_s))[:: self._stride]
        numbers = np.concatenate([self._numbers, self._added + known])
        self._added += len(stamps_s)
        latest = max(len(numbers) - KEPT, int(np.searchsorted(numbers, self._added - WATCH_S / self._bin_size_s)))
        self._numbers = numbers[latest:]
        self._stamps_s = np.concatenate([self._stamps_s, stamps_s[known]])[latest:]

    def lose(self, bins: int) -> None:
        """Count bins as lost before the next sample; a negative number takes back as many."""
        oldest = int(self._numbers[0]) if len(self._numbers) else 0
        self._losses = [loss for loss in self._losses if loss[0] > oldest]
        self._losses.append((self._added, bins))

    def change(self, waiting_s: Floats, inflation: float = 1.0) -> RateChange | None:
        """Return how the rate changed, where that explains the stamps better than bins that are lost.

        Parameters
        ----------
        waiting_s : array of shape (samples,), s
            Stamps of the samples that come after those that were added, NaN for those that tell nothing.
        inflation : float >= 1
            By which the variance of means of adjacent samples exceeds that of independent ones.
        """
        known = np.flatnonzero(~np.isnan(waiting_s))
        numbers = np.concatenate([self._numbers, self._added + known])
        if len(numbers) < BEFORE + AFTER:
            return None
        stamps_s = np.concatenate([self._stamps_s, waiting_s[known]])
        x, y = (numbers - numbers[-1]).astype(np.float64), (stamps_s - stamps_s[-1]) / self._bin_size_s
        bend = _best_bend(x, y)
        noise = inflation * _noise(x, y)
        penalty = 2 * math.log(len(x)) * noise
        left = min(_left_of_stairs(x, y, slope, penalty) for slope in (1.0, bend.slope_before))
        if left - (float(bend.left @ bend.left) + penalty) < EVIDENCE * noise or not bend.fits:
            return None
        bin_size_s, waiting = self._bin_size_s * bend.slope, int(numbers[-1]) - (self._added - 1)
        level_s = float(stamps_s[-1]) + self._bin_size_s * bend.at_last - bin_size_s * waiting
        since = numbers[bend.place - 2]  # it may have begun a sample before
        return RateChange(bin_size_s, level_s, sum(bins for number, bins in self._losses if number > since))


class _Bend(NamedTuple):
    """The best fit of a line that bends into another one."""

    place: int  # the first sample behind it
    left: NDArray[np.float64]  # distances from it
    slope_before: float
    slope: float
    at_last: float

    @property
    def fits(self) -> bool:
        """Whether stamps are as near to it behind the bend as they were before."""
        left2 = np.square(self.left)
        return bool(left2[self.place :].mean() <= AS_BEFORE * max(LEAST_NOISE**2, left2[: self.place].mean()))


def _best_bend(x: Floats, y: Floats) -> _Bend:
    """Fit a + b x + c max(0, x - place) by least squares, at samples here and there, then all along beside the best."""
    places = len(x) - 1 - np.unique(np.geomspace(AFTER, len(x) - BEFORE, PLACES).astype(int))[::-1]
    best = int(np.searchsorted(places, _bend_at(x, y, x[places]).place - 1))
    first, last = x[places[max(0, best - 1)]], x[places[min(best + 1, len(places) - 1)]]
    return _bend_at(x, y, np.linspace(first, last, min(MOST_KNOTS, int(last - first) + 1)))


def _bend_at(x: Floats, y: Floats, knots: Floats) -> _Bend:
    """Fit a bend at each of these numbers; return the best."""
    bends = np.maximum(0.0, x[:, None] - knots)
    basis, _ = np.linalg.qr(np.stack([np.ones(len(x)), x], axis=1))
    left_y, left_bends = y - basis @ (basis.T @ y), bends - basis @ (basis.T @ bends)
    size = (left_bends**2).sum(axis=0)
    best = int(((left_bends.T @ left_y) ** 2 / size).argmax())
    more = float(left_bends[:, best] @ left_y / size[best])
    left = left_y - more * left_bends[:, best]
    fitted = y - left
    slope_before = float((fitted[1] - fitted[0]) / (x[1] - x[0]))
    place = int(np.searchsorted(x, knots[best], side="right"))
    return _Bend(place, left, slope_before, slope_before + more, float(fitted[-1]))


def _noise(x: Floats, y: Floats) -> float:
    """The variance of stamps about a line, by adjacent ones, whatever the line does in the long run."""
    off = y - x
    changes = np.sort(np.abs(np.diff(off) - np.median(np.diff(off))))
    common = changes[: max(1, round(COMMON * len(changes)))]
    return max(LEAST_NOISE**2, float(common @ common) / len(common) / 2)


def _left_of_stairs(x: Floats, y: Floats, slope: float, penalty: float) -> float:
    """Fit a line and stairs in turn; return the sum of squared distances and of penalties of steps."""
    level = float(np.median((y - slope * x)[:BEFORE]))
    left = math.inf
    for _ in range(ROUNDS):
        stairs = best_stairs(y - level - slope * x, penalty)
        slope, level = map(float, np.polyfit(x, y - stairs.levels, 1))
        off = y - stairs.levels - level - slope * x
        left = min(left, float(off @ off) + penalty * stairs.steps)
    return left
