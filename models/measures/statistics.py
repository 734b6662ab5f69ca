"""Statistics of population spike windows, each one function of an array (windows, bins, units).

A continuous recording is one long window. Counts may be 0/1 or larger; sums are taken in float64.
"""

import numpy as np

from spikeloop.models.arrays import Floats, Windows, join_bins
from spikeloop.models.evenly_spread import evenly_spread

__all__ = [
    "autocorrelation",
    "correlation_of",
    "correlation_spectrum",
    "expected_counts",
    "fano_factor",
    "lagged_covariance",
    "pairwise_correlation",
    "pairwise_covariance",
    "population_count_distribution",
    "population_power_spectrum",
    "synchrony",
    "triplet_covariance",
    "window_count_distribution",
]

MOST_TRIPLET_UNITS = 128


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
    early, late = join_bins(windows[:, : bins - lag]), join_bins(windows[:, lag:])
    dtype, rows = _exact_chunks(windows)
    products, ones = np.zeros((windows.shape[2], windows.shape[2])), np.ones(rows, dtype)
    sum_early, sum_late = np.zeros(windows.shape[2]), np.zeros(windows.shape[2])
    for start in range(0, len(early), rows):
        before = early[start : start + rows].astype(dtype)
        after = before if lag == 0 else late[start : start + rows].astype(dtype)
        products += before.T @ after
        sum_early += ones[: len(before)] @ before
        sum_late += ones[: len(after)] @ after
    return products / len(early) - np.outer(sum_early / len(early), sum_late / len(early))


CACHED_VALUES = 2**17  # of a chunk, which stay in a core's cache
EXACT_FLOAT32 = 2**24  # up to which float32 holds every integer
LARGEST_UINT8 = 255


