"""How well decoded kinematics follow the true ones."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError

__all__ = ["Decodable", "FoldMean", "correlation", "fold_mean", "r_squared"]


@dataclass(frozen=True, eq=False)
class Decodable:
    """Counts and the kinematics that went with them.

    Attributes
    ----------
    counts : array of shape (bins, units)
    kinematics : array of shape (bins, columns)
    """

    counts: NDArray[Any]
    kinematics: NDArray[np.floating]


def r_squared(truth: NDArray[np.floating], decoded: NDArray[np.floating]) -> Floats:
    """Coefficient of determination, 1 - squared error / squared deviation from the mean.

    Parameters
    ----------
    truth, decoded : arrays of shape (bins, columns)

    Returns
    -------
    array of shape (columns,); NaN where the truth never varies.

    Raises
    ------
    BadInputError
        If shapes differ.
    """
    _check(truth, decoded)
    error = np.square(truth - decoded).sum(axis=0, dtype=np.float64)
    deviation = np.square(truth - truth.mean(axis=0, dtype=np.float64)).sum(axis=0)
    varies = np.ptp(truth, axis=0) > 0
    return np.where(varies, 1 - error / np.where(varies, deviation, 1.0), np.nan)


def correlation(truth: NDArray[np.floating], decoded: NDArray[np.floating]) -> Floats:
    """Pearson correlation, which overlooks gain and offset.

    Parameters
    ----------
    truth, decoded : arrays of shape (bins, columns)

    Returns
    -------
    array of shape (columns,); NaN where either never varies.

    Raises
    ------
    BadInputError
        If shapes differ.
    """
    _check(truth, decoded)
    varies = (np.ptp(truth, axis=0) > 0) & (np.ptp(decoded, axis=0) > 0)
    one, other = (values - values.mean(axis=0, dtype=np.float64) for values in (truth, decoded))
    size = np.sqrt(np.square(one).sum(axis=0) * np.square(other).sum(axis=0))
    return np.where(varies, (one * other).sum(axis=0) / np.where(varies, size, 1.0), np.nan)


def _check(truth: NDArray[np.floating], decoded: NDArray[np.floating]) -> None:
    if truth.shape != decoded.shape:
        raise BadInputError(f"expected decoded kinematics of shape {truth.shape}, found {decoded.shape}")


@dataclass(frozen=True)
class FoldMean:
    """A mean over folds and its 95 % interval."""

    value: float
    low: float
    high: float


def fold_mean(scores: Floats) -> FoldMean:
    """Mean over folds, with Student's t interval.

    Folds share training data, so the interval is on the narrow side (Bengio and Grandvalet 2004, J. Mach. Learn. Res.
    5:1089: no estimate of its width is free of bias).

    Parameters
    ----------
    scores : array (folds,), 2 or more
    """
    from scipy.special import stdtrit

    mean, half = scores.mean(), stdtrit(len(scores) - 1, 0.975) * scores.std(ddof=1) / np.sqrt(len(scores))
    return FoldMean(float(mean), float(mean - half), float(mean + half))
