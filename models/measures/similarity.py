"""How alike two populations are: the distance E of each statistic, its floor F and its ceiling I.

All three compare samples of one size with the same held-out data: E the model, F the training recording
itself (what sampling alone costs), I independent units at the training recording's rates.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from spikeloop.models.arrays import Floats, Windows, join_bins
from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.table import STATISTICS, Group, group_of, judging

__all__ = [
    "MEANING_OF_RATIO",
    "ReferenceDistances",
    "Similarity",
    "distance",
    "distances",
    "in_words",
    "independent_units",
    "judge",
    "mean_ratio",
    "measure_reference_distances",
    "statistics_of",
    "verdict",
    "worst_of",
]

MEANING_OF_RATIO = (
    "E/F: distance of the model to held-out data over the distance between two parts of the recording; 1 is as close as"
    " the recording is to itself"
)
CLASSIC: tuple[Group, ...] = ("classic",)

LEAST_ROOM = 0.1  # of the floor, between floor and ceiling, or sampling noise would be divided by itself
FLOOR_DRAWS = 24  # random subsets of the training windows that the floor is the mean of
MOST_DRAWS = 8  # disjoint samples of a model that its error is the mean of, where it gave as many
AT_FLOOR, NEAR, FAR = 1.1, 1.5, 3.0  # E / F up to which a statistic counts as such


@dataclass(frozen=True)
class Similarity:
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

    def to_dict(self) -> dict[str, str | float]:
        """Convert to a row of JSON: E, F, I, E/F and its interval, excess, verdict; NaN for what is not known."""
        return asdict(self) | {"ratio": self.ratio, "excess": self.excess, "verdict": verdict(self)}


def verdict(similarity: Similarity) -> str:
    """In words: at the floor where chance could have done it; else by how far off, in floors."""
    ratio = similarity.ratio
    if math.isnan(ratio):
        return "nothing to compare"
    if ratio <= AT_FLOOR or similarity.low <= 1:
        return "at the floor"
    return "near" if ratio <= NEAR else "off" if ratio <= FAR else "far off"


def in_words(verdict: str) -> str:
    """Say a verdict to people: that chance alone could have made the difference is "within sampling error"."""
    return "within sampling error" if verdict == "at the floor" else verdict


def mean_ratio(similarity: Iterable[Similarity], group: Group = "classic") -> float:
    """Mean E / F over the statistics of a group that have a finite one; NaN where none has."""
    ratios = [row.ratio for row in similarity if group_of(row.statistic) == group and math.isfinite(row.ratio)]
    return float(np.mean(ratios)) if ratios else math.nan


def worst_of(similarity: Iterable[Similarity], group: Group = "classic") -> Similarity:
    """Find the verdict with the largest E / F of a group, of which there is at least one."""
    rows = (row for row in similarity if group_of(row.statistic) == group)
    return max(rows, key=lambda row: -1 if math.isnan(row.ratio) else row.ratio)


def statistics_of(windows: Windows, groups: Sequence[Group] = CLASSIC) -> dict[str, Floats]:
    """Compute every statistic that models are judged by, by key.

    Parameters
    ----------
    windows : array of shape (windows, bins, units)
        Whole numbers are counts, floats are fluorescence.
    groups : sequence of "classic", "dynamic", default the classic ones
    """
    signal = "fluorescence" if windows.dtype.kind == "f" else "spikes"
    return {key: statistic.function(windows) for group in groups for key, statistic in judging(signal, group).items()}


def distance(statistic: str, one: Floats, other: Floats) -> float:
    """Compute the distance between two values of a statistic, in the statistic's own unit.

    Parameters
    ----------
    statistic : str, a key of the table
    one, other : arrays, as the statistic's function returns them

    Returns
    -------
    float
        The mean absolute difference of their entries. Of covariance only pairs of different units count, and a single
        unit has NaN. Of a distribution it is the L1 distance; of one distribution a unit, the mean of theirs.
    """
    return STATISTICS[statistic].distance(one, other)


def distances(truth: Mapping[str, Floats], windows: Windows) -> dict[str, float]:
    """Distance of some windows from the truth, for every statistic that this has, by name."""
    return {name: distance(name, STATISTICS[name].function(windows), value) for name, value in truth.items()}


def independent_units(like: Windows, windows: int, random: np.random.Generator) -> Windows:
    """Windows of independent units: each bin of each unit drawn from that unit's own counts."""
    bins, units = like.shape[1:]
    pooled = join_bins(like)
    drawn = random.integers(len(pooled), size=(windows, bins, units))
    return np.take_along_axis(pooled, join_bins(drawn), axis=0).reshape(windows, bins, units)


@dataclass(frozen=True, eq=False)
class ReferenceDistances:
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


def measure_reference_distances(
    training: Windows, held_out: Windows, random: np.random.Generator, groups: Sequence[Group] = CLASSIC
) -> ReferenceDistances:
    """Floor and ceiling of every statistic, at the held-out sample's size.

    Parameters
    ----------
    training, held_out : arrays of shape (windows, bins, units)
        At least as many for training as are held out; they are drawn from without replacement.
    random : numpy.random.Generator
    groups : sequence of "classic", "dynamic", default the classic ones
        Of the statistics that are measured.

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
    truth = statistics_of(held_out, groups)
    draws = [distances(truth, training[random.choice(len(training), size, replace=False)]) for _ in range(FLOOR_DRAWS)]
    return ReferenceDistances(
        windows=size,
        shape=held_out.shape[1:],
        truth=truth,
        floors=_mean(draws),
        ceilings=distances(truth, independent_units(training, size, random)),
    )


def judge(sampled: Windows, reference_distances: ReferenceDistances) -> tuple[Similarity, ...]:
    """Judge a model's windows by a reference_distances.

    Parameters
    ----------
    sampled : array of shape (windows, bins, units)
        As many as are held out are compared at a time; errors are means over as many such samples as there are.

    Raises
    ------
    BadInputError
        If shapes don't fit, or there are too few windows.
    """
    size = reference_distances.windows
    if sampled.shape[1:] != reference_distances.shape or len(sampled) < size:
        raise BadInputError(
            f"expected at least {size} windows of {reference_distances.shape} (bins, units), found {sampled.shape}"
        )
    samples = (sampled[draw * size : (draw + 1) * size] for draw in range(min(MOST_DRAWS, len(sampled) // size)))
    errors = _mean([distances(reference_distances.truth, sample) for sample in samples])
    return tuple(
        Similarity(name, errors[name], reference_distances.floors[name], reference_distances.ceilings[name])
        for name in errors
    )


def _mean(draws: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([draw[name] for draw in draws])) for name in draws[0]}
