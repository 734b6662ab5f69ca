"""The scores by which the FALCON challenge judges decoders (Karpowicz et al. 2024, NeurIPS Datasets and Benchmarks).

As its evaluator computes them, falcon-challenge 1.0.2: R2 of each session, its columns weighted by their variance; mean
and standard deviation over sessions, those that a decoder learned from (held in) apart from others (held out); and the
normalized latency, compute time over neural time.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.errors import BadInputError

__all__ = ["SessionScores", "session_scores", "variance_weighted_r_squared"]


@dataclass(frozen=True)
class SessionScores:
    """Variance-weighted R2 over sessions.

    Attributes
    ----------
    mean, sd : float
        Standard deviation of the sessions at hand, 0 of one; NaN where there are none.
    sessions : int
    """

    mean: float
    sd: float
    sessions: int

    def __str__(self) -> str:
        if not self.sessions:
            return "-"
        return f"{self.mean:.3f}" if self.sessions == 1 else f"{self.mean:.3f} (SD {self.sd:.3f} of {self.sessions})"


def variance_weighted_r_squared(truth: NDArray[np.floating], decoded: NDArray[np.floating]) -> float:
    """R2 of all columns together: 1 - squared error / squared deviation from each column's mean, summed over columns.

    Parameters
    ----------
    truth, decoded : arrays of shape (bins, columns)

    Returns
    -------
    float
        NaN where the truth never varies.

    Raises
    ------
    BadInputError
        If shapes differ.
    """
    if truth.shape != decoded.shape:
        raise BadInputError(f"expected decoded kinematics of shape {truth.shape}, found {decoded.shape}")
    error = np.square(truth - decoded).sum(dtype=np.float64)
    deviation = np.square(truth - truth.mean(axis=0, dtype=np.float64)).sum(dtype=np.float64)
    return float(1 - error / deviation) if deviation > 0 else math.nan


def session_scores(scores: Iterable[float]) -> SessionScores:
    """Mean and standard deviation of the scores of sessions; those that are NaN are left out."""
    known = np.array([score for score in scores if not math.isnan(score)])
    if not len(known):
        return SessionScores(math.nan, math.nan, 0)
    return SessionScores(float(known.mean()), float(known.std()), len(known))
