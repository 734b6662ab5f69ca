"""Statistics of population spike windows, each one function of an array (windows, bins, units).

A continuous recording is one long window. Counts may be 0/1 or larger; sums are taken in float64.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "autocorrelation",
    "correlation_of",
    "correlation_spectrum",
    "expected_counts",
    "fano_factor",
    "interspike_interval_cv",
    "interspike_interval_distribution",
    "interspike_intervals",
    "lagged_covariance",
    "pairwise_correlation",
    "pairwise_covariance",
    "population_count_distribution",
    "population_power_spectrum",
    "seam_ratio",
    "synchrony",
    "triplet_covariance",
    "window_count_distribution",
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
    small = windows.dtype.kind == "f" or int(windows.max(initial=0)) <= LARGEST_UINT8
    dtype, rows = (np.float32, 2**24 // LARGEST_UINT8**2) if small else (np.float64, windows.size)
    early = windows[:, : bins - lag].reshape(-1, windows.shape[2]).astype(dtype)
    late = early if lag == 0 else windows[:, lag:].reshape(-1, windows.shape[2]).astype(dtype)
    products = np.zeros((windows.shape[2], windows.shape[2]))
    for start in range(0, len(early), rows):
        products += early[start : start + rows].T @ late[start : start + rows]
    mean_early = expected_counts(windows[:, : bins - lag])
    mean_late = mean_early if lag == 0 else expected_counts(windows[:, lag:])
    return products / len(early) - np.outer(mean_early, mean_late)


LEAST_COVARIANCE = 3.0  # in standard errors
LARGEST_UINT8 = 255


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
    deviation = np.sqrt(covariance.diagonal())
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
    variance = windows.reshape(-1, windows.shape[2]).var(axis=0, dtype=np.float64).mean()
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
    covariances = np.zeros(max_lag)
    for unit in range(units):
        counts = windows[:, :, unit].astype(np.float64)
        in_bin = counts.mean(axis=0)
        variance += counts.var()
        for lag in range(1, max_lag + 1):
            product = np.einsum("wb,wb->", counts[:, : bins - lag], counts[:, lag:]) / (len(counts) * (bins - lag))
            covariances[lag - 1] += product - in_bin[: bins - lag].mean() * in_bin[lag:].mean()
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


def interspike_interval_distribution(windows: Windows) -> Floats:
    """Probability that a spike's next one in the same unit and window follows k bins later, all units pooled.

    Several spikes in one bin count as intervals of 0 bins. Intervals longer than a window are not seen, in a
    model's windows as little as in a recording's.

    Parameters
    ----------
    windows : array of shape (windows, bins, units)

    Returns
    -------
    array of shape (bins,): intervals of 0 to bins - 1. All zero where no unit fires twice in a window.
    """
    intervals, _, _ = interspike_intervals(windows)
    histogram = np.bincount(intervals, minlength=windows.shape[1]).astype(np.float64)
    return histogram / max(1.0, histogram.sum())


def interspike_interval_cv(windows: Windows) -> Floats:
    """Coefficient of variation of each unit's interspike intervals inside windows, std / mean.

    Parameters
    ----------
    windows : array of shape (windows, bins, units)

    Returns
    -------
    array of shape (units,). 0 for a unit with no intervals, or none but of 0 bins.
    """
    units = windows.shape[2]
    intervals, unit, _ = interspike_intervals(windows)
    number = np.maximum(1, np.bincount(unit, minlength=units))
    mean = np.bincount(unit, weights=intervals, minlength=units) / number
    square = np.bincount(unit, weights=intervals.astype(np.float64) ** 2, minlength=units) / number
    deviation = np.sqrt(np.maximum(0, square - mean**2))
    return np.divide(deviation, mean, out=np.zeros(units), where=mean > 0)


def interspike_intervals(windows: Windows) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Every interspike interval inside a window, in bins, with the unit and the window that it belongs to.

    Parameters
    ----------
    windows : array of shape (windows, bins, units), of integers or booleans

    Returns
    -------
    (intervals, units, windows), each an array of shape (intervals,), sorted by unit, window and time
    """
    trains = np.ascontiguousarray(windows.transpose(2, 0, 1))  # (units, windows, bins)
    places = np.flatnonzero(trains > 0)
    spikes = np.repeat(places, trains.reshape(-1)[places])
    train = spikes // windows.shape[1]
    together = train[1:] == train[:-1]
    unit, window = np.divmod(train[1:][together], windows.shape[0])
    return np.diff(spikes)[together], unit, window


def correlation_spectrum(windows: Windows) -> Floats:
    """Eigenvalues of the matrix of Pearson correlations of simultaneous counts, largest first.

    Parameters
    ----------
    windows : array of shape (windows, bins, units)

    Returns
    -------
    array of shape (units,), summing to the number of units. A unit that never varies is uncorrelated with all.
    """
    return np.linalg.eigvalsh(pairwise_correlation(windows))[::-1].copy()


def triplet_covariance(windows: Windows) -> Floats:
    """Third central moment of the simultaneous counts of three different units (Molano-Mazon et al. 2018, fig. S2).

    E[(x_i - m_i)(x_j - m_j)(x_k - m_k)] = E[x_i x_j x_k] - m_i C_jk - m_j C_ik - m_k C_ij - m_i m_j m_k.

    Parameters
    ----------
    windows : array of shape (windows, bins, units)

    Returns
    -------
    array of shape (units over 3,): triplets i < j < k in lexical order; empty for fewer than three units.
    """
    counts = windows.reshape(-1, windows.shape[2])
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


def seam_ratio(counts: NDArray[np.uint8], step_bins: int, max_lag: int = 5) -> float:
    """Lagged covariance across the borders of steps over that inside steps; 1 where nothing shows a seam.

    NaN where there is no covariance to speak of inside steps.

    The covariances of all pairs of units at lags 1 to `max_lag` are summed over pairs of bins on two sides of a
    border, and over pairs on one side, each sum divided by its number of pairs of bins.

    Parameters
    ----------
    counts : array of shape (bins, units), a continuous recording or stream
    step_bins : int > max_lag; borders lie at its multiples

    Raises
    ------
    ValueError
        If steps are not longer than `max_lag`, or there are not two of them.
    """
    steps = len(counts) // step_bins if step_bins > 0 else 0
    if not 1 <= max_lag < step_bins or steps < 2:
        raise ValueError(
            f"expected at least two steps of more than {max_lag} bins, got {len(counts)} bins in steps of {step_bins}"
        )
    whole = counts[: steps * step_bins]
    own = whole - whole.mean(axis=0)
    population = own.sum(axis=1)  # its products are the sums of those of all pairs
    across, within, noise = 0.0, 0.0, 0.0
    for lag in range(1, max_lag + 1):
        early, late = population[:-lag], population[lag:]
        products = early * late - np.einsum("tu,tu->t", own[:-lag], own[lag:])  # different units only
        crosses = np.arange(len(products)) % step_bins >= step_bins - lag
        across += products[crosses].mean()
        within += products[~crosses].mean()
        noise += products[~crosses].std() / np.sqrt((~crosses).sum())
    return float(across / within) if within > LEAST_COVARIANCE * noise else float("nan")
