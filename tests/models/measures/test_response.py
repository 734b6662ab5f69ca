import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.response import (
    noise_correlation,
    noise_covariance,
    psth,
    psth_correlation,
    psth_reliability,
    response_similarity,
)

repeats = hnp.arrays(
    np.uint8, st.tuples(st.integers(2, 6), st.integers(1, 8), st.integers(1, 4)), elements=st.integers(0, 4)
)


def responses(random, repeats, noise=0.3, bins=150, units=4):
    """Units with PSTHs of their own and a common gain from bin to bin, (repeats, bins, units)."""
    driven = 1 + np.sin(np.arange(bins)[:, np.newaxis] / (3 + np.arange(units)))
    gain = random.gamma(1 / noise, noise, (repeats, bins, 1)) if noise else 1.0
    return random.poisson(driven * gain, (repeats, bins, units)).astype(np.uint8)


@given(repeats)
def test_noise_covariance_is_that_of_each_bin_averaged_over_bins(counts):
    in_bins = [np.atleast_2d(np.cov(counts[:, each], rowvar=False)) for each in range(counts.shape[1])]
    np.testing.assert_allclose(noise_covariance(counts), np.mean(in_bins, axis=0), atol=1e-9)


@given(repeats)
def test_noise_correlation_is_that_of_residuals(counts):
    residuals = (counts - psth(counts)).reshape(-1, counts.shape[2])
    correlation = noise_correlation(counts)
    np.testing.assert_array_equal(correlation.diagonal(), 1)
    noisy = np.flatnonzero((counts != counts[:1]).any(axis=(0, 1)))
    if len(noisy):
        expected = np.atleast_2d(np.corrcoef(residuals[:, noisy], rowvar=False))
        np.testing.assert_allclose(correlation[np.ix_(noisy, noisy)], expected, atol=1e-6)
    for unit in set(range(counts.shape[2])) - set(noisy):
        assert not np.delete(correlation[unit], unit).any()


def test_noise_covariance_does_not_depend_on_the_number_of_repeats(random):
    """Of a common gain of variance 0.3, E[driven_i driven_j] * 0.3."""
    driven = psth(responses(random, 4000, noise=0))
    expected = 0.3 * (driven[:, 0] * driven[:, 1]).mean()
    few = np.mean([noise_covariance(responses(random, 2))[0, 1] for _ in range(150)])
    assert few == pytest.approx(expected, rel=0.1)
    assert noise_covariance(responses(random, 300))[0, 1] == pytest.approx(expected, rel=0.1)


def test_a_shared_stimulus_is_no_noise_correlation(random):
    same = np.broadcast_to(np.arange(100)[:, np.newaxis] % 5 / 4, (400, 100, 2))
    counts = random.poisson(same).astype(np.uint8)
    assert np.corrcoef(counts.reshape(-1, 2), rowvar=False)[0, 1] > 0.15
    assert noise_correlation(counts)[0, 1] == pytest.approx(0, abs=0.02)


def test_psth_correlation_is_the_mean_pearson_correlation_of_units(random):
    one, other = responses(random, 5), responses(random, 9)
    pearson = [np.corrcoef(psth(one)[:, unit], psth(other)[:, unit])[0, 1] for unit in range(4)]
    assert psth_correlation(one, other) == pytest.approx(np.mean(pearson))
    assert psth_correlation(one, one) == pytest.approx(1)


def test_units_of_constant_psth_are_skipped_if_real_and_zero_if_modelled(random):
    one, other = responses(random, 5), responses(random, 5)
    whole = psth_correlation(one[:, :, 1:], other[:, :, 1:])
    silent = other.copy()
    silent[:, :, 0] = 0
    assert psth_correlation(one, silent) == pytest.approx(whole)
    assert psth_correlation(silent, one) == pytest.approx(psth_correlation(other[..., 1:], one[..., 1:]) * 3 / 4)
    assert np.isnan(psth_correlation(one, np.ones_like(one)))
    thirds = np.zeros((3, 150, 4), np.uint8)
    thirds[0] = 1  # a mean that floats can't hold
    assert np.isnan(psth_correlation(one, thirds))


def test_reliability_compares_odd_with_even_repeats(random):
    pattern = responses(random, 2, noise=0)
    assert psth_reliability(np.tile(pattern, (4, 1, 1))) == pytest.approx(psth_correlation(pattern[:1], pattern[1:]))


def test_real_repeats_agree_with_each_other(retina):
    assert psth_reliability(retina.counts) == pytest.approx(0.967, abs=0.001)


def test_more_of_the_same_is_at_the_floor_and_without_common_noise_at_the_ceiling(random):
    training, held_out, model = responses(random, 90), responses(random, 30), responses(random, 125)
    same = response_similarity(model, training, held_out, random)
    assert same.repeats == 30
    assert same.psth_correlation == pytest.approx(same.psth_reachable, abs=0.02)
    assert 0.5 < same.noise_correlation.ratio < 1.6
    alone = response_similarity(responses(random, 60, noise=0), training, held_out, random).noise_correlation
    assert alone.ratio > 5
    assert alone.excess == pytest.approx(1, abs=0.15)


def test_a_population_of_one_has_no_noise_correlations_to_compare(random):
    one = responses(random, 8)[:, :, :1]
    judged = response_similarity(one, one, one, random)
    assert judged.psth_correlation == pytest.approx(1)
    assert np.isnan(judged.noise_correlation.error)


def test_repeats_that_do_not_fit_are_refused(random):
    counts = responses(random, 6)
    for function in (psth_reliability, noise_covariance, noise_correlation):
        with pytest.raises(BadInputError, match="two or more repeats"):
            function(counts[:1])
    with pytest.raises(BadInputError, match="found \\(140, 4\\)"):
        psth_correlation(counts[:, 10:], counts)
    with pytest.raises(BadInputError, match="two or more repeats"):
        response_similarity(counts, counts, counts[:1], random)
    with pytest.raises(BadInputError, match="of the model, as are held out"):
        response_similarity(counts[:5], counts, counts, random)
    with pytest.raises(BadInputError, match="of training, as are held out"):
        response_similarity(counts, counts[:, :, 1:], counts, random)
