"""The model of counts in blocks, against SciPy's distributions and closed forms."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import gammaln

from spikeloop.models.drift.block_counts import (
    ADDED,
    HALVED,
    LOST,
    MOST_EVIDENCE,
    MULTIPLIED,
    classes_of,
    correlation_evidence,
    drift_evidence,
    fit_count_model,
    sum_blocks,
)

WAYS = (LOST, HALVED, ADDED, MULTIPLIED)
RATES = np.array([4.0, 2.0, 1.0, 0.6, 0.3, 0.0])  # of a block


def independent(random, blocks=20_000):
    return random.poisson(RATES, (blocks, len(RATES))).astype(float)


def driven(random, blocks=20_000):
    """Rates that all units share, of gamma distribution."""
    return random.poisson(RATES * random.gamma(2, 0.5, (blocks, 1))).astype(float)


@given(hnp.arrays(np.uint8, st.tuples(st.integers(0, 20), st.integers(1, 3))), st.integers(1, 6))
def test_blocks_are_sums_over_their_bins(counts, block_bins):
    found = sum_blocks(counts, block_bins)
    assert found.shape == (len(counts) // block_bins, counts.shape[1])
    for block, total in enumerate(found):
        np.testing.assert_array_equal(total, counts[block * block_bins : (block + 1) * block_bins].sum(axis=0))


def test_units_alone_are_negative_binomial_with_the_moments_of_the_sample(random):
    blocks = driven(random)
    alone = fit_count_model(blocks).alone
    counts = np.arange(12.0)
    for unit in range(5):
        mean, variance = blocks[:, unit].mean(), blocks[:, unit].var()
        expected = scipy.stats.nbinom.logpmf(counts, mean**2 / (variance - mean), mean / variance)
        found = alone[[unit] * len(counts)].log_probability(counts) - gammaln(counts + 1)
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_units_that_vary_less_than_poisson_are_poisson():
    blocks = np.ones((2000, 2))
    alone = fit_count_model(blocks).alone
    found = alone[[0, 0, 0]].log_probability(np.arange(3.0)) - gammaln(np.arange(3.0) + 1)
    np.testing.assert_allclose(found, scipy.stats.poisson.logpmf(np.arange(3), 1.0), atol=2e-3)


def test_evidence_of_independent_poisson_units_is_the_closed_form(random):
    """n log(share) - rate (share - 1): a unit that falls to a twentieth, to half, or fires twice as often."""
    blocks = independent(random, 200_000)
    model, few = fit_count_model(blocks), blocks[:2000]
    classes = classes_of(model, few)
    for way, share in ((LOST, 0.05), (HALVED, 0.5), (ADDED, 2.0)):
        expected = few * np.log(share) - RATES * (share - 1)
        shown = np.abs(expected) < 0.9 * MOST_EVIDENCE
        shown[:, 5] = False
        np.testing.assert_allclose(drift_evidence(model, way, few, classes)[shown], expected[shown], atol=0.3)


@pytest.mark.parametrize("counts", [independent, driven])
def test_evidence_falls_where_nothing_drifted_and_rises_where_it_did(random, counts):
    blocks = counts(random)
    model, fresh = fit_count_model(blocks), counts(random)
    classes = classes_of(model, fresh)
    other = np.roll(fresh, 5000, axis=0)
    kept = random.binomial(fresh.astype(int), 0.5)
    for way, harmed in ((LOST, 0 * fresh), (HALVED, kept), (ADDED, fresh + other), (MULTIPLIED, 2 * fresh)):
        assert np.all(drift_evidence(model, way, fresh, classes).mean(axis=0)[:5] < 0)
        assert np.all(drift_evidence(model, way, harmed, classes).mean(axis=0)[:5] > 0)


def test_correlation_evidence_rises_where_units_are_as_before_but_on_their_own(random):
    model, fresh = fit_count_model(driven(random)), driven(random)
    shifted = np.stack([np.roll(train, 1000 * unit) for unit, train in enumerate(fresh.T)], axis=1)
    assert correlation_evidence(model, fresh, classes_of(model, fresh)).mean() < 0
    assert correlation_evidence(model, shifted, classes_of(model, shifted)).mean() > 0


def test_more_is_expected_of_a_unit_where_the_others_fire_more(random):
    blocks = driven(random)
    model = fit_count_model(blocks)
    means = model.given.size[:, 0] * np.exp(model.given.slope[:, 0]) / -np.expm1(model.given.slope[:, 0])
    assert np.all(np.diff(means) > 0)
    quiet, busy = np.zeros((1, len(RATES))), np.full((1, len(RATES)), blocks.max())
    assert np.all(classes_of(model, quiet)[0, :5] == 0)
    assert np.all(classes_of(model, busy)[0, :5] == len(model.edges))


def test_classes_are_by_the_other_units_and_none_of_these_says_more_than_in_the_sample(random):
    blocks = driven(random)
    model = fit_count_model(blocks)
    few = blocks[:200]
    before = classes_of(model, few)
    for unit in range(5):
        harmed, most = few.copy(), few.copy()
        harmed[:, unit], most[:, unit] = 1e6, blocks[:, unit].max()
        after = classes_of(model, harmed)
        np.testing.assert_array_equal(after[:, unit], before[:, unit])
        np.testing.assert_array_equal(after, classes_of(model, most))


def test_no_block_tells_more_than_the_most(random):
    model, wild = fit_count_model(driven(random)), np.full((1, len(RATES)), 1e4)
    classes = classes_of(model, wild)
    for way in WAYS:
        evidence = drift_evidence(model, way, wild, classes)
        assert np.all(np.abs(evidence[:, :5]) == MOST_EVIDENCE)
    assert abs(correlation_evidence(model, wild, classes)[0]) <= len(RATES) * MOST_EVIDENCE
