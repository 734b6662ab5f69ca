from itertools import combinations

import numpy as np
import pytest
from scipy.optimize import minimize

from spikeloop.models.measures.triplets import triplet_excess


def states_of(units):
    return (np.arange(2**units)[:, np.newaxis] >> np.arange(units) & 1).astype(float)


def pairwise_probabilities(units, random, by_count=0.0):
    """Of a pairwise maximum-entropy model with random couplings, and potentials of the population count."""
    states = states_of(units)
    couplings = np.triu(random.normal(0, 1, (units, units)), 1)
    energy = states @ random.normal(-1, 0.5, units) + np.einsum("si,ij,sj->s", states, couplings, states)
    energy += by_count * random.normal(0, 1, units + 1)[states.sum(axis=1).astype(int)]
    probability = np.exp(energy)
    return probability / probability.sum()


def as_windows(probability, bins):
    """Every state as often as its probability says: a sample without chance."""
    units = int(np.log2(len(probability)))
    return np.repeat(states_of(units), np.round(probability * bins).astype(int), axis=0)[np.newaxis].astype(np.uint8)


@pytest.mark.parametrize("by_count", [0.0, 1.0])
@pytest.mark.parametrize("units", [3, 4, 5])
def test_a_k_pairwise_population_has_no_triplets_beyond_it(random, units, by_count):
    windows = as_windows(pairwise_probabilities(units, random, by_count), 1_000_000)
    assert triplet_excess(windows).shape == (len(list(combinations(range(units), 3))),)
    np.testing.assert_allclose(triplet_excess(windows), 0, atol=2e-5)


def test_a_sampled_pairwise_population_has_none_but_by_chance(random):
    probability = pairwise_probabilities(5, random)
    states = states_of(5)[random.choice(32, 50_000, p=probability)]
    assert np.abs(triplet_excess(states[np.newaxis].astype(np.uint8))).max() < 4 * np.sqrt(0.25 / 50_000)


def test_three_units_that_never_agree_with_their_pairs_stand_out(random):
    """Unit c is the parity of a and b: every pair is independent, and the triplet is impossible or certain."""
    first, second, other = (random.integers(0, 2, 40_000) for _ in range(3))
    spikes = np.stack([first, second, first ^ second, other], axis=1)[np.newaxis].astype(np.uint8)
    found = triplet_excess(spikes)
    assert np.argmax(np.abs(found)) == 0
    assert found[0] < -0.03


def test_the_prediction_is_that_of_the_largest_entropy_that_scipy_finds(random):
    probability = random.dirichlet(np.full(16, 0.7))
    windows = as_windows(probability, 100_000)
    states = states_of(4)
    count = states.sum(axis=1)
    pairs = [states[:, i] * states[:, j] for i, j in combinations(range(4), 2)]
    features = np.stack([*states.T, *pairs, *(count == level for level in range(5))], axis=1).astype(float)
    observed = np.bincount(
        (windows[0] @ (1 << np.arange(4))).astype(int), minlength=16
    ) / len(windows[0])  # fmt: skip
    target = observed @ features

    def dual(couplings):
        energy = features @ couplings
        largest = energy.max()
        weights = np.exp(energy - largest)
        return largest + np.log(weights.sum()) - target @ couplings, weights / weights.sum() @ features - target

    found = minimize(dual, np.zeros(features.shape[1]), jac=True, method="BFGS", options={"gtol": 1e-9})
    weights = np.exp(features @ found.x)
    triplets = np.stack([states[:, list(each)].prod(axis=1) for each in combinations(range(4), 3)], axis=1)
    expected = (observed - weights / weights.sum()) @ triplets
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(triplet_excess(windows), expected, atol=1e-5)


def test_counts_above_1_are_taken_as_1_and_many_units_in_groups(random):
    windows = random.poisson(0.3, (50, 20, 95)).astype(np.uint8)
    np.testing.assert_array_equal(triplet_excess(windows), triplet_excess(windows.clip(max=1)))
    assert triplet_excess(windows).shape == (4 * 120,)
    assert triplet_excess(windows[:, :, :2]).size == 0
