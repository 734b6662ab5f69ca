import math

import numpy as np
import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.bootstrap import BOOTSTRAPS, bootstrap_intervals
from spikeloop.models.measures.similarity import (
    MOST_DRAWS,
    Similarity,
    distance,
    independent_units,
    judge,
    measure_reference_distances,
    verdict,
)
from spikeloop.models.measures.statistics import expected_counts, pairwise_covariance
from spikeloop.models.measures.table import SPIKE_STATISTICS
from spikeloop.models.recordings.simulated import correlated_groups


@pytest.fixture(scope="module")
def population():
    return correlated_groups(windows=4500, window_bins=32, units=8, spike_probability=0.1, seed=1).counts


def test_more_of_the_same_reaches_the_floor_and_independent_units_the_ceiling(population, random):
    held_out, training, sampled = population[:1000], population[1000:3000], population[3000:]
    reference_distances = measure_reference_distances(training, held_out, random)
    perfect = {each.statistic: each for each in judge(sampled, reference_distances)}
    assert list(perfect) == list(SPIKE_STATISTICS)
    for each in perfect.values():
        assert 0.3 < each.ratio < 2.5
    worthless = independent_units(training, 1000, random)
    ruined = {each.statistic: each for each in judge(worthless, reference_distances)}
    assert ruined["covariance"].ratio > 4
    assert ruined["covariance"].excess == pytest.approx(1, abs=0.2)
    assert ruined["rates"].ratio < 2.5


def test_independent_units_keep_the_rates_and_lose_the_correlations(population, random):
    shuffled = independent_units(population, 4000, random)
    np.testing.assert_allclose(expected_counts(shuffled), expected_counts(population), atol=0.005)
    off_diagonal = pairwise_covariance(shuffled)[np.triu_indices(8, 1)]
    assert np.abs(off_diagonal).max() < 0.002


def test_ratio_and_excess_are_their_definitions():
    similarity = Similarity("x", error=3.0, floor=1.0, ceiling=5.0)
    assert (similarity.ratio, similarity.excess) == (3.0, 0.5)
    assert math.isnan(Similarity("x", error=3.0, floor=1.0, ceiling=0.5).excess)
    assert Similarity("x", error=3.0, floor=0.0, ceiling=0.5).ratio == math.inf
    assert math.isnan(Similarity("x", error=0.0, floor=0.0, ceiling=0.5).ratio)


def test_distances_are_their_definitions():
    assert distance("covariance", np.array([[9.0, 1.0], [1.0, 9.0]]), np.zeros((2, 2))) == 1.0
    assert distance("population_count", np.array([0.5, 0.5]), np.array([0.5, 0.25, 0.25])) == 0.5
    assert math.isnan(distance("covariance", np.ones((1, 1)), np.ones((1, 1))))
    assert distance("rates", np.array([1.0, 2.0]), np.array([2.0, 4.0])) == 1.5
    assert math.isnan(distance("triplets", np.empty(0), np.empty(0)))


def test_window_counts_differ_by_the_mean_over_units_of_what_each_differs():
    one, other = np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([[0.0, 0.0, 1.0], [0.5, 0.5, 0.0]])
    assert distance("window_counts", one, other) == distance("window_counts", other, one) == 1.0  # 2 and 0


def test_samples_that_do_not_fit_are_refused(population, random):
    with pytest.raises(BadInputError, match="windows of one shape"):
        measure_reference_distances(population[:, :8], population[:10], random)
    with pytest.raises(BadInputError, match="1 to 5 windows held out"):
        measure_reference_distances(population[:5], population[:10], random)
    reference_distances = measure_reference_distances(population, population[:10], random)
    for sampled in (population[:5], population[:, :8]):
        with pytest.raises(BadInputError, match="expected at least 10 windows"):
            judge(sampled, reference_distances)


