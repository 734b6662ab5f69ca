"""Counts of a population in blocks of bins: what to expect of a unit given the others, and evidence that it drifted.

A unit's count in a block is taken for negative binomial (Poisson where it varies no more), with mean and variance by
what the other units' counts in the same block let expect, so that what the population does in common is no drift. Of a
unit that fires rarely there is too little to learn; it is taken for Poisson at the highest rate that its sample allows.
Evidence is a log-likelihood ratio, in nats: of a drifted unit to an undrifted one; and, summed over units, of units on
their own to units given the others, which grows when correlations are gone.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv, gammaln

from spikeloop.models.arrays import Floats

__all__ = [
    "ADDED",
    "BEGUN_SPIKES",
    "HALVED",
    "LEAST_SPIKES",
    "LOST",
    "MOST_EVIDENCE",
    "MULTIPLIED",
    "CountModel",
    "NegativeBinomial",
    "classes_of",
    "correlation_evidence",
    "drift_evidence",
    "fires_rarely",
    "fit_count_model",
    "limited",
    "sum_blocks",
]

Classes = NDArray[np.intp]

LOST, HALVED, ADDED, MULTIPLIED = range(4)  # nearly silent; every second spike gone; a train added; each spike twice
BEGUN_SPIKES = 0.05  # in a block, of the train added to a rare unit: 0.25 Hz in blocks of 0.2 s; others', at their rate
LEFT_OF_LOST = 0.05  # of a lost unit's spikes, so that one stray spike doesn't disprove the loss
MOST_EVIDENCE = 4.0  # of one block, in nats: none raises an alarm alone
LEAST_SPIKES = 20  # of a unit in the sample; with fewer it is rare
HIGHEST_QUANTILE = 0.975  # of a rare unit's rate, given its spikes

FOLDS = 4  # in which the regression is cross-validated
LEAST_RIDGE = 0.05
CLASS_QUANTILES = (0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.98, 0.99)  # of what is expected; finer where it is much
LEAST_CLASS_BLOCKS = 50
PRIOR_SPIKES = 2.0  # in each class
RATE_DOUBT = 2.0  # standard errors by which the sample's rate may be off
MOST_DOUBT = 0.5  # as a share of the rate, downwards
DOUBT_BLOCKS = 50  # in a batch
LEAST_DISPERSION = 1e-3  # of variance / mean - 1
LEAST_MEAN = 1e-9


@dataclass(frozen=True, eq=False)
class NegativeBinomial:
    """Distributions of counts: log P(n) = log Gamma(n + size) + constant + n slope - log n!; arrays of one shape."""

    size: Floats
    constant: Floats
    slope: Floats

    def __getitem__(self, index: Any) -> "NegativeBinomial":
        return NegativeBinomial(self.size[index], self.constant[index], self.slope[index])

    def log_probability(self, counts: Floats) -> Floats:
        """Of counts, up to log n!, which ratios don't need."""
        return gammaln(counts + self.size) + self.constant + counts * self.slope


@dataclass(frozen=True, eq=False)
class CountModel:
    """Counts in blocks: what to expect of a unit, by the class that the other units' counts put its block in.

    Attributes
    ----------
    centre, scale, most : (units,), of square roots of counts
    weights : (units, units), of standardised roots for the expected count of each unit (column); 0 for its own
    edges : (classes - 1, units), expected counts, less their mean, between one class and the next
    undrifted, drifted : (4, classes, units), by kind of drift: given the others, a unit that drifted, and the nearest
        to it that an undrifted one may be, as its rate in the sample is not exactly known
    given : (classes, units), given the others
    alone : (units,), not given the others
    """

    centre: Floats
    scale: Floats
    most: Floats
    weights: Floats
    edges: Floats
    undrifted: NegativeBinomial
    drifted: NegativeBinomial
    given: NegativeBinomial
    alone: NegativeBinomial


