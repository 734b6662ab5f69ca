"""Statistics of population spike windows, each one function of an array (windows, bins, units).

A continuous recording is one long window. Counts may be 0/1 or larger; sums are taken in float64.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "autocorrelation",
    "expected_counts",
    "lagged_covariance",
    "pairwise_covariance",
    "population_count_distribution",
]

Windows = NDArray[np.uint8]
Floats = NDArray[np.float64]


def expected_counts(windows: Windows) -> Floats:
    """Mean spike count per bin of each unit; divide by the bin size for a rate in Hz.

    Parameters
    ----------
    windows : array of shape (windows, bins, units)

    Returns
    -------
    array of shape (units,)
    """
    return windows.mean(axis=(0, 1), dtype=np.float64)


def pairwise_covariance(windows: Windows) -> Floats:
    """Covariance of simultaneous counts, cov(x_i(t), x_j(t)), normalised by the number of bins.

    Parameters
    ----------
    windows : array of shape (windows, bins, units)

    Returns
    -------
    array of shape (units, units), symmetric; the diagonal holds the variances.
    """
    return lagged_covariance(windows, lag=0)


def lagged_covariance(windows: Windows, lag: int) -> Floats:
    """Covariance of counts that lie `lag` bins apart in the same window, cov(x_i(t), x_j(t + lag)).

    Both means are taken over the very bins that enter the product, so that a window's edges add no bias.

    Parameters
    ----------
    windows : array of shape (windows, bins, units)
    lag : int, 0 <= lag < bins

    Returns
    -------
    array of shape (units, units); row i leads column j.

    Raises
    ------
    ValueError
        If `lag` does not fit inside a window.
    """
    bins = windows.shape[1]
    if not 0 <= lag < bins:
        raise ValueError(f"expected a lag from 0 to {bins - 1} (windows have {bins} bins), got {lag}")
    # float32 holds sums of small integers exactly up to 2**24, and its matrix product is twice as fast
    early = windows[:, : bins - lag].reshape(-1, windows.shape[2]).astype(np.float32)
    late = windows[:, lag:].reshape(-1, windows.shape[2]).astype(np.float32)
    products = np.zeros((windows.shape[2], windows.shape[2]))
    for start in range(0, len(early), _EXACT_ROWS):
        products += early[start : start + _EXACT_ROWS].T @ late[start : start + _EXACT_ROWS]
    return products / len(early) - np.outer(early.mean(0, dtype=np.float64), late.mean(0, dtype=np.float64))


_EXACT_ROWS = 2**24 // 255**2  # rows whose products of two uint8 counts still sum exactly in float32


def population_count_distribution(windows: Windows) -> Floats:
    """Probability that K spikes fall into one bin of the whole population (Tkačik et al. 2014).

    Parameters
    ----------
    windows : array of shape (windows, bins, units)

    Returns
    -------
    array of shape (largest count + 1,), summing to 1
    """
    population_counts = windows.sum(axis=2, dtype=np.int64).ravel()
    return np.bincount(population_counts) / population_counts.size


def autocorrelation(windows: Windows, max_lag: int) -> Floats:
    """Autocorrelation of single units, averaged over units: sum_i cov(x_i(t), x_i(t+lag)) / sum_i var(x_i).

    Parameters
    ----------
    windows : array of shape (windows, bins, units)
    max_lag : int, 1 <= max_lag < bins

    Returns
    -------
    array of shape (max_lag,): lags 1 to `max_lag`. Zero where no unit ever varies.
    """
    bins, units = windows.shape[1:]
    if not 1 <= max_lag < bins:
        raise ValueError(f"expected a largest lag from 1 to {bins - 1} (windows have {bins} bins), got {max_lag}")
    variance = 0.0
    covariances = np.zeros(max_lag)
    for unit in range(units):
        counts = windows[:, :, unit].astype(np.float64)
        variance += counts.var()
        for lag in range(1, max_lag + 1):
            early, late = counts[:, : bins - lag], counts[:, lag:]
            covariances[lag - 1] += np.mean(early * late) - early.mean() * late.mean()
    return covariances / variance if variance > 0 else covariances
