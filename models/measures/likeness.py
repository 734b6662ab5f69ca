"""How alike two populations are: the distance E of each statistic, its floor F and its ceiling I.

All three compare samples of one size with the same held-out data: E the model, F the training recording
itself (what sampling alone costs), I independent units at the training recording's rates.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.statistics import (
    autocorrelation,
    correlation_spectrum,
    expected_counts,
    fano_factor,
    interspike_interval_cv,
    interspike_interval_distribution,
    lagged_covariance,
    pairwise_covariance,
    population_count_distribution,
    population_power_spectrum,
    triplet_covariance,
    window_count_distribution,
)

__all__ = [
    "STATISTICS",
    "TRACE_STATISTICS",
    "Likeness",
    "Yardstick",
    "distance",
    "distances",
    "independent_units",
    "judge",
    "make_yardstick",
    "statistics_of",
    "verdict",
]

Windows = NDArray[Any]  # uint8; of fluorescence, float32
Floats = NDArray[np.float64]

LEAST_ROOM = 0.1  # of the floor, between floor and ceiling, or sampling noise would be divided by itself
FLOOR_DRAWS = 24  # random subsets of the training windows that the floor is the mean of
MOST_DRAWS = 8  # disjoint samples of a model that its error is the mean of, where it gave as many
QUANTILES = np.linspace(0.01, 0.99, 99)
AT_FLOOR, NEAR, FAR = 1.1, 1.5, 3.0  # E / F up to which a statistic counts as such


def _at_lag(lag: int) -> Callable[[Windows], Floats]:
    return lambda windows: lagged_covariance(windows, min(lag, windows.shape[1] - 1))


STATISTICS: Mapping[str, Callable[[Windows], Floats]] = {
    "rates": expected_counts,
    "Fano factor": fano_factor,
    "window counts": window_count_distribution,
    "interspike intervals": interspike_interval_distribution,
    "interval CV": interspike_interval_cv,
    "autocorrelation": lambda windows: autocorrelation(windows, min(10, windows.shape[1] - 1)),
    "covariance": pairwise_covariance,
    "lag-1 covariance": _at_lag(1),
    "lag-5 covariance": _at_lag(5),
    "correlation spectrum": correlation_spectrum,
    "triplets": triplet_covariance,
    "population count": population_count_distribution,
    "population spectrum": population_power_spectrum,
}


def _quantiles(traces: Windows) -> Floats:
    """Of every unit's values, (units, quantiles); their mean absolute difference is nearly Wasserstein's distance."""
    return np.quantile(traces.reshape(-1, traces.shape[2]).astype(np.float64), QUANTILES, axis=0).T


# of fluorescence, which has no spikes to count
TRACE_STATISTICS: Mapping[str, Callable[[Windows], Floats]] = {
    "means": STATISTICS["rates"],
    "quantiles": _quantiles,
    **{
        name: STATISTICS[name]
        for name in ("autocorrelation", "covariance", "lag-1 covariance", "lag-5 covariance", "correlation spectrum",
                     "population spectrum")
    },
}  # fmt: skip
DISTRIBUTIONS = ("window counts", "interspike intervals", "population count")


@dataclass(frozen=True)
class Likeness:
    """One statistic's verdict.

    Attributes
    ----------
    error, floor, ceiling : E, F and I, distances in the statistic's own unit
    low, high : 95 % interval of the ratio; NaN where it was not asked for
    """

    statistic: str
    error: float
    floor: float
    ceiling: float
    low: float = math.nan
    high: float = math.nan

    @property
    def ratio(self) -> float:
        """E / F: 1 is as good as more data from the same recording; NaN where there is nothing to compare."""
        if self.floor > 0:
            return self.error / self.floor
        return math.inf if self.error > 0 else math.nan

    @property
    def excess(self) -> float:
        """(E - F) / (I - F): 0 perfect, 1 no better than independent units.

        NaN where independent units come near the floor (rates; recordings without structure).
        """
        room = self.ceiling - self.floor
        return (self.error - self.floor) / room if room > LEAST_ROOM * self.floor else math.nan


def verdict(likeness: Likeness) -> str:
    """In words: at the floor where chance could have done it; else by how far off, in floors."""
    ratio = likeness.ratio
    if math.isnan(ratio):
        return "nothing to compare"
    if ratio <= AT_FLOOR or likeness.low <= 1:
        return "at the floor"
    return "near" if ratio <= NEAR else "off" if ratio <= FAR else "far off"


def statistics_of(windows: Windows) -> dict[str, Floats]:
    """Every statistic by name: of counts, whole numbers, those of `STATISTICS`; of traces `TRACE_STATISTICS`."""
    statistics = TRACE_STATISTICS if windows.dtype.kind == "f" else STATISTICS
    return {name: statistic(windows) for name, statistic in statistics.items()}


def distance(statistic: str, one: Floats, other: Floats) -> float:
    """Distance between two values of a statistic: the mean absolute difference of their entries.

    Of covariance only pairs of different units count (NaN for a single unit). Of a distribution it is the L1
    distance, the shorter one padded with zeros; of one distribution a unit, the mean of theirs.
    """
    if statistic in DISTRIBUTIONS:
        longest = max(one.shape[-1], other.shape[-1])
        one, other = (_padded(each, longest) for each in (one, other))
        return float(np.abs(one - other).sum(axis=-1).mean())
    if statistic == "covariance":
        pairs = np.triu_indices(len(one), k=1)
        one, other = one[pairs], other[pairs]
    return float(np.abs(one - other).mean()) if one.size else math.nan


def _padded(distribution: Floats, length: int) -> Floats:
    missing = length - distribution.shape[-1]
    return np.concatenate([distribution, np.zeros((*distribution.shape[:-1], missing))], axis=-1)


def distances(truth: Mapping[str, Floats], windows: Windows) -> dict[str, float]:
    """Distance of every statistic of some windows from the truth, by name."""
    return {name: distance(name, value, truth[name]) for name, value in statistics_of(windows).items()}


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
    draws = [distances(truth, training[random.choice(len(training), size, replace=False)]) for _ in range(FLOOR_DRAWS)]
    return Yardstick(
        windows=size,
        shape=held_out.shape[1:],
        truth=truth,
        floors=_mean(draws),
        ceilings=distances(truth, independent_units(training, size, random)),
    )


def judge(sampled: Windows, yardstick: Yardstick) -> tuple[Likeness, ...]:
    """Judge a model's windows by a yardstick.

    Parameters
    ----------
    sampled : array of shape (windows, bins, units)
        As many as are held out are compared at a time; errors are means over as many such samples as there are.

    Raises
    ------
    BadInputError
        If shapes don't fit, or there are too few windows.
    """
    size = yardstick.windows
    if sampled.shape[1:] != yardstick.shape or len(sampled) < size:
        raise BadInputError(
            f"expected at least {size} windows of {yardstick.shape} (bins, units), found {sampled.shape}"
        )
    samples = (sampled[draw * size : (draw + 1) * size] for draw in range(min(MOST_DRAWS, len(sampled) // size)))
    errors = _mean([distances(yardstick.truth, sample) for sample in samples])
    return tuple(Likeness(name, errors[name], yardstick.floors[name], yardstick.ceilings[name]) for name in errors)


def _mean(draws: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([draw[name] for draw in draws])) for name in draws[0]}