def sum_blocks(counts: NDArray[Any], block_bins: int) -> Floats:
    """Sums of counts (bins, units) over full blocks, (blocks, units); bins of one that isn't full are left out."""
    blocks = len(counts) // block_bins
    return counts[: blocks * block_bins].reshape(blocks, block_bins, counts.shape[1]).sum(axis=1, dtype=np.float64)


def fires_rarely(blocks: Floats) -> NDArray[np.bool_]:
    """Which units fire too rarely in a sample (blocks, units) to learn more than a highest rate, (units,)."""
    return blocks.sum(axis=0) < LEAST_SPIKES


def fit_count_model(blocks: Floats, rare: NDArray[np.bool_] | None = None) -> CountModel:
    """Fit the model of a sample's counts.

    Parameters
    ----------
    blocks : array of shape (blocks, units)
        Counts in blocks.
    rare : array of shape (units,), default by the blocks
        Which units fire rarely; of a part of a sample, those that do so in the whole.

    Returns
    -------
    CountModel
    """
    rare = fires_rarely(blocks) if rare is None else rare
    roots = np.sqrt(blocks)  # of about equal variance at all rates, and milder on bursts
    centre, scale, most = roots.mean(axis=0), roots.std(axis=0), roots.max(axis=0)
    scale[scale == 0] = 1.0
    mean, variance = blocks.mean(axis=0), blocks.var(axis=0)
    weights, expected = _regression((roots - centre) / scale, blocks - mean)
    quantiles = [q for q in CLASS_QUANTILES if (1 - q) * len(blocks) >= LEAST_CLASS_BLOCKS]
    edges = np.quantile(expected, quantiles, axis=0)
    class_mean, class_variance = _class_moments(blocks, _classes_between(edges, expected), len(quantiles) + 1)

    doubt = _rate_doubt(blocks)
    low, high = 1 - np.minimum(doubt, MOST_DOUBT), 1 + doubt
    share = np.stack([low, low, high, high])[:, np.newaxis]  # of the sample's rate
    means, variances = share * class_mean, share * class_variance  # (4, classes, units)
    means[ADDED][:, rare] = variances[ADDED][:, rare] = _highest_rate(blocks[:, rare])
    drifted_means, drifted_variances = zip(
        _thinned(LEFT_OF_LOST, means[LOST], variances[LOST]),
        _thinned(0.5, class_mean, class_variance),
        (means[ADDED] + np.where(rare, BEGUN_SPIKES, mean), variances[ADDED] + np.where(rare, BEGUN_SPIKES, variance)),
        (2 * means[MULTIPLIED], 4 * variances[MULTIPLIED]),
        strict=True,
    )
    return CountModel(
        centre=centre,
        scale=scale,
        most=most,
        weights=weights,
        edges=edges,
        undrifted=_negative_binomial(means, variances),
        drifted=_negative_binomial(np.stack(drifted_means), np.stack(drifted_variances)),
        given=_negative_binomial(class_mean, class_variance),
        alone=_negative_binomial(mean, variance),
    )


def classes_of(model: CountModel, blocks: Floats) -> Classes:
    """The class of each unit in each block, by the other units' counts in it, (blocks, units)."""
    roots = np.minimum(np.sqrt(blocks), model.most)  # one unit gone wild says no more than it ever did
    return _classes_between(model.edges, (roots - model.centre) / model.scale @ model.weights)


def drift_evidence(model: CountModel, kind: int, blocks: Floats, classes: Classes) -> Floats:
    """Log-likelihood ratios of drifted to undrifted units, limited.

    Parameters
    ----------
    model : CountModel
    kind : LOST, HALVED, ADDED or MULTIPLIED
    blocks : array of shape (blocks, units), counts
    classes : array of shape (blocks, units), as of `classes_of`

    Returns
    -------
    array of shape (blocks, units), nats
    """
    cells = kind, classes, np.arange(blocks.shape[1])
    return limited(model.drifted[cells].log_probability(blocks) - model.undrifted[cells].log_probability(blocks))


