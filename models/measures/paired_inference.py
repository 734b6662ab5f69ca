"""What paired differences prove: Student's t over pairs and sessions, Holm's correction, and the pairs needed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri, stdtr, stdtrit

from spikeloop.models.arrays import Floats

__all__ = ["LEVEL", "POWER", "MeanDifference", "holm", "mean_difference", "pairs_needed", "smallest_found"]

LEVEL = 0.95  # of intervals
PRIOR_FREEDOM = 3  # of the guess that sessions differ by their pairs alone; ours: intervals of 2 to 20 sessions cover
# 0.89 to 0.99 where the variance between sessions is 0 to 2 times that of a session's mean by its pairs
POWER = 0.8  # share of repetitions in which a true difference is found


@dataclass(frozen=True)
class MeanDifference:
    """A mean of paired differences, with its uncertainty.

    Attributes
    ----------
    value : float
    error : float
        Standard error; NaN of fewer than two pairs.
    freedom : int
        Degrees of freedom of Student's t.
    pairs : int
    """

    value: float
    error: float
    freedom: int
    pairs: int

    @property
    def spread(self) -> float:
        """Standard deviation of independent pairs that would give this standard error."""
        return self.error * math.sqrt(self.pairs)

    @property
    def p_value(self) -> float:
        """Of Student's t test, two-sided; NaN of fewer than two pairs."""
        if not self.error:
            return float(self.value == 0)
        return float(2 * stdtr(self.freedom, -abs(self.value) / self.error))

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Student's t interval; NaN of fewer than two pairs."""
        reach = float(stdtrit(self.freedom, (1 + level) / 2)) * self.error if self.freedom else math.nan
        return self.value - reach, self.value + reach


def mean_difference(value: float, deviations: Floats, sessions: ArrayLike) -> MeanDifference:
    """Judge a mean by how much pairs differ, and sessions of several pairs.

    Pairs of one session share what was learned in it, so that sessions may differ more than their pairs. The squared
    standard error is estimated from the sums of the sessions' deviations, with one degree of freedom less than there
    are sessions. Of few sessions that is next to worthless alone, so it is moderated, as by Smyth (2004, Stat Appl
    Genet Mol Biol 3:3), towards the estimate by which pairs are independent, which counts as `PRIOR_FREEDOM` more
    degrees of freedom. Of one session it is the paired t test.

    Parameters
    ----------
    value : float
        The mean.
    deviations : array of shape (pairs,)
        What each pair adds to the mean less the mean; of a ratio of means, to first order. Their sum is 0.
    sessions : array of shape (pairs,)
        Of each pair.
    """
    pairs, (_, session) = len(deviations), np.unique(np.asarray(sessions), return_inverse=True)
    if pairs < 2:
        return MeanDifference(value, math.nan, 0, pairs)
    within = float(np.square(deviations).sum()) / (pairs - 1) / pairs
    sums = np.bincount(session, deviations)
    between_freedom = len(sums) - 1
    if not between_freedom:
        return MeanDifference(value, math.sqrt(within), pairs - 1, pairs)
    between = float(np.square(sums).sum()) * len(sums) / between_freedom / pairs**2
    freedom = PRIOR_FREEDOM + between_freedom
    moderated = (PRIOR_FREEDOM * within + between_freedom * between) / freedom
    return MeanDifference(value, math.sqrt(moderated), freedom, pairs)


def holm(p_values: Sequence[float]) -> Floats:
    """Correct the p-values of several tests, so that one of all is wrong as rarely as one alone (Holm 1979).

    The smallest of m is multiplied by m, the next by m - 1 and so on; none becomes smaller than one before it, or
    larger than 1 (Scand J Stat 6:65).

    Parameters
    ----------
    p_values : sequence of float
        NaN of what can't be tested, which is not counted.

    Returns
    -------
    array of shape (tests,)
    """
    given = np.asarray(p_values, np.float64)
    places: NDArray[np.intp] = np.argsort(given)[: np.count_nonzero(~np.isnan(given))]  # NaN comes last
    corrected = np.full(len(given), np.nan)
    factors = np.arange(len(places), 0, -1)
    corrected[places] = np.minimum(np.maximum.accumulate(given[places] * factors), 1.0)
    return corrected


def pairs_needed(difference: float, spread: float, tests: int = 1) -> float:
    """Pairs with which a difference is found in four of five repetitions.

    n = ((z(1 - a / 2) + z(0.8)) spread / difference)^2 + z(1 - a / 2)^2 / 2: the normal approximation, and what the t
    test needs more, within a pair of what the noncentral t distribution gives; a is 5 % over the number of tests, the
    strictest of Holm's steps.

    Parameters
    ----------
    difference : float
    spread : float
        Standard deviation of a pair's difference.
    tests : int >= 1, default 1

    Returns
    -------
    float
        Rounded up; infinite for no difference; NaN where the spread is 0 or unknown.
    """
    if not spread > 0:
        return math.nan
    if difference == 0:
        return math.inf
    certain, powerful = _quantiles(tests)
    return float(math.ceil(((certain + powerful) * spread / difference) ** 2 + certain**2 / 2))


def smallest_found(pairs: int, spread: float, tests: int = 1) -> float:
    """Smallest difference that so many pairs find in four of five repetitions; inverts `pairs_needed`.

    Returns
    -------
    float
        NaN where so few pairs find none, or the spread is unknown.
    """
    certain, powerful = _quantiles(tests)
    left = pairs - certain**2 / 2
    return (certain + powerful) * spread / math.sqrt(left) if left > 0 else math.nan


def _quantiles(tests: int) -> tuple[float, float]:
    return float(ndtri(1 - (1 - LEVEL) / (2 * tests))), float(ndtri(POWER))
