"""The seven errors of the Spike-GAN paper's code, as it computes them, so that its figures can be compared.

Sums of absolute differences, not normalised by anything: they grow with units and bins and don't fall below what
sampling costs (Molano-Mazon et al. 2018, supplementary figure 2; `get_stats` of the published code).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import join_bins

__all__ = ["PublishedErrors", "published_errors"]

MAX_LAG = 10  # bins, as published


@dataclass(frozen=True)
class PublishedErrors:
    """Sums of absolute differences.

    Attributes
    ----------
    mean : spike counts per window, over units
    variance : variances of a bin's count, over units
    covariance : of different units, both triangles
    lag_covariance : one bin later, all pairs; as published, windows are joined, so seams count
    population_count : probabilities that K units fire
    autocorrelogram : over lags -10 to 10 without 0, pooled over units, relative to lag 0
    time_course : mean count over units and bins of a window
    """

    mean: float
    variance: float
    covariance: float
    lag_covariance: float
    population_count: float
    autocorrelogram: float
    time_course: float


def published_errors(sampled: NDArray[np.uint8], recorded: NDArray[np.uint8]) -> PublishedErrors:
    """Compute the seven errors of sampled windows against recorded ones.

    Parameters
    ----------
    sampled, recorded : arrays of shape (windows, bins, units)
    """
    values = zip(_statistics(sampled), _statistics(recorded), strict=True)
    return PublishedErrors(*(float(np.abs(one - other).sum()) for one, other in values))


def _statistics(windows: NDArray[np.uint8]) -> tuple[NDArray[np.float64], ...]:
    """In the order of `PublishedErrors`."""
    units = windows.shape[2]
    joined = join_bins(windows).astype(np.float64)
    covariance = np.atleast_2d(np.cov(joined.T))
    early, late = (part - part.mean(axis=0) for part in (joined[:-1], joined[1:]))
    lagged = early.T @ late / (len(early) - 1)
    population = np.bincount(joined.sum(axis=1).astype(np.int64), minlength=int(windows.max()) * units + 1)
    return (
        windows.sum(axis=1).mean(axis=0),
        covariance.diagonal(),
        covariance - np.diag(covariance.diagonal()),
        lagged,
        np.pad(population, (0, 255 * units + 1 - len(population))) / len(joined),
        _autocorrelogram(windows),
        windows.mean(axis=0),
    )


def _autocorrelogram(windows: NDArray[np.uint8]) -> NDArray[np.float64]:
    spikes = windows.astype(np.float64)
    at_zero = max(1.0, np.square(spikes).sum())
    lags = range(1, min(MAX_LAG, windows.shape[1] - 1) + 1)
    one_side = np.array([(spikes[:, :-lag] * spikes[:, lag:]).sum() for lag in lags]) / at_zero
    return np.concatenate([one_side[::-1], one_side])
