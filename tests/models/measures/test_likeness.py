import math

import numpy as np
import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.likeness import STATISTICS, Likeness, distance, independent_units, judge, make_yardstick
from spikeloop.models.measures.statistics import expected_counts, pairwise_covariance
from spikeloop.models.recordings.simulated import correlated_groups


@pytest.fixture(scope="module")
def population():
    return correlated_groups(windows=4500, window_bins=32, units=8, spike_probability=0.1, seed=1).counts


def test_more_of_the_same_reaches_the_floor_and_independent_units_the_ceiling(population, random):
    held_out, training, sampled = population[:1000], population[1000:3000], population[3000:]
    yardstick = make_yardstick(training, held_out, random)
    perfect = {each.statistic: each for each in judge(sampled, yardstick)}
    assert list(perfect) == list(STATISTICS)
    for each in perfect.values():
        assert 0.3 < each.ratio < 2.5
    worthless = independent_units(training, 1000, random)
    ruined = {each.statistic: each for each in judge(worthless, yardstick)}
    assert ruined["covariance"].ratio > 4
    assert ruined["covariance"].excess == pytest.approx(1, abs=0.2)
    assert ruined["rates"].ratio < 2.5


def test_independent_units_keep_the_rates_and_lose_the_correlations(population, random):
    shuffled = independent_units(population, 4000, random)
    np.testing.assert_allclose(expected_counts(shuffled), expected_counts(population), atol=0.005)
    off_diagonal = pairwise_covariance(shuffled)[np.triu_indices(8, 1)]
    assert np.abs(off_diagonal).max() < 0.002


def test_ratio_and_excess_are_their_definitions():
    likeness = Likeness("x", error=3.0, floor=1.0, ceiling=5.0)
    assert (likeness.ratio, likeness.excess) == (3.0, 0.5)
    assert math.isnan(Likeness("x", error=3.0, floor=1.0, ceiling=0.5).excess)
    assert math.isnan(Likeness("x", error=3.0, floor=0.0, ceiling=0.5).ratio)


def test_distances_are_their_definitions():
    assert distance("covariance", np.array([[9.0, 1.0], [1.0, 9.0]]), np.zeros((2, 2))) == 1.0
    assert distance("population count", np.array([0.5, 0.5]), np.array([0.5, 0.25, 0.25])) == 0.5
    assert math.isnan(distance("covariance", np.ones((1, 1)), np.ones((1, 1))))
    assert distance("rates", np.array([1.0, 2.0]), np.array([2.0, 4.0])) == 1.5


def test_samples_that_do_not_fit_are_refused(population, random):
    with pytest.raises(BadInputError, match="windows of one shape"):
        make_yardstick(population[:, :8], population[:10], random)
    with pytest.raises(BadInputError, match="1 to 5 windows held out"):
        make_yardstick(population[:5], population[:10], random)
    yardstick = make_yardstick(population, population[:10], random)
    for sampled in (population[:5], population[:, :8]):
        with pytest.raises(BadInputError, match="expected at least 10 windows"):
            judge(sampled, yardstick)
