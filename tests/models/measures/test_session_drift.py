"""How far rates drift over a session."""

import numpy as np
import pytest

from spikeloop.models.measures.session_drift import rate_drift
from spikeloop.models.recordings.recording import Recording, from_counts
from tests.support.unequal import unequal, with_garbage


def session(rise: float, memory: float = 0.0, seed: int = 0) -> Recording:
    """20 min of 10 units, whose rates grow by this share, about a common state that lasts."""
    random = np.random.default_rng(seed)
    shared = np.exp(memory * np.repeat(random.standard_normal(600), 20))
    rates = 0.2 * (1 + rise * np.arange(12_000) / 12_000) * shared
    return from_counts(random.poisson(rates[:, np.newaxis], (12_000, 10)).clip(max=255), 0.1)


@pytest.mark.parametrize("memory", [0.0, 0.3])
def test_it_is_about_1_where_rates_only_fluctuate(memory):
    found = [rate_drift(session(0.0, memory, seed)) for seed in range(10)]
    assert 0.6 < np.mean(found) < 1.4
    assert max(found) < 2.5


def test_it_grows_with_the_drift():
    small, large = rate_drift(session(0.1)), rate_drift(session(1.0))
    assert large > 10 * small
    assert large > 20


def test_trials_are_blocks_of_which_recorded_bins_count():
    trials = unequal([30, 20] * 20)
    found = rate_drift(trials)
    assert found == rate_drift(with_garbage(trials))
    assert 0 < found < 3


def test_too_short_and_constant_recordings_have_none():
    assert np.isnan(rate_drift(from_counts(np.eye(100, 3), 0.02)))
    assert np.isnan(rate_drift(from_counts(np.ones((1000, 3)), 1.0)))
