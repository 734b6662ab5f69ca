"""Which unit follows which, and how many bins later."""

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats, Windows, join_bins
from spikeloop.models.evenly_spread import evenly_spread

__all__ = ["LAGS", "MOST_UNITS", "cross_correlograms"]

LAGS = 10  # bins, to either side
MOST_UNITS = 16  # that pairs are made of; of more, these are spread evenly over all


def cross_correlograms(windows: Windows) -> Floats:
    """Cross-correlation of pairs of units at lags of single bins, cov(x_i(t), x_j(t + lag)) / (std x_i std x_j).

    The covariance is the cross-correlogram without what the rates alone make (Perkel, Gerstein, Moore 1967, Biophys J
    7:419). In bins of 1 ms its peaks are those of connections and of common input.

    Parameters
    ----------
    windows : array of shape (windows, bins, units)

    Returns
    -------
    array of shape (pairs, 2 * lags + 1)
        Pairs i < j in lexical order, of at most 16 units; lags of -10 to 10 bins, or as many as a window has less one;
        at positive ones j follows. 0 where a unit never varies; empty for a single unit.
    """
    bins, units = windows.shape[1:]
    chosen = evenly_spread(units, MOST_UNITS)
    counts = np.ascontiguousarray(windows[:, :, chosen].transpose(1, 0, 2), np.float32)  # (bins, windows, units)
    counts -= counts.mean(axis=(0, 1), dtype=np.float64).astype(np.float32)
    covariances = np.stack([_covariance(counts, lag) for lag in range(min(LAGS, bins - 1) + 1)])
    varies = np.ptp(windows, axis=(0, 1))[chosen] > 0
    deviation = np.sqrt(np.maximum(0, covariances[0].diagonal()))
    scale = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=varies)
    correlations = covariances * scale[:, np.newaxis] * scale
    i, j = np.triu_indices(len(chosen), k=1)
    return np.concatenate([correlations[:0:-1, j, i], correlations[:, i, j]]).T


def _covariance(counts: NDArray[np.float32], lag: int) -> Floats:
    """Covariance of counts, (bins, windows, units), that are `lag` bins apart; row i leads column j."""
    early, late = join_bins(counts[: len(counts) - lag]), join_bins(counts[lag:])
    means = (values.mean(axis=0, dtype=np.float64) for values in (early, late))
    return (early.T @ late).astype(np.float64) / len(early) - np.outer(*means)