@pytest.mark.parametrize(
    ("error", "low", "words"),
    [
        (0.3, math.nan, "at the floor"),
        (1.1, math.nan, "at the floor"),
        (1.2, math.nan, "near"),
        (1.5, 1.01, "near"),
        (1.6, 1.01, "off"),
        (3.0, math.nan, "off"),
        (3.1, 1.01, "far off"),
        (3.1, 0.9, "at the floor"),  # chance could have done it
        (math.nan, math.nan, "nothing to compare"),
    ],
)
def test_verdict_in_words(error, low, words):
    assert verdict(Similarity("x", error=error, floor=1.0, ceiling=9.0, low=low, high=9.0)) == words


def test_a_difference_from_what_never_varies_is_far_off_and_none_is_nothing_to_compare():
    assert verdict(Similarity("x", error=1.0, floor=0.0, ceiling=9.0)) == "far off"
    assert verdict(Similarity("x", error=0.0, floor=0.0, ceiling=9.0)) == "nothing to compare"


def test_errors_are_means_over_as_many_samples_as_there_are(population, random):
    reference_distances = measure_reference_distances(population[:400], population[400:500], random)
    samples = population[500:].reshape(-1, 100, 32, 8)
    single = [[each.error for each in judge(sample, reference_distances)] for sample in samples[: MOST_DRAWS + 1]]

    def errors(windows: int) -> list[float]:
        return [each.error for each in judge(population[500 : 500 + windows], reference_distances)]

    np.testing.assert_allclose(errors(300), np.mean(single[:3], axis=0))
    np.testing.assert_allclose(errors(399), np.mean(single[:3], axis=0))  # the rest makes no sample
    np.testing.assert_allclose(errors(100 * (MOST_DRAWS + 1)), np.mean(single[:MOST_DRAWS], axis=0))


def with_intervals(sampled, training, held_out, random, **options):
    """Verdicts with intervals, by name; arrays of (blocks, windows, bins, units)."""
    one, two, three = (each.reshape(-1, *each.shape[2:]) for each in (sampled, training, held_out))
    similarity = judge(one, measure_reference_distances(two, three, random))
    intervals = bootstrap_intervals(similarity, sampled, training, held_out, random, **options)
    assert [each.statistic for each in intervals] == list(SPIKE_STATISTICS)
    for each, plain in zip(intervals, similarity, strict=True):
        assert (each.error, each.floor, each.ceiling) == (plain.error, plain.floor, plain.ceiling)
    return {each.statistic: each for each in intervals}


def test_intervals_hold_the_estimate_and_tell_the_ruined_from_the_perfect(population, random):
    calls = []
    blocks = population[:900].reshape(3, 30, 10, 32, 8)
    perfect = with_intervals(blocks[0], blocks[1], blocks[2], random, on_progress=lambda: calls.append(None))
    assert len(calls) == BOOTSTRAPS
    for each in perfect.values():
        assert 0 < each.low < each.ratio < each.high < math.inf
    assert perfect["covariance"].low < 1.5
    worthless = independent_units(population, 300, random)[:, np.newaxis]
    ruined = with_intervals(worthless, blocks[1], blocks[2], random)["covariance"]
    assert perfect["covariance"].high < ruined.low


def test_intervals_are_wider_where_windows_of_a_block_are_alike(random):
    """As many windows, but each block of 20 with a gain of its own: far fewer of them are worth anything."""
    gain = random.uniform(0.5, 1.5, (3, 15, 1, 1, 1))
    drifting = (random.random((3, 15, 20, 16, 6)) < 0.2 * gain).astype(np.uint8)
    shuffled = np.stack([random.permutation(each.reshape(-1, 16, 6)).reshape(each.shape) for each in drifting])
    widths = [
        math.log(interval.high / interval.low)
        for blocks in (drifting, shuffled)
        for interval in (with_intervals(blocks[0], blocks[1], blocks[2], random)["rates"],)
    ]
    assert widths[0] > 1.2 * widths[1]


def test_intervals_of_a_population_that_hardly_spikes_are_made_without_a_warning(random):
    sparse = correlated_groups(windows=60, window_bins=16, units=2, spike_probability=0.02, seed=1).counts
    blocks = sparse.reshape(3, 5, 4, 16, 2)
    for each in with_intervals(blocks[0], blocks[1], blocks[2], random).values():
        assert not each.low > each.ratio
        assert not each.high < each.ratio
