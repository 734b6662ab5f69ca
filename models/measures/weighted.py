"""Statistics of weighted windows, computed from their sums."""

import math
from functools import cached_property

import numpy as np

from spikeloop.models.arrays import Floats
from spikeloop.models.measures.statistics import correlation_of
from spikeloop.models.measures.sums import ROUNDING, Sums

__all__ = ["WeightedStatistics"]


class WeightedStatistics:
    """The statistics of weighted windows; each is what the batch function of the same name gives.

    Distributions reach as far as the largest count that was ever seen.

    Parameters
    ----------
    sums : Sums, of at least one window
    """

    def __init__(self, sums: Sums) -> None:
        self._sums = sums
        self._bins, self._units = sums.counts.shape
        self._covariances = {lag: self._covariance(lag) for lag in sums.products}

    def rates(self) -> Floats:
        return self._sums.counts.sum(axis=0) / (self._sums.weight * self._bins)

    def covariance(self) -> Floats:
        return self._covariances[0]

    def lag_1_covariance(self) -> Floats:
        return self._covariances[1]

    def lag_5_covariance(self) -> Floats:
        return self._covariances[max(self._covariances)]  # shorter windows have shorter lags

    def variance(self) -> Floats:
        return self._covariances[0].diagonal().copy()

    @cached_property
    def _correlation(self) -> Floats:
        return correlation_of(self._covariances[0])

    def correlation(self) -> Floats:
        return self._correlation

    def correlation_spectrum(self) -> Floats:
        return np.array(np.linalg.eigvalsh(self._correlation)[::-1], np.float64)

    def synchrony(self) -> Floats:
        total = self.variance().sum()
        return np.array(self._covariances[0].sum() / (self._units * total) if total > 0 else 0.0)

    def autocorrelation(self) -> Floats:
        """Of single units at lags 1, 2, ...: covariance summed over units, over the summed variance."""
        covariances = np.zeros(len(self._sums.own_products))
        for lag, products in enumerate(self._sums.own_products, start=1):
            early, late, places = self._means(lag)
            covariances[lag - 1] = (products / places - early * late).sum()
        total = self.variance().sum()
        return covariances / (total if total > 0 else math.inf)

    def fano_factor(self) -> Floats:
        weight, total, squares = self._sums.weight, self._sums.counts.sum(axis=0), self._sums.squares
        mean = total / weight
        variance = (weight * squares - total**2) / weight**2
        variance[variance <= ROUNDING * squares / weight] = 0
        return np.divide(variance, mean, out=np.ones(self._units), where=mean > 0)

    def window_counts(self) -> Floats:
        return self._sums.window_counts / self._sums.weight

    def population_count(self) -> Floats:
        return self._sums.population_counts / (self._sums.weight * self._bins)

    def interspike_intervals(self) -> Floats:
        intervals = self._sums.intervals.sum(axis=0)
        return intervals / (intervals.sum() or 1.0)

    def interval_cv(self) -> Floats:
        mean, variance = _moments(self._sums.intervals)
        return np.divide(np.sqrt(variance), mean, out=np.zeros(self._units), where=mean > 0)

    def population_spectrum(self) -> Floats:
        """The batch function first subtracts the mean, a constant, which is in frequency 0 only."""
        power = self._sums.spectrum / self._sums.weight
        power[0] = max(0.0, power[0] - (self._sums.counts.sum() / self._sums.weight) ** 2)
        return power / self._bins

    def _means(self, lag: int) -> tuple[Floats, Floats, float]:
        """Mean counts of the earlier and the later bins of all pairs, and the weighted number of pairs."""
        counts, places = self._sums.counts, self._sums.weight * (self._bins - lag)
        return counts[: self._bins - lag].sum(axis=0) / places, counts[lag:].sum(axis=0) / places, places

    def _covariance(self, lag: int) -> Floats:
        """As `lagged_covariance`; of simultaneous counts exactly zero for units that vary by rounding only."""
        early, late, places = self._means(lag)
        covariance = self._sums.products[lag] / places
        mean_square = covariance.diagonal().copy()
        covariance -= np.outer(early, late)
        if lag == 0:
            still = covariance.diagonal() <= ROUNDING * mean_square
            covariance[still] = 0
            covariance[:, still] = 0
        return covariance


def _moments(histograms: Floats) -> tuple[Floats, Floats]:
    """Mean and variance of each row's distribution over 0, 1, ...; both 0 of an empty row."""
    number = histograms.sum(axis=1, keepdims=True)
    share = np.divide(histograms, number, out=np.zeros_like(histograms), where=number > 0)
    values = np.arange(histograms.shape[1])
    mean = share @ values
    return mean, (share * (values - mean[:, np.newaxis]) ** 2).sum(axis=1)
