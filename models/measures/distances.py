"""From the value of a statistic to one number: distances between two values, and summaries of one."""

import math

import numpy as np

from spikeloop.models.arrays import Floats

__all__ = [
    "distribution_distance",
    "largest",
    "mean_difference",
    "mean_of_distribution",
    "mean_of_entries",
    "mean_of_pairs",
    "pair_difference",
    "pairs",
    "rms_difference",
]


def pairs(matrix: Floats) -> Floats:
    """Entries of a symmetric matrix (units, units) for pairs of different units, each pair once, (pairs,)."""
    return matrix[np.triu_indices(len(matrix), k=1)]


def mean_difference(one: Floats, other: Floats) -> float:
    """Mean absolute difference of the entries of two arrays of one shape; NaN where they are empty."""
    return float(np.abs(one - other).mean()) if one.size else math.nan


def rms_difference(one: Floats, other: Floats) -> float:
    """Root mean square difference of the entries of two arrays of one shape; NaN where they are empty."""
    return float(np.sqrt(np.square(one - other).mean())) if one.size else math.nan


def pair_difference(one: Floats, other: Floats) -> float:
    """Mean absolute difference of two symmetric matrices over pairs of different units; NaN for a single unit."""
    return mean_difference(pairs(one), pairs(other))


def distribution_distance(one: Floats, other: Floats) -> float:
    """L1 distance of two distributions, the shorter one padded with zeros; the mean over units where each has one.

    Parameters
    ----------
    one, other : arrays of shape (values,) or (units, values), whose last axes may differ
    """
    values = max(one.shape[-1], other.shape[-1])
    return float(np.abs(_padded(one, values) - _padded(other, values)).sum(axis=-1).mean())


def _padded(distribution: Floats, values: int) -> Floats:
    missing = values - distribution.shape[-1]
    return np.concatenate([distribution, np.zeros((*distribution.shape[:-1], missing))], axis=-1)


def mean_of_entries(value: Floats) -> float:
    """Mean of all entries; NaN where there are none."""
    return float(value.mean()) if value.size else math.nan


def mean_of_pairs(value: Floats) -> float:
    """Mean over pairs of different units of a matrix (units, units); NaN for a single unit."""
    return mean_of_entries(pairs(value)) if value.size else math.nan


def mean_of_distribution(value: Floats) -> float:
    """Mean of what a distribution (values,), or one a unit (units, values), distributes; NaN where it is all zero."""
    return float((value @ np.arange(value.shape[-1])).mean()) if value.size and value.sum() else math.nan


def largest(value: Floats) -> float:
    """The largest entry; NaN where there are none."""
    return float(value.max()) if value.size else math.nan
