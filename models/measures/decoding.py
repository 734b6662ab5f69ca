"""How well decoded kinematics follow the true ones."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.errors import BadInputError

__all__ = ["Decodable", "correlation", "r_squared"]

Floats = NDArray[np.float64]


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
    one, other = (each - each.mean(axis=0, dtype=np.float64) for each in (truth, decoded))
    size = np.sqrt(np.square(one).sum(axis=0) * np.square(other).sum(axis=0))
    return np.where(varies, (one * other).sum(axis=0) / np.where(varies, size, 1.0), np.nan)


def _check(truth: NDArray[np.floating], decoded: NDArray[np.floating]) -> None:
    if truth.shape != decoded.shape:
        raise BadInputError(f"expected decoded kinematics of shape {truth.shape}, found {decoded.shape}")
