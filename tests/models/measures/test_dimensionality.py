import numpy as np
import pytest

from spikeloop.models.measures.dimensionality import participation_ratio


def test_it_is_the_ratio_of_eigenvalues_of_counts_in_ever_wider_bins(random):
    windows = random.poisson(random.gamma(1.0, 0.5, (40, 70, 1)), (40, 70, 4)).astype(np.uint8)
    expected = []
    for scale in (1, 4, 16, 64):
        kept = windows[:, : 70 // scale * scale].astype(float)
        counts = kept.reshape(40, -1, scale, 4).sum(axis=2).reshape(-1, 4)
        eigenvalues = np.linalg.eigvalsh(np.cov(counts.T, bias=True))
        expected.append(eigenvalues.sum() ** 2 / (eigenvalues**2).sum())
    np.testing.assert_allclose(participation_ratio(windows), expected, rtol=1e-5)


def test_independent_poisson_units_have_what_their_rates_say_at_every_scale(random):
    rates = np.array([0.1, 0.2, 0.4, 0.8])
    windows = random.poisson(rates, (8000, 16, 4)).astype(np.uint8)
    np.testing.assert_allclose(participation_ratio(windows), rates.sum() ** 2 / (rates**2).sum(), rtol=0.06)


def test_units_that_do_the_same_have_one_dimension(random):
    windows = np.repeat(random.poisson(0.5, (100, 20, 1)), 6, axis=2).astype(np.uint8)
    np.testing.assert_allclose(participation_ratio(windows), 1)


@pytest.mark.parametrize(("bins", "scales"), [(1, 1), (3, 1), (4, 2), (64, 4)])
def test_there_are_as_many_scales_as_fit_into_a_window(random, bins, scales):
    assert participation_ratio(random.poisson(0.5, (50, bins, 3)).astype(np.uint8)).shape == (scales,)
