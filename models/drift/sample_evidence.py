"""The evidence of drift that chance alone makes in a sample without drift.

Each part of the sample is judged by a model of the other parts, as a stream will be judged by a model that was not
fitted to it. Each part is judged again after a drift was imposed on it, which measures how fast evidence then grows.

Channels are each unit lost, each halved, each added to, each multiplied, and the correlations: 4 units + 1.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats
from spikeloop.models.drift.block_counts import (
    ADDED,
    BEGUN_SPIKES,
    HALVED,
    LOST,
    MULTIPLIED,
    classes_of,
    correlation_evidence,
    drift_evidence,
    fires_rarely,
    fit_count_model,
    limited,
)
from spikeloop.models.drift.excursions import excursion_peaks

__all__ = ["SampleEvidence", "judge_sample"]


FOLDS = 4


@dataclass(frozen=True, eq=False)
class SampleEvidence:
    """A sample, judged by models of other parts of it.

    Attributes
    ----------
    peaks : list of arrays of shape (excursions,)
        Of each channel, how high the excursions of its CUSUM rose.
    drift : array of shape (channels,)
        Mean evidence of a block where all of a unit's spikes are gone, every second one is, an independent copy of its
        train is added (to a rare unit, a train of `BEGUN_SPIKES`), each of its spikes comes twice; and where units are
        shifted against each other.
    correlation_scale : float, 0 to 1
        Factor that brings the evidence about correlations, which units share, to that of a likelihood ratio; 0 where
        units on their own explain the sample as well.
    """

    peaks: list[Floats]
    drift: Floats
    correlation_scale: float


def judge_sample(blocks: Floats) -> SampleEvidence:
    """Measure the evidence of drift in a sample.

    Parameters
    ----------
    blocks : array of shape (blocks, units)
        Counts in blocks.

    Returns
    -------
    SampleEvidence
    """
    rare = fires_rarely(blocks)
    folds = [_judge_fold(blocks, fold, rare) for fold in np.array_split(np.arange(len(blocks)), FOLDS)]
    scale = _correlation_scale(np.concatenate([fold.correlations for fold in folds]))
    of_correlations = [excursion_peaks(limited(fold.correlations * scale)) for fold in folds]
    shuffled = np.mean([limited(fold.shuffled * scale).mean() for fold in folds])
    of_units = [np.concatenate(channel) for channel in zip(*(fold.peaks for fold in folds), strict=True)]
    return SampleEvidence(
        peaks=[*of_units, np.concatenate(of_correlations)],
        drift=np.append(np.mean([fold.drift for fold in folds], axis=0), shuffled),
        correlation_scale=scale,
    )


@dataclass(frozen=True, eq=False)
class _JudgedFold:
    """One part of the sample.

    Attributes
    ----------
    peaks, drift : as of a sample, of all channels but the correlations
    correlations, shuffled : (blocks,), evidence about correlations, not yet scaled: of the part as it is, and where
        units are shifted against each other
    """

    peaks: list[Floats]
    drift: Floats
    correlations: Floats
    shuffled: Floats


def _judge_fold(blocks: Floats, fold: NDArray[np.intp], rare: NDArray[np.bool_]) -> _JudgedFold:
    model, own = fit_count_model(np.delete(blocks, fold, axis=0), rare), blocks[fold]
    classes = classes_of(model, own)
    harmed = {
        LOST: np.zeros_like(own),
        HALVED: _every_second(own),
        ADDED: own + np.where(rare, _begun(len(own)), np.roll(own, len(own) // 2, axis=0)),
        MULTIPLIED: 2 * own,
    }
    peaks, drift = [], []
    for kind, counts in harmed.items():
        peaks += [excursion_peaks(evidence) for evidence in drift_evidence(model, kind, own, classes).T]
        drift.append(drift_evidence(model, kind, counts, classes).mean(axis=0))
    shuffled = _shifted_apart(own)
    return _JudgedFold(
        peaks=peaks,
        drift=np.concatenate(drift),
        correlations=correlation_evidence(model, own, classes),
        shuffled=correlation_evidence(model, shuffled, classes_of(model, shuffled)),
    )


def _every_second(own: Floats) -> Floats:
    """What is left of each unit where every second spike is gone."""
    return np.diff(np.cumsum(own, axis=0) // 2, axis=0, prepend=0.0)


def _begun(blocks: int) -> Floats:
    """A regular train of `BEGUN_SPIKES` a block, (blocks, 1)."""
    return np.diff(np.floor(np.arange(blocks + 1) * BEGUN_SPIKES)).astype(np.float64)[:, np.newaxis]


def _shifted_apart(blocks: Floats) -> Floats:
    """Every unit shifted by another time, spread evenly (by the golden section)."""
    shifts = np.round(len(blocks) * ((np.arange(blocks.shape[1]) + 1) * (np.sqrt(5) - 1) / 2 % 1)).astype(int)
    return np.stack([np.roll(train, shift) for train, shift in zip(blocks.T, shifts, strict=True)], axis=1)


def _correlation_scale(evidence: Floats) -> float:
    """The factor that gives evidence a tail of exponent 1: that of a sum of many small parts is 2 mean / variance."""
    variance = evidence.var()
    return float(np.clip(-2 * evidence.mean() / variance, 0, 1)) if variance > 0 else 0.0
