import numpy as np
import pytest
from sklearn.decomposition import FactorAnalysis

from spikeloop.models.decoders.factor_analysis import FactorModel, fit_factors
from spikeloop.models.errors import BadInputError

LATENTS = 3


@pytest.fixture(scope="module")
def counts():
    random = np.random.default_rng(0)
    loadings = random.standard_normal((20, LATENTS))
    return random.standard_normal((3000, LATENTS)) @ loadings.T + random.standard_normal((3000, 20)) + 5.0


def covariance(model):
    return model.loadings @ model.loadings.T + np.diag(model.private)


def test_it_finds_what_scikit_learn_finds(counts):
    found, other = fit_factors(counts, LATENTS), FactorAnalysis(LATENTS, tol=1e-8, max_iter=5000).fit(counts)
    np.testing.assert_allclose(covariance(found), other.get_covariance(), rtol=0.02, atol=0.02)
    np.testing.assert_allclose(found.mean, counts.mean(axis=0))


def test_latents_are_inferred_as_their_posterior_mean(counts):
    model = fit_factors(counts, LATENTS)
    expected = model.loadings.T @ np.linalg.solve(covariance(model), (counts[:50] - model.mean).T)
    np.testing.assert_allclose(model.inference @ (counts[:50] - model.mean).T, expected, atol=1e-9)


def test_a_unit_that_never_varies_has_no_loadings(counts):
    still = counts.copy()
    still[:, 4] = 2.0
    model = fit_factors(still, LATENTS)
    assert not model.loadings[4].any()
    assert (model.private > 0).all()
    others = np.delete(np.arange(20), 4)
    np.testing.assert_allclose(
        covariance(model)[np.ix_(others, others)], covariance(fit_factors(counts[:, others], LATENTS)), atol=1e-9
    )


def test_the_same_counts_give_the_same_model(counts):
    one, other = fit_factors(counts, LATENTS), fit_factors(counts, LATENTS)
    for name in FactorModel.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_more_bins_than_units_and_units_than_latents_are_needed(counts):
    for few, latents in ((counts[:20], LATENTS), (counts, 20), (counts, 0), (np.zeros((50, 4)), 1)):
        with pytest.raises(BadInputError, match="give more data"):
            fit_factors(few, latents)
