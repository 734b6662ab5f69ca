"""A decoder of latents that stay the same while units change: the manifold-based stabiliser."""

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Counts, Floats
from spikeloop.models.decoders.decoder import Decoder, DecoderWrapper, check_bin, check_training, fitted
from spikeloop.models.decoders.factor_analysis import FactorModel, fit_factors

__all__ = ["Stabilized", "align_loadings"]

LATENTS = 10  # of the manifold, as Degenhart et al. 2020 have it in their published code
STABLE_SHARE = 0.5  # of units, those that changed least, which latents are aligned by; chosen
LEAST_LOADING = 0.01  # a norm; units of less say nothing about the alignment
FIT_WIDTH = 5  # bins that are summed for the factor analysis, where one bin of 20 ms holds few spikes; chosen


class Stabilized(DecoderWrapper):
    """Gives a decoder the latents of the counts, and keeps these in place without knowing what the user intends.

    Degenhart et al. 2020 (Nat Biomed Eng 4:672): factor analysis finds the latents; another one, of later counts, is
    turned so that the loadings of the units that changed least are as before, and takes the place of the first. The
    decoder of the latents stays as it is. What is ours: as latents have variance 1 in calibration and use alike, though
    behaviour differs, the first update, of units that are still those of the fit, finds how the latents of use become
    those of the fit; later ones are turned to the latents of the first.

    Parameters
    ----------
    decoder : Decoder
        Of latents, which are no whole counts.
    latents : int >= 1, default 10
        Fewer where there are not twice as many units.

    Attributes
    ----------
    model : FactorModel or None
        As of the latest fit or update; None before.
    """

    def __init__(self, decoder: Decoder, latents: int = LATENTS) -> None:
        super().__init__(decoder)
        self.latents = latents
        self.model: FactorModel | None = None
        self._first: FactorModel | None = None

    def fit(self, counts: Counts, kinematics: NDArray[np.floating]) -> None:
        """Fit the latents, and the decoder to them."""
        check_training(counts, kinematics)
        self.latents = min(self.latents, max(1, counts.shape[1] // 2))
        self._first, self._of_fit = None, self._found(counts)
        self._use(self._of_fit)
        self.decoder.fit((counts - self._mean) @ self._inference.T, kinematics)

    def update(self, counts: Counts, at_rest: NDArray[np.bool_] | None = None) -> None:
        """Follow the units: fit the latents to later counts (bins, units), and turn them to those of the fit.

        Parameters
        ----------
        counts : array of shape (bins, units)
        at_rest : array of shape (bins,), bool, optional
            When the user intends nothing, as between trials. The mean of these bins is what latents are counted from.
            The mean of all bins, the default, holds what a user does against a decoder that pulls to a side, so that
            the pull would stay.

        Raises
        ------
        BadInputError
            If there was no fit, or there are too few bins.
        """
        fitted(self.model)
        later = self._found(counts)
        mean = later.mean if at_rest is None or not at_rest.any() else counts[at_rest].mean(axis=0, dtype=np.float64)
        if self._first is None:
            self._first = later
            self._to_fit = np.linalg.lstsq(later.loadings, self._of_fit.loadings, rcond=None)[0]
            self._rest = self._inference @ (mean - self._mean)
        loadings = later.loadings @ align_loadings(self._first.loadings, later.loadings) @ self._to_fit
        self._use(FactorModel(mean - loadings @ self._rest, later.private, loadings))

    def step(self, counts: Counts) -> Floats:
        """Kinematics (columns,) of the next bin."""
        check_bin(counts, len(fitted(self.model).mean))
        return self.decoder.step(self._inference @ (counts - self._mean))

    def _found(self, counts: Counts) -> FactorModel:
        width = FIT_WIDTH if len(counts) > 2 * FIT_WIDTH * counts.shape[1] else 1
        runs = len(counts) // width
        summed = counts[: runs * width].reshape(runs, width, -1).sum(axis=1, dtype=np.float64)
        found = fit_factors(summed, self.latents)
        return FactorModel(found.mean / width, found.private / width, found.loadings / width)

    def _use(self, model: FactorModel) -> None:
        self.model, self._mean, self._inference = model, model.mean, model.inference


def align_loadings(first: Floats, later: Floats, stable_share: float = STABLE_SHARE) -> Floats:
    """Find the turn (latents, latents), orthogonal, that brings later loadings (units, latents) closest to the first.

    The units that it is found by are chosen as Degenhart et al. 2020 do it: turn, leave out the unit whose loadings
    still differ most, and turn again, until a share is left. A unit of next to no loadings doesn't count.
    """
    alike = np.flatnonzero(
        (np.linalg.norm(first, axis=1) >= LEAST_LOADING) & (np.linalg.norm(later, axis=1) >= LEAST_LOADING)
    )
    least = max(first.shape[1], round(stable_share * len(first)))
    while True:
        left, _, right = np.linalg.svd(later[alike].T @ first[alike])
        turn = left @ right
        if len(alike) <= least:
            return turn
        differ = np.linalg.norm(first[alike] - later[alike] @ turn, axis=1)
        alike = np.delete(alike, differ.argmax())
