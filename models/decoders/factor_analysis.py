"""Factor analysis: what many units share, as a few latents, and what each has of its own."""

from dataclasses import dataclass

import numpy as np

from spikeloop.models.arrays import Counts, Floats
from spikeloop.models.errors import BadInputError

__all__ = ["FactorModel", "fit_factors"]

MOST_STEPS, TOLERANCE = 500, 1e-6  # of EM: mean log-likelihood of a bin, in nats
LEAST_PRIVATE = 1e-2  # of a unit's variance, so that no unit is taken for a latent


@dataclass(frozen=True, eq=False)
class FactorModel:
    """counts = mean + loadings latents + private noise, latents of unit variance.

    Attributes
    ----------
    mean, private : arrays of shape (units,)
        Private variance; 1 for a unit that never varies.
    loadings : array of shape (units, latents)
    """

    mean: Floats
    private: Floats
    loadings: Floats

    @property
    def inference(self) -> Floats:
        """The matrix (latents, units) that gives the latents' posterior mean from counts less the mean."""
        weighted = self.loadings / self.private[:, np.newaxis]
        latents = self.loadings.shape[1]
        return np.linalg.solve(np.eye(latents) + self.loadings.T @ weighted, weighted.T).astype(np.float64)


def fit_factors(counts: Counts, latents: int) -> FactorModel:
    """Fit factor analysis by maximum likelihood, with the EM algorithm (Rubin & Thayer 1982, Psychometrika 47:69).

    It begins at the principal components, so that the same counts give the same model.

    Parameters
    ----------
    counts : array of shape (bins, units)
    latents : int >= 1, less than the units that vary

    Raises
    ------
    BadInputError
        If there are not more bins than units, or too few units that vary.
    """
    bins, units = counts.shape
    varies = np.ptp(counts, axis=0) > 0
    if bins <= units or not 1 <= latents < varies.sum():
        raise BadInputError(
            f"expected more bins than units and {latents + 1} units or more that vary, found {bins} bins and"
            f" {varies.sum()} of {units} units; give more data or ask for fewer latents"
        )
    seen = counts[:, varies].astype(np.float64)
    covariance = np.cov(seen, rowvar=False, bias=True)
    scale = np.sqrt(np.diag(covariance))
    loadings, private = _maximise(covariance / np.outer(scale, scale), latents)
    model = FactorModel(counts.mean(axis=0, dtype=np.float64), np.ones(units), np.zeros((units, latents)))
    model.loadings[varies] = loadings * scale[:, np.newaxis]
    model.private[varies] = private * scale**2
    return model


def _maximise(correlation: Floats, latents: int) -> tuple[Floats, Floats]:
    """Loadings (units, latents) and private variances (units,) of a correlation matrix."""
    values, vectors = np.linalg.eigh(correlation)
    rest = max(values[:-latents].mean(), LEAST_PRIVATE)
    loadings = vectors[:, -latents:] * np.sqrt(np.maximum(values[-latents:] - rest, LEAST_PRIVATE))
    private, before = np.maximum(1 - np.square(loadings).sum(axis=1), LEAST_PRIVATE), -np.inf
    for _ in range(MOST_STEPS):
        weighted = loadings / private[:, np.newaxis]
        precision = np.eye(latents) + loadings.T @ weighted
        beta = np.linalg.solve(precision, weighted.T)
        crossed = correlation @ beta.T  # (units, latents)
        likelihood = -0.5 * (
            np.log(private).sum()
            + np.linalg.slogdet(precision)[1]
            + (np.diag(correlation) / private).sum()
            - (weighted * crossed).sum()
        )
        if likelihood - before < TOLERANCE:
            break
        before = likelihood
        second = np.eye(latents) - beta @ loadings + beta @ crossed
        loadings = np.linalg.solve(second, crossed.T).T
        private = np.maximum(np.diag(correlation) - (loadings * crossed).sum(axis=1), LEAST_PRIVATE)
    return loadings, private
