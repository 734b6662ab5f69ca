from itertools import product

import numpy as np
import pytest

from spikeloop.models.families.k_pairwise import KPairwise
from spikeloop.models.families.k_pairwise_likelihood import log_likelihood, log_partition_function


def model_of(units, random) -> KPairwise:
    couplings = np.triu(random.normal(0, 0.7, (units, units)), 1)
    potentials = random.normal(0, 0.5, units + 1)
    arrays = {"fields": random.normal(-1.5, 0.5, units), "couplings": couplings + couplings.T, "potentials": potentials}
    return KPairwise.from_arrays(arrays)


def energies(model: KPairwise, states: np.ndarray) -> np.ndarray:
    """By the definition, pair by pair."""
    return np.array(
        [
            sum(model.fields[i] for i in np.flatnonzero(state))
            + sum(model.couplings[i, j] for i in np.flatnonzero(state) for j in np.flatnonzero(state) if i < j)
            + model.potentials[state.sum()]
            for state in states
        ]
    )


@pytest.mark.parametrize("units", [1, 4, 8])
def test_the_partition_function_is_the_sum_over_all_states(units, random):
    model = model_of(units, random)
    exact = np.logaddexp.reduce(energies(model, np.array(list(product((0, 1), repeat=units)))))
    assert log_partition_function(model, np.full(units, -1.0), random) == pytest.approx(exact, abs=0.02)


def test_the_likelihood_is_that_of_every_bin(random):
    model = model_of(5, random)
    states = np.array(list(product((0, 1), repeat=5)))
    exact = energies(model, states) - np.logaddexp.reduce(energies(model, states))
    drawn = random.choice(32, 2000, p=np.exp(exact))
    found = log_likelihood(model, states[drawn].astype(np.uint8), random)
    assert found / 2000 == pytest.approx(exact[drawn].mean(), abs=0.02)


def test_a_unit_that_never_fires_adds_nothing_while_it_is_silent(random):
    silent = KPairwise(
        np.array([-1, -np.inf], np.float32), np.zeros((2, 2), np.float32), np.zeros(3, np.float32)
    )  # fmt: skip
    counts = np.stack([random.random(3000) < 0.3, np.zeros(3000)], axis=1).astype(np.uint8)
    alone = -np.logaddexp(0, 1) * counts[:, 0].sum() - np.logaddexp(0, -1) * (3000 - counts[:, 0].sum())
    assert log_likelihood(silent, counts, random) == pytest.approx(alone, rel=0.01)
    assert np.isfinite(log_likelihood(silent, counts[:, ::-1], random))
