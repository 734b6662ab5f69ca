"""Triplets beyond pairs: how often three units fire together, against what pairs and population counts predict."""

from functools import lru_cache
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats, Windows, join_bins
from spikeloop.models.evenly_spread import evenly_spread

__all__ = ["triplet_excess"]

GROUP = 10  # units at most, whose 2^10 states are counted one by one
MOST_UNITS = 40  # of more, these are spread evenly over all
PRIOR_DEVIATION = 10.0  # of a coupling, nats: weak, so that what never occurs gets a large coupling and no infinite one
TOLERANCE = 1e-8  # of probabilities
MOST_STEPS = 100
HALVINGS = 20


def triplet_excess(windows: Windows) -> Floats:
    """Frequency of three units that fire in one bin, less what a k-pairwise maximum-entropy model predicts.

    The model is the least structured one with the same rates, pairs and distribution of the population count (Tkacik et
    al. 2014, PLoS Comput Biol 10:e1003408). It is fitted to groups of at most 10 units, of which every state can be
    summed over, so that the prediction is exact: no Markov chain adds its noise, and a fit takes milliseconds. A group
    of 10 sees fewer interactions than the whole population has, but all those of its own triplets. Counts above 1 are
    taken as 1.

    Parameters
    ----------
    windows : array of shape (windows, bins, units)

    Returns
    -------
    array of shape (triplets,)
        Of at most 40 units, in groups; empty for fewer than three units. Three units have 0, as their pairs and counts
        leave nothing open.
    """
    units = windows.shape[2]
    chosen = evenly_spread(units, MOST_UNITS)
    number = -(-len(chosen) // GROUP)
    spikes = (join_bins(windows)[:, chosen] > 0).astype(np.float32)
    return np.concatenate([_excess_of_group(spikes[:, group::number]) for group in range(number)])


def _excess_of_group(spikes: NDArray[np.float32]) -> Floats:
    bins, units = spikes.shape
    states = _states(units)
    codes = (spikes @ (2.0 ** np.arange(units, dtype=np.float32))).astype(np.int64)
    observed = np.bincount(codes, minlength=2**units) / bins
    predicted = _maximum_entropy(observed, states.moments, units, 1 / (bins * PRIOR_DEVIATION**2))
    return (observed - predicted) @ states.triplets


class _States(NamedTuple):
    """What is true of each state of so many units.

    Attributes
    ----------
    moments : array of shape (states, features)
        Whether each unit fires, and each pair; whether 3, 4, ... units fire. That 0, 1 or 2 do follows from these.
    triplets : array of shape (states, triplets)
        Whether three units fire.
    """

    moments: Floats
    triplets: Floats


@lru_cache(maxsize=GROUP)
def _states(units: int) -> _States:
    fires = (np.arange(2**units)[:, np.newaxis] >> np.arange(units) & 1).astype(np.float64)
    count = fires.sum(axis=1)
    parts = [fires, _together(fires, 2), *(count[:, np.newaxis] == level for level in range(3, units + 1))]
    return _States(np.concatenate(parts, axis=1), _together(fires, 3))


def _together(fires: Floats, order: int) -> Floats:
    """Whether each set of so many units fires, (states, sets)."""
    sets = list(combinations(range(fires.shape[1]), order))
    return np.stack([fires[:, each].prod(axis=1) for each in sets], axis=1) if sets else np.empty((len(fires), 0))


def _maximum_entropy(observed: Floats, moments: Floats, units: int, stiffness: float) -> Floats:
    """Probability of each state in the least structured model with the observed moments: Newton's method.

    The likelihood has a single maximum, and the prior of the couplings, of variance 1 / (bins * stiffness), keeps it
    finite where something never occurs; it moves a moment by less than one bin's share.
    """
    target = observed @ moments
    couplings = np.zeros(moments.shape[1])
    rates = np.clip(target[:units], 1e-6, 1 - 1e-6)
    couplings[:units] = np.log(rates / (1 - rates))
    value, probability = _objective(couplings, target, moments, stiffness)
    for _ in range(MOST_STEPS):
        found = probability @ moments
        slope = target - found - stiffness * couplings
        if np.abs(slope).max() < TOLERANCE:
            break
        curvature = (moments * probability[:, np.newaxis]).T @ moments - np.outer(found, found)
        curvature[np.diag_indices_from(curvature)] += stiffness
        step = np.linalg.solve(curvature, slope)
        for halving in range(HALVINGS):
            tried = couplings + step / 2**halving
            new_value, new_probability = _objective(tried, target, moments, stiffness)
            if new_value >= value:
                break
        else:
            break  # at the maximum but for rounding
        couplings, value, probability = tried, new_value, new_probability
    return probability


def _objective(couplings: Floats, target: Floats, moments: Floats, stiffness: float) -> tuple[float, Floats]:
    """Penalised log likelihood of a bin, and the probability of each state."""
    energy = moments @ couplings
    largest = energy.max()
    weights = np.exp(energy - largest)
    total = weights.sum()
    value = target @ couplings - largest - np.log(total) - stiffness / 2 * couplings @ couplings
    return float(value), weights / total