def correlation_evidence(model: CountModel, blocks: Floats, classes: Classes) -> Floats:
    """Log-likelihood ratios of units on their own to units given the others, each limited, then summed, (blocks,).

    As units share what they say of each other, the sum is larger than the ratio of one population to another.
    """
    given = model.given[classes, np.arange(blocks.shape[1])].log_probability(blocks)
    return limited(model.alone.log_probability(blocks) - given).sum(axis=1)


def limited(evidence: Floats) -> Floats:
    """Evidence of single blocks, at most `MOST_EVIDENCE` for or against."""
    return np.clip(evidence, -MOST_EVIDENCE, MOST_EVIDENCE)


def _regression(standard: Floats, own: Floats) -> tuple[Floats, Floats]:
    """Weights (units, units) that give each unit's count from the others', and what those give in blocks not fitted."""
    folds = np.array_split(np.arange(len(own)), FOLDS)
    squares = [standard[fold].T @ standard[fold] for fold in folds]
    products = [standard[fold].T @ own[fold] for fold in folds]
    square, product = np.sum(squares, axis=0), np.sum(products, axis=0)
    expected = np.empty_like(own)
    for fold, held_square, held_product in zip(folds, squares, products, strict=True):
        weights = _ridge_weights(square - held_square, product - held_product, len(own) - len(fold))
        expected[fold] = standard[fold] @ weights
    return _ridge_weights(square, product, len(own)), expected


def _ridge_weights(square: Floats, product: Floats, blocks: int) -> Floats:
    """Ridge regression in which a unit's own weight is kept at 0."""
    units = len(square)
    inverse = np.linalg.inv(square / blocks + max(LEAST_RIDGE, units / blocks) * np.eye(units))
    weights = inverse @ product / blocks
    weights -= inverse * (weights.diagonal() / inverse.diagonal())
    np.fill_diagonal(weights, 0.0)
    return weights


def _classes_between(edges: Floats, expected: Floats) -> Classes:
    classes = np.zeros(expected.shape, np.intp)
    for edge in edges:
        classes += expected >= edge
    return classes


def _class_moments(blocks: Floats, classes: Classes, number: int) -> tuple[Floats, Floats]:
    """Mean and variance of each unit's counts in each class, (classes, units).

    A few spikes at the unit's own rate are added to every class, so that an empty one isn't taken for silent.
    """
    units, mean = blocks.shape[1], blocks.mean(axis=0)
    cells, shape = (classes * units + np.arange(units)).ravel(), (number, units)
    prior = PRIOR_SPIKES / np.maximum(mean, PRIOR_SPIKES / len(blocks))  # blocks
    size = np.bincount(cells, minlength=number * units).reshape(shape) + prior
    class_mean = (np.bincount(cells, blocks.ravel(), number * units).reshape(shape) + prior * mean) / size
    squares = (blocks.ravel() - class_mean.ravel()[cells]) ** 2
    variance = (np.bincount(cells, squares, number * units).reshape(shape) + prior * mean) / size
    return class_mean, variance


def _rate_doubt(blocks: Floats) -> Floats:
    """How far each unit's rate may be off, as a share of it: standard errors, by the means of batches."""
    sums = sum_blocks(blocks, DOUBT_BLOCKS)
    return RATE_DOUBT * sums.std(axis=0) / np.sqrt(len(sums)) / np.maximum(sums.mean(axis=0), LEAST_MEAN)


def _highest_rate(blocks: Floats) -> Floats:
    """The highest rate, in spikes a block, that a Poisson unit with so many spikes may well have (Garwood 1936)."""
    return gammaincinv(blocks.sum(axis=0) + 1, HIGHEST_QUANTILE) / len(blocks)


def _thinned(share: float, mean: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """Mean and variance of counts of which each spike is left with this probability."""
    return share * mean, share**2 * variance + share * (1 - share) * mean


def _negative_binomial(mean: Floats, variance: Floats) -> NegativeBinomial:
    mean = np.maximum(mean, LEAST_MEAN)
    size = mean / np.maximum(variance / mean - 1, LEAST_DISPERSION)
    constant = size * np.log(size / (size + mean)) - gammaln(size)
    return NegativeBinomial(size, constant, np.log(mean / (size + mean)))