def _exact_chunks(windows: Windows) -> tuple[type[np.floating], int]:
    """Choose a type whose sums of products of counts are exact, and how many bins may be summed up in it."""
    largest = LARGEST_UINT8 if windows.dtype.kind == "f" else max(1, int(windows.max(initial=0)))
    cached = max(1, CACHED_VALUES // windows.shape[2])
    if largest > LARGEST_UINT8:
        return np.float64, cached
    return np.float32, min(cached, EXACT_FLOAT32 // largest**2)


def pairwise_correlation(windows: Windows) -> Floats:
    """Pearson correlation of simultaneous counts, cov(x_i, x_j) / (std x_i std x_j).

    Parameters
    ----------
    windows : array of shape (windows, bins, units)

    Returns
    -------
    array of shape (units, units), symmetric, 1 on the diagonal. A unit that never varies is uncorrelated with all.
    """
    return correlation_of(pairwise_covariance(windows))


def correlation_of(covariance: Floats) -> Floats:
    """The matrix of correlations (units, units) that belongs to one of covariances; see `pairwise_correlation`."""
    deviation = np.sqrt(covariance.diagonal().clip(min=0))  # rounding may take that of a constant unit below 0
    scale = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > 0)
    correlation = covariance * scale[:, np.newaxis] * scale
    np.fill_diagonal(correlation, 1.0)
    return correlation


def synchrony(windows: Windows) -> float:
    """How far the population fires as one: chi^2, the variance of its mean activity over the mean variance of units.

    Golomb and Rinzel 1994, Physica D 72:259; Golomb 2007, Scholarpedia 2(1):1347, eq. 3.

    Parameters
    ----------
    windows : array of shape (windows, bins, units)

    Returns
    -------
    float from 0 to 1: 1 where all units do the same, 1 / units where they are independent and vary alike, 0 where
    they cancel out. 0 also where no unit ever varies, which is then no synchrony to speak of.
    """
    variance = join_bins(windows).var(axis=0, dtype=np.float64).mean()
    return float(windows.mean(axis=2, dtype=np.float64).var() / variance) if variance > 0 else 0.0


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
    lags, covariances = np.arange(1, max_lag + 1), np.zeros(max_lag)
    for unit in range(units):
        counts = windows[:, :, unit].astype(np.float64)
        variance += counts.var()
        products = [np.einsum("wb,wb->", counts[:, : bins - lag], counts[:, lag:]) for lag in lags]
        until = np.cumsum(counts.sum(axis=0))  # spikes in each bin and those before it
        early, late = until[bins - lags - 1], until[-1] - until[lags - 1]
        pairs = len(counts) * (bins - lags)
        covariances += products / pairs - early / pairs * (late / pairs)
    return covariances / variance if variance > 0 else covariances


def fano_factor(windows: Windows) -> Floats:
    """Variance over mean of each unit's spike count in a window (Fano 1947); 1 for a Poisson process.

    Parameters
    ----------
    windows : array of shape (windows, bins, units)

    Returns
    -------
    array of shape (units,). A unit that never fires has 1, the limit of a Poisson process whose rate goes to 0.
    """
    counts = windows.sum(axis=1, dtype=np.float64)
    mean, variance = counts.mean(axis=0), counts.var(axis=0)
    return np.divide(variance, mean, out=np.ones_like(mean), where=mean > 0)


def window_count_distribution(windows: Windows) -> Floats:
    """Probability that a unit fires n spikes in a window; shows bursts that break and spikes that stray.

    Parameters
    ----------
    windows : array of shape (windows, bins, units)

    Returns
    -------
    array of shape (units, largest count + 1), each row summing to 1
    """
    counts = windows.sum(axis=1, dtype=np.int64)  # (windows, units)
    values, units = int(counts.max()) + 1, counts.shape[1]
    joint = np.bincount((counts + values * np.arange(units)).ravel(), minlength=units * values)
    return joint.reshape(units, values) / len(counts)


def correlation_spectrum(windows: Windows) -> Floats:
    """Eigenvalues of the matrix of Pearson correlations of simultaneous counts, largest first.

    Parameters
    ----------
    windows : array of shape (windows, bins, units)

    Returns
    -------
    array of shape (units,), summing to the number of units. A unit that never varies is uncorrelated with all.
    """
    return np.array(np.linalg.eigvalsh(pairwise_correlation(windows))[::-1], np.float64)


def triplet_covariance(windows: Windows) -> Floats:
    """Third central moment of the simultaneous counts of three different units (Molano-Mazon et al. 2018, fig. S2).

    E[(x_i - m_i)(x_j - m_j)(x_k - m_k)] = E[x_i x_j x_k] - m_i C_jk - m_j C_ik - m_k C_ij - m_i m_j m_k.

    Parameters
    ----------
    windows : array of shape (windows, bins, units)

    Returns
    -------
    array of shape (units over 3,): triplets i < j < k in lexical order; empty for fewer than three units. Of more units
    than `MOST_TRIPLET_UNITS` that many, spread evenly, are taken: the number of triplets grows with their third power.
    """
    windows = windows[..., evenly_spread(windows.shape[-1], MOST_TRIPLET_UNITS)]
    counts = join_bins(windows)
    units = counts.shape[1]
    mean, covariance = expected_counts(windows), pairwise_covariance(windows)
    parts = [np.empty(0)]
    for i in range(units - 2):
        rows = np.flatnonzero(counts[:, i])  # a product is zero where any factor is, and most bins are empty
        rest = counts[rows, i + 1 :].astype(np.float64)
        products = (rest * counts[rows, i, np.newaxis]).T @ rest / len(counts)
        j, k = np.triu_indices(units - i - 1, k=1)
        raw, j, k = products[j, k], j + i + 1, k + i + 1
        parts.append(
            raw
            - mean[i] * covariance[j, k]
            - mean[j] * covariance[i, k]
            - mean[k] * covariance[i, j]
            - mean[i] * mean[j] * mean[k]
        )
    return np.concatenate(parts)


def population_power_spectrum(windows: Windows) -> Floats:
    """Power of the population count over frequency: the mean periodogram of windows, |FFT(K - mean K)|^2 / bins.

    Parameters
    ----------
    windows : array of shape (windows, bins, units)

    Returns
    -------
    array of shape (bins // 2 + 1,): frequencies 0, 1, ... cycles a window
    """
    population = windows.sum(axis=2, dtype=np.float64)
    spectra = np.abs(np.fft.rfft(population - population.mean(), axis=1)) ** 2
    return spectra.mean(axis=0) / windows.shape[1]
