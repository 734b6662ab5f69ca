"""Whether the borders of a generator's steps show in its stream."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Counts
from spikeloop.models.errors import BadInputError

__all__ = ["seam_covariance_ratio", "seam_ratio"]

LEAST_COVARIANCE = 3.0  # in standard errors


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


def seam_covariance_ratio(counts: Counts, step_bins: int, lags: Sequence[int] = (1, 2, 3, 4, 5)) -> tuple[float, ...]:
    """Lagged covariance across the borders of steps over that inside steps, for each lag; 1 where no seam shows.

    As `seam_ratio`, which pools lags and leaves out a unit with itself: here each lag stands alone and all pairs count.

    Parameters
    ----------
    counts : array of shape (bins, units), a continuous recording or stream
    step_bins : int > every lag; borders lie at its multiples

    Returns
    -------
    one ratio a lag; NaN where there is no covariance to speak of inside steps

    Raises
    ------
    BadInputError
        If a lag does not fit inside a step, or there are not two steps.
    """
    steps = len(counts) // step_bins if step_bins > 0 else 0
    if not lags or not 1 <= min(lags) <= max(lags) < step_bins or steps < 2:
        raise BadInputError(
            f"expected at least two steps longer than the lags {tuple(lags)} (1 or more), found {len(counts)} bins"
            f" in steps of {step_bins}"
        )
    population = counts[: steps * step_bins].sum(axis=1, dtype=np.float64)  # its products sum those of all pairs
    population -= population.mean()
    ratios = []
    for lag in lags:
        products = population[:-lag] * population[lag:]
        crosses = np.arange(len(products)) % step_bins >= step_bins - lag
        within = products[~crosses]
        least = LEAST_COVARIANCE * within.std() / np.sqrt(len(within))
        seen = abs(within.mean()) > least
        ratios.append(float(products[crosses].mean() / within.mean()) if seen else float("nan"))
    return tuple(ratios)
