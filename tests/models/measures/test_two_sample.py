import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.measures.similarity import independent_units
from spikeloop.models.measures.two_sample import two_sample_auc, window_features
from spikeloop.models.recordings.simulated import correlated_groups


@pytest.fixture(scope="module")
def population():
    """Of (blocks, windows, bins, units)."""
    counts = correlated_groups(windows=600, window_bins=16, units=4, correlation=0.6, spike_probability=0.2, seed=1)
    return counts.counts.reshape(-1, 5, 16, 4)


def test_two_halves_of_a_population_cannot_be_told_apart(population, random):
    assert two_sample_auc(population[:60], population[60:], random, folds=3) == pytest.approx(0.5, abs=0.08)


def test_units_of_other_rates_or_without_correlations_are_told_apart(population, random):
    half = population[:60]
    silenced = half * random.integers(0, 2, half.shape, np.uint8)
    assert two_sample_auc(population[60:], silenced, random, folds=3) > 0.7
    shuffled = independent_units(half.reshape(-1, 16, 4), 300, random)[:, np.newaxis]
    assert two_sample_auc(population[60:], shuffled, random, folds=3) > 0.65


def test_a_classifier_never_knows_some_windows_of_the_block_that_it_is_tested_on(random):
    """Blocks with rates of their own, the same population: only who has seen a block's windows knows its set."""
    rates = random.uniform(0.05, 0.95, (2, 12, 1, 1, 6))
    one, other = (random.random((2, 12, 15, 16, 6)) < rates).astype(np.uint8)
    apart = two_sample_auc(one.reshape(-1, 1, 16, 6), other.reshape(-1, 1, 16, 6), random, folds=3)
    together = two_sample_auc(one, other, random, folds=3)
    assert together < 0.75 < 0.9 < apart


def test_the_same_random_numbers_give_the_same_answer(population):
    aucs = {
        two_sample_auc(population[:10], population[10:20], np.random.Generator(np.random.Philox(3)), folds=2)
        for _ in range(2)
    }
    assert len(aucs) == 1


def test_too_few_blocks_and_other_shapes_are_refused(population, random):
    for one, other in (
        (population[:4], population),
        (population, population[:4]),
        (population, population[:, :, :, :3]),
        (population, population[:, :, :8]),
    ):
        with pytest.raises(BadInputError, match="expected at least 5 blocks of windows of one shape"):
            two_sample_auc(one, other, random)


def test_without_scikit_learn_it_says_what_to_install(population, random, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    with pytest.raises(FailureError, match=r"scikit-learn is not installed.*pip install .*scikit-learn>="):
        two_sample_auc(population, population, random)


@given(
    hnp.arrays(np.uint8, st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 4)), elements=st.integers(0, 3))
)
def test_features_of_units_are_counts_isolated_spikes_and_products_at_lags(windows):
    features = window_features(windows)
    bins = windows.shape[1]
    for window, found in zip(windows.astype(int), features, strict=True):
        expected = list(window.sum(axis=0))
        for unit in window.T:
            padded = [0, *unit, 0]
            alone = [padded[t] > 0 and padded[t - 1] == 0 and padded[t + 1] == 0 for t in range(1, bins + 1)]
            expected.append(sum(alone))
        for lag in (lag for lag in (1, 2, 3) if lag < bins):
            expected += [sum(unit[t] * unit[t + lag] for t in range(bins - lag)) for unit in window.T]
        np.testing.assert_array_equal(found[: len(expected)], expected)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()


def test_features_of_the_population():
    """Two units: together in bin 0, the first alone in bin 2, nothing else in four bins."""
    windows = np.array([[[1, 1], [0, 0], [1, 0], [0, 0]]], np.uint8)
    mean, var, largest, change, isolated = 0.75, 0.6875, 2, 4, 3
    silent, single, five, ten = 2, 1, 0, 0
    never, once, twice, often = 0, 1, 1, 0
    at_lags = [0, 1, 0]
    centred = np.array([1.25, -0.75, 0.25, -0.75])
    autocovariance = [np.mean(centred[lag:] * centred[:-lag]) for lag in (1, 2, 3)]
    expected = [mean, var, largest, change, isolated, silent, single, five, ten, never, once, twice, often]
    found = window_features(windows)[0, 2 * 5 :]
    np.testing.assert_allclose(found, np.array([*expected, *at_lags, *autocovariance]), rtol=1e-6)
