"""Responses to a repeated stimulus: PSTHs, and the noise correlations of units about them.

Counts are (repeats, bins, units); bin t of every repeat saw the same moment of the stimulus.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.distances import pairs, rms_difference
from spikeloop.models.measures.similarity import FLOOR_DRAWS, MOST_DRAWS, Similarity
from spikeloop.models.measures.statistics import pairwise_covariance

__all__ = [
    "ResponseSimilarity",
    "noise_correlation",
    "noise_covariance",
    "psth",
    "psth_correlation",
    "psth_reliability",
    "response_similarity",
]

Repeats = NDArray[np.uint8]


@dataclass(frozen=True)
class ResponseSimilarity:
    """How alike a model's responses and held-out ones are, as many repeats of each.

    Attributes
    ----------
    repeats : number of repeats that were compared at a time
    psth_correlation : of the model with held-out repeats
    psth_reachable : the same of training repeats, which is what real repeats reach
    noise_correlation : RMSE over pairs of units against held-out repeats: E of the model, F of training repeats,
        I of training repeats shuffled unit by unit, which keeps the PSTHs and nothing else
    """

    repeats: int
    psth_correlation: float
    psth_reachable: float
    noise_correlation: Similarity


def psth(counts: Repeats) -> Floats:
    """Peristimulus time histogram: the mean over repeats.

    Parameters
    ----------
    counts : array of shape (repeats, bins, units)

    Returns
    -------
    array of shape (bins, units), expected counts per bin
    """
    return counts.mean(axis=0, dtype=np.float64)


def psth_correlation(model: Repeats, real: Repeats) -> float:
    """Pearson correlation over bins between two PSTHs of a unit, averaged over units.

    Units with a constant real PSTH are skipped (NaN if all are); where only the model's is, its correlation is 0.

    Parameters
    ----------
    model, real : arrays of shape (repeats, bins, units), which may differ in repeats

    Raises
    ------
    BadInputError
        If bins or units differ.
    """
    if model.shape[1:] != real.shape[1:]:
        raise BadInputError(f"expected repeats of {real.shape[1:]} (bins, units), found {model.shape[1:]}")
    one, other = psth(model), psth(real)
    # the range of a constant is exactly 0, its standard deviation only nearly
    driven, flat = np.ptp(other, axis=0) > 0, np.ptp(one, axis=0) == 0
    one, other = one - one.mean(axis=0), other - other.mean(axis=0)
    scale = np.sqrt(np.square(one).sum(axis=0) * np.square(other).sum(axis=0))
    correlation = np.divide((one * other).sum(axis=0), scale, out=np.zeros_like(scale), where=driven & ~flat)
    return float(correlation[driven].mean()) if driven.any() else float("nan")


def psth_reliability(real: Repeats) -> float:
    """Correlation between the PSTHs of odd and of even repeats.

    Parameters
    ----------
    real : array of shape (repeats, bins, units)

    Raises
    ------
    BadInputError
        If there are fewer than two repeats.
    """
    _require_repeats(real)
    return psth_correlation(real[1::2], real[::2])


def noise_covariance(counts: Repeats) -> Floats:
    """Covariance of the residuals about the PSTH, unbiased for the number of repeats R.

    The total covariance less that of the PSTHs, times R / (R - 1). Drifts from repeat to repeat count as noise.

    Parameters
    ----------
    counts : array of shape (repeats, bins, units)

    Returns
    -------
    array of shape (units, units), symmetric; the diagonal holds the noise variances.

    Raises
    ------
    BadInputError
        If there are fewer than two repeats.
    """
    _require_repeats(counts)
    repeats = len(counts)
    signal = np.atleast_2d(np.cov(psth(counts), rowvar=False, bias=True))
    return (pairwise_covariance(counts) - signal) * repeats / (repeats - 1)


def noise_correlation(counts: Repeats) -> Floats:
    """Pearson correlation of the residuals about the PSTH (Averbeck et al. 2006).

    Parameters
    ----------
    counts : array of shape (repeats, bins, units)

    Returns
    -------
    array of shape (units, units), its diagonal 1. A unit without noise is uncorrelated with all.

    Raises
    ------
    BadInputError
        If there are fewer than two repeats.
    """
    covariance = noise_covariance(counts)
    same_in_all = (counts == counts[:1]).all(axis=(0, 1))
    deviation = np.where(same_in_all, np.inf, np.sqrt(np.abs(covariance.diagonal())))
    correlation = covariance / np.outer(deviation, deviation)
    np.fill_diagonal(correlation, 1.0)
    return correlation


def response_similarity(
    model: Repeats, training: Repeats, held_out: Repeats, random: np.random.Generator
) -> ResponseSimilarity:
    """Judge a model's responses by repeats that it never saw, at equal numbers of repeats.

    Parameters
    ----------
    model, training, held_out : arrays of shape (repeats, bins, units)
        As many repeats as are held out are compared at a time. The model's values are means over as many disjoint
        samples as it gave, those of training over random subsets.

    Raises
    ------
    BadInputError
        If bins or units differ, two repeats are not held out, or model or training has fewer repeats than that.
    """
    size = len(held_out)
    _require_repeats(held_out)
    for name, counts in (("the model", model), ("training", training)):
        if len(counts) < size or counts.shape[1:] != held_out.shape[1:]:
            raise BadInputError(
                f"expected at least {size} repeats of {held_out.shape[1:]} (bins, units) of {name}, as are held out;"
                f" found {counts.shape}"
            )
    truth = pairs(noise_correlation(held_out))
    modelled = [model[draw * size : (draw + 1) * size] for draw in range(min(MOST_DRAWS, len(model) // size))]
    correlations, errors = zip(*(_compare(answer, held_out, truth) for answer in modelled), strict=True)
    subsets = [random.choice(len(training), size, replace=False) for _ in range(FLOOR_DRAWS)]
    reachable, floors = zip(*(_compare(training[subset], held_out, truth) for subset in subsets), strict=True)
    ceiling = rms_difference(pairs(noise_correlation(_shuffle_repeats(training[subsets[0]], random))), truth)
    noise = Similarity("noise_correlation", float(np.mean(errors)), float(np.mean(floors)), ceiling)
    return ResponseSimilarity(size, float(np.mean(correlations)), float(np.mean(reachable)), noise)


def _compare(counts: Repeats, held_out: Repeats, truth: Floats) -> tuple[float, float]:
    """Correlation of PSTHs, and distance of noise correlations."""
    return psth_correlation(counts, held_out), rms_difference(pairs(noise_correlation(counts)), truth)


def _shuffle_repeats(counts: Repeats, random: np.random.Generator) -> Repeats:
    """Each unit's repeats in an order of its own."""
    return np.stack([counts[random.permutation(len(counts)), :, unit] for unit in range(counts.shape[2])], axis=2)


def _require_repeats(counts: Repeats) -> None:
    if counts.ndim != 3 or len(counts) < 2:
        raise BadInputError(f"expected two or more repeats, (repeats, bins, units), found {counts.shape}")
