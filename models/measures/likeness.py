"""How alike two populations are: the distance E of each statistic, its floor F and its ceiling I.

All three compare samples of one size with the same held-out data: E the model, F the training recording
itself (what sampling alone costs), I independent units at the training recording's rates.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.statistics import (
    autocorrelation,
    expected_counts,
    lagged_covariance,
    pairwise_covariance,
    population_count_distribution,
)

__all__ = [
    "STATISTICS",
    "Likeness",
    "Yardstick",
    "distance",
    "independent_units",
    "judge",
    "make_yardstick",
    "statistics_of",
]

Windows = NDArray[np.uint8]
Floats = NDArray[np.float64]

LEAST_ROOM = 0.1  # of the floor, between floor and ceiling, or sampling noise would be divided by itself
FLOOR_DRAWS = 24  # random subsets of the training windows that the floor is the mean of


def _largest_lag(windows: Windows) -> int:
    return min(10, windows.shape[1] - 1)


STATISTICS: Mapping[str, Callable[[Windows], Floats]] = {
    "rates": expected_counts,
    "covariance": pairwise_covariance,
    "lag-1 covariance": lambda windows: lagged_covariance(windows, lag=1),
    "population count": population_count_distribution,
    "autocorrelation": lambda windows: autocorrelation(windows, _largest_lag(windows)),
}


@dataclass(frozen=True)
class Likeness:
    """One statistic's verdict.

    Attributes
    ----------
    error, floor, ceiling : E, F and I, distances in the statistic's own unit
    """

    statistic: str
    error: float
    floor: float
    ceiling: float

    @property
    def ratio(self) -> float:
        """E / F: 1 is as good as more data from the same recording; NaN where the floor is 0."""
        return self.error / self.floor if self.floor > 0 else math.nan

    @property
    def excess(self) -> float:
        """(E - F) / (I - F): 0 perfect, 1 no better than independent units.

        NaN where independent units come near the floor (rates; recordings without structure).
        """
        room = self.ceiling - self.floor
        return (self.error - self.floor) / room if room > LEAST_ROOM * self.floor else math.nan


def statistics_of(windows: Windows) -> dict[str, Floats]:
    """Every statistic of `STATISTICS`, by name."""
    return {name: statistic(windows) for name, statistic in STATISTICS.items()}


def distance(statistic: str, one: Floats, other: Floats) -> float:
    """Distance between two values of a statistic: the mean absolute difference of their entries.

    Of covariance only pairs of different units count (NaN for a single unit); of the population count it is the
    sum (the L1 distance of two distributions), the shorter one padded with zeros.
    """
    if statistic == "covariance":
        if len(one) < 2:
            return math.nan
        pairs = np.triu_indices(len(one), k=1)
        return float(np.abs(one[pairs] - other[pairs]).mean())
    if statistic == "population count":
        longest = max(len(one), len(other))
        one, other = (np.pad(each, (0, longest - len(each))) for each in (one, other))
        return float(np.abs(one - other).sum())
    return float(np.abs(one - other).mean())


def independent_units(like: Windows, windows: int, random: np.random.Generator) -> Windows:
    """Windows of independent units: each bin of each unit drawn from that unit's own counts."""
    bins, units = like.shape[1:]
    pooled = like.reshape(-1, units)
    drawn = random.integers(len(pooled), size=(windows, bins, units))
    return np.take_along_axis(pooled, drawn.reshape(-1, units), axis=0).reshape(windows, bins, units)


@dataclass(frozen=True, eq=False)
class Yardstick:
    """What models of one recording are judged by; made once, used for any number of them.

    Attributes
    ----------
    windows : number of windows that are compared
    shape : (bins, units) of each
    truth : statistics of the held-out windows, by name
    floors, ceilings : F and I, by name
    """

    windows: int
    shape: tuple[int, int]
    truth: Mapping[str, Floats]
    floors: Mapping[str, float]
    ceilings: Mapping[str, float]


def make_yardstick(training: Windows, held_out: Windows, random: np.random.Generator) -> Yardstick:
    """Floor and ceiling of every statistic, at the held-out sample's size.

    Parameters
    ----------
    training, held_out : arrays of shape (windows, bins, units)
        At least as many for training as are held out; they are drawn from without replacement.

    Raises
    ------
    BadInputError
        If shapes don't fit, or there are too few windows.
    """
    size = len(held_out)
    if training.shape[1:] != held_out.shape[1:]:
        raise BadInputError(
            f"expected windows of one shape, found {training.shape[1:]} for training, {held_out.shape[1:]} held out"
        )
    if not 0 < size <= len(training):
        raise BadInputError(f"expected 1 to {len(training)} windows held out (as many as for training), found {size}")
    truth = statistics_of(held_out)
    draws = [_distances(truth, training[random.choice(len(training), size, replace=False)]) for _ in range(FLOOR_DRAWS)]
    return Yardstick(
        windows=size,
        shape=held_out.shape[1:],
        truth=truth,
        floors={name: float(np.mean([draw[name] for draw in draws])) for name in STATISTICS},
        ceilings=_distances(truth, independent_units(training, size, random)),
    )


def judge(sampled: Windows, yardstick: Yardstick) -> tuple[Likeness, ...]:
    """Judge a model's windows by a yardstick.

    Parameters
    ----------
    sampled : array of shape (windows, bins, units); the first `yardstick.windows` are taken

    Raises
    ------
    BadInputError
        If shapes don't fit, or there are too few windows.
    """
    if sampled.shape[1:] != yardstick.shape or len(sampled) < yardstick.windows:
        raise BadInputError(
            f"expected at least {yardstick.windows} windows of {yardstick.shape} (bins, units), found {sampled.shape}"
        )
    errors = _distances(yardstick.truth, sampled[: yardstick.windows])
    return tuple(Likeness(name, errors[name], yardstick.floors[name], yardstick.ceilings[name]) for name in STATISTICS)


def _distances(truth: Mapping[str, Floats], windows: Windows) -> dict[str, float]:
    return {name: distance(name, value, truth[name]) for name, value in statistics_of(windows).items()}
