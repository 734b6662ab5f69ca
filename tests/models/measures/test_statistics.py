import elephant.spike_train_correlation
import neo
import numpy as np
import pytest
import quantities
from elephant.conversion import BinnedSpikeTrain
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spikeloop.models.measures.statistics import (
    autocorrelation,
    expected_counts,
    lagged_covariance,
    pairwise_covariance,
    population_count_distribution,
)

windows = hnp.arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(2, 12), st.integers(1, 5)))


@pytest.mark.filterwarnings("ignore")  # Elephant and neo warn about themselves
def test_covariance_is_elephants(random):
    counts = random.integers(0, 2, (400, 6)).astype(np.uint8)
    trains = [
        neo.SpikeTrain((np.flatnonzero(unit) + 0.5) * quantities.ms, t_stop=400 * quantities.ms) for unit in counts.T
    ]
    binned = BinnedSpikeTrain(trains, bin_size=1 * quantities.ms, t_stop=400 * quantities.ms)
    theirs = elephant.spike_train_correlation.covariance(binned) * 399 / 400  # they divide by bins - 1
    np.testing.assert_allclose(pairwise_covariance(counts[np.newaxis]), theirs, atol=1e-12)


@given(windows)
def test_covariance_is_numpys(counts):
    expected = np.cov(counts.reshape(-1, counts.shape[2]).T.astype(float), bias=True)
    np.testing.assert_allclose(pairwise_covariance(counts), np.atleast_2d(expected), atol=1e-6)


@given(windows, st.integers(0, 11))
def test_lagged_covariance_is_its_definition(counts, lag):
    if lag >= counts.shape[1]:
        with pytest.raises(ValueError, match="expected a lag from 0"):
            lagged_covariance(counts, lag)
        return
    x = counts.astype(float)
    early, late = x[:, : x.shape[1] - lag].reshape(-1, x.shape[2]), x[:, lag:].reshape(-1, x.shape[2])
    expected = (early - early.mean(0)).T @ (late - late.mean(0)) / len(early)
    np.testing.assert_allclose(lagged_covariance(counts, lag), expected, atol=1e-6)


def test_covariance_of_many_large_counts_does_not_lose_precision(random):
    counts = random.integers(250, 256, (4, 30_000, 2)).astype(np.uint8)
    expected = np.cov(counts.reshape(-1, 2).T.astype(np.float64), bias=True)
    np.testing.assert_allclose(pairwise_covariance(counts), expected, atol=1e-6)


@given(windows)
def test_expected_counts_and_population_counts_agree_on_the_mean(counts):
    distribution = population_count_distribution(counts)
    assert distribution.sum() == pytest.approx(1)
    assert distribution @ np.arange(len(distribution)) == pytest.approx(expected_counts(counts).sum())


def test_autocorrelation_of_a_known_process(random):
    """A moving sum of two white bins has correlation 1/2 at lag 1 and none beyond."""
    white = random.integers(0, 2, (200, 501, 3))
    counts = (white[:, 1:] + white[:, :-1]).astype(np.uint8)
    np.testing.assert_allclose(autocorrelation(counts, 3), [0.5, 0, 0], atol=0.01)


def test_autocorrelation_of_silence_is_zero_and_its_lags_are_checked():
    silent = np.zeros((2, 10, 3), np.uint8)
    np.testing.assert_array_equal(autocorrelation(silent, 4), np.zeros(4))
    for lag in (0, 10):
        with pytest.raises(ValueError, match="expected a largest lag from 1 to 9"):
            autocorrelation(silent, lag)
