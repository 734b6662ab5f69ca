"""Running statistics of a stream of counts: at any time what the batch functions give on all windows so far.

All are had from sums that are linear in windows, so that windows may be weighted, and come in any portions. Counts
are whole numbers; so are then sums of equally weighted windows and of their products, and float64 holds them exactly
up to 2**53, over days: nothing is rounded until a statistic is read, and no error grows with the stream. (The power
spectrum alone is summed from rounded terms, all of them positive.) Sums of windows whose weights decay are rounded,
each to one part in 10**16, and rounding errors decay with them.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.statistics import correlation_of, interspike_intervals

__all__ = ["LARGEST_COUNT", "RunningStatistics", "Sums", "WindowCutter", "add_windows", "no_windows", "statistics_from"]

Windows = NDArray[Any]  # of whole numbers, whatever their type
Floats = NDArray[np.float64]

LARGEST_COUNT = 1000  # in a bin; more are no spikes
MOST_WINDOW_COUNTS = 4096  # of a unit in a window, told apart in a histogram, which would grow without bound
BLOCK_BINS = 512  # that are summed at once: enough for a matrix product to pay for its passes over memory
COVARIANCE_LAGS = (0, 1, 5)
AUTOCORRELATION_LAGS = 10
MOST_HALF_LIVES = 200  # by which weights grow before all sums are scaled down
FORGOTTEN = 2.0**-MOST_HALF_LIVES  # a scaled sum that nothing recent entered; kept, it would become subnormal
ROUNDING = 1e-12  # of a unit's mean square: variance below is that of rounding
_EXACT_IN_FLOAT32 = 2**24


class WindowCutter:
    """Cuts a stream into adjacent windows, whatever the size of its chunks.

    Parameters
    ----------
    window_bins, units : shape of a window
    """

    def __init__(self, window_bins: int, units: int) -> None:
        self._window_bins = window_bins
        self._rest = np.empty((0, units), np.uint8)

    def cut(self, counts: Windows) -> Windows:
        """Windows that a chunk completes; what is left waits for the next chunk.

        Parameters
        ----------
        counts : array of shape (bins, units)

        Returns
        -------
        array of shape (windows, window_bins, units), which may be none, of the chunk's type

        Raises
        ------
        BadInputError
            If the chunk has other units.
        """
        units = self._rest.shape[1]
        if counts.ndim != 2 or counts.shape[1] != units:
            raise BadInputError(f"expected a chunk of shape (bins, {units}), found {counts.shape}; start a new cutter")
        joined = np.concatenate([self._rest, counts])  # of the wider type
        whole = len(joined) // self._window_bins * self._window_bins
        self._rest = joined[whole:].copy()  # not a view, which would keep the whole chunk
        return joined[:whole].reshape(-1, self._window_bins, units)

    def drop(self) -> int:
        """Forget the unfinished window, as a gap in the stream demands; how many bins that were."""
        dropped = len(self._rest)
        self._rest = self._rest[:0]
        return dropped


@dataclass(eq=False)
class Sums:
    """Sums over windows, each times its window's weight; what all statistics are made of.

    Attributes
    ----------
    weight : of windows
    counts : array of shape (bins, units), of every bin of the window on its own
    products : by lag, arrays of shape (units, units): x_i(t) x_j(t + lag), summed over the bins t of a window
    own_products : array of shape (lags, units): x_i(t) x_i(t + lag), lags from 1 up
    population_counts : array of shape (values,), how often the population's count in a bin was 0, 1, ...
    window_counts : array of shape (units, values), how often a unit's count in a window was 0, 1, ...; the last of at
        most `MOST_WINDOW_COUNTS` values stands for all beyond
    squares : array of shape (units,), of the counts in windows
    intervals : array of shape (units, bins), how often an interspike interval was 0, 1, ... bins
    spectrum : array of shape (bins // 2 + 1,), |FFT|^2 of the population's counts
    """

    weight: float
    counts: Floats
    products: dict[int, Floats]
    own_products: Floats
    population_counts: Floats
    window_counts: Floats
    squares: Floats
    intervals: Floats
    spectrum: Floats


def no_windows(window_bins: int, units: int) -> Sums:
    """Sums of no windows yet, which may be of two bins or more."""
    lags = sorted({min(lag, window_bins - 1) for lag in COVARIANCE_LAGS})
    return Sums(
        weight=0.0,
        counts=np.zeros((window_bins, units)),
        products={lag: np.zeros((units, units)) for lag in lags},
        own_products=np.zeros((min(AUTOCORRELATION_LAGS, window_bins - 1), units)),
        population_counts=np.zeros(0),
        window_counts=np.zeros((units, 0)),
        squares=np.zeros(units),
        intervals=np.zeros((units, window_bins)),
        spectrum=np.zeros(window_bins // 2 + 1),
    )


def add_windows(sums: Sums, windows: NDArray[np.integer], weights: Floats | None = None) -> None:
    """Add windows to the sums, in place.

    Parameters
    ----------
    windows : array of shape (windows, bins, units)
    weights : array of shape (windows,); where absent each is 1, and all sums but the spectrum exact
    """
    number, bins, units = windows.shape
    largest = int(windows.max(initial=0))
    exact_in_float32 = weights is None and number * bins * largest**2 <= _EXACT_IN_FLOAT32
    counts = windows.astype(np.float32 if exact_in_float32 else np.float64)
    weighted = counts if weights is None else counts * weights[:, np.newaxis, np.newaxis]
    each = np.ones(number) if weights is None else weights

    sums.weight += float(each.sum())
    sums.counts += weighted.sum(axis=0)
    for lag, products in sums.products.items():
        products += weighted[:, : bins - lag].reshape(-1, units).T @ counts[:, lag:].reshape(-1, units)
    for lag, products in enumerate(sums.own_products, start=1):
        products += np.einsum("wbu,wbu->u", weighted[:, : bins - lag], counts[:, lag:])

    population = windows.sum(axis=2, dtype=np.int64)
    values = max(len(sums.population_counts), int(population.max(initial=0)) + 1)
    sums.population_counts = _widened(sums.population_counts, values)
    sums.population_counts += np.bincount(population.ravel(), np.repeat(each, bins), values)

    in_window = windows.sum(axis=1, dtype=np.int64)  # (windows, units)
    sums.squares += each @ in_window.astype(np.float64) ** 2
    told_apart = np.minimum(in_window, MOST_WINDOW_COUNTS - 1)
    values = max(sums.window_counts.shape[1], int(told_apart.max(initial=0)) + 1)
    sums.window_counts = _widened(sums.window_counts, values)
    places = (told_apart + values * np.arange(units)).ravel()
    sums.window_counts += np.bincount(places, np.repeat(each, units), units * values).reshape(units, values)

    fired = windows > 0  # of counts of hundreds, most intervals are of 0 bins, and better counted than listed
    intervals, unit, window = interspike_intervals(fired)
    sums.intervals += np.bincount(unit * bins + intervals, each[window], units * bins).reshape(units, bins)
    sums.intervals[:, 0] += each @ (in_window - fired.sum(axis=1))
    sums.spectrum += each @ np.abs(np.fft.rfft(population.astype(np.float64), axis=1)) ** 2


def _widened(histogram: Floats, values: int) -> Floats:
    missing = values - histogram.shape[-1]
    if missing == 0:
        return histogram
    return np.concatenate([histogram, np.zeros((*histogram.shape[:-1], missing))], axis=-1)


def _scale(sums: Sums, factor: float) -> None:
    """Scale all sums down in place; those that become too small to matter are forgotten."""
    sums.weight *= factor
    arrays = (sums.counts, sums.own_products, sums.squares, sums.intervals, sums.spectrum)
    histograms = (sums.population_counts, sums.window_counts)
    for array in (*arrays, *histograms, *sums.products.values()):
        array *= factor
        array[array < FORGOTTEN] = 0


def statistics_from(sums: Sums) -> dict[str, Floats]:
    """Every statistic of weighted windows, by the names of `likeness.STATISTICS`, but for triplets, which no sums of
    order units^2 give; and besides "variance", "correlation" and "synchrony".

    See the functions of `statistics` for shapes. Distributions reach as far as the largest count that was ever seen.
    """
    bins, units = sums.counts.shape
    covariance = {lag: _covariance(sums, lag) for lag in sums.products}
    simultaneous, longest = covariance[0], max(covariance)
    variance = simultaneous.diagonal().copy()
    correlation = correlation_of(simultaneous)
    of_all = sums.counts.sum(axis=0)
    mean_count = of_all / sums.weight
    count_variance = (sums.weight * sums.squares - of_all**2) / sums.weight**2
    count_variance[count_variance <= ROUNDING * sums.squares / sums.weight] = 0
    mean_interval, interval_variance = _moments(sums.intervals)
    intervals = sums.intervals.sum(axis=0)
    fano = np.divide(count_variance, mean_count, out=np.ones(units), where=mean_count > 0)
    cv = np.divide(np.sqrt(interval_variance), mean_interval, out=np.zeros(units), where=mean_interval > 0)
    varies = variance.sum() > 0
    return {
        "rates": sums.counts.sum(axis=0) / (sums.weight * bins),
        "variance": variance,
        "Fano factor": fano,
        "window counts": sums.window_counts / sums.weight,
        "interspike intervals": intervals / (intervals.sum() or 1.0),
        "interval CV": cv,
        "autocorrelation": _autocovariance(sums) / (variance.sum() if varies else math.inf),
        "covariance": simultaneous,
        "lag-1 covariance": covariance[1],
        "lag-5 covariance": covariance[longest],
        "correlation": correlation,
        "correlation spectrum": np.linalg.eigvalsh(correlation)[::-1].copy(),
        "population count": sums.population_counts / (sums.weight * bins),
        "population spectrum": _power(sums),
        "synchrony": np.array(simultaneous.sum() / (units * variance.sum()) if varies else 0.0),
    }


def _covariance(sums: Sums, lag: int) -> Floats:
    """As `lagged_covariance`; of simultaneous counts exactly zero for units that don't vary but by rounding."""
    bins = len(sums.counts)
    places = sums.weight * (bins - lag)
    early, late = sums.counts[: bins - lag].sum(axis=0) / places, sums.counts[lag:].sum(axis=0) / places
    covariance = sums.products[lag] / places
    mean_square = covariance.diagonal().copy()
    covariance -= np.outer(early, late)
    if lag == 0:
        still = covariance.diagonal() <= ROUNDING * mean_square
        covariance[still] = 0
        covariance[:, still] = 0
    return covariance


def _autocovariance(sums: Sums) -> Floats:
    """Of single units at lags 1, 2, ..., summed over units."""
    bins = len(sums.counts)
    covariances = np.zeros(len(sums.own_products))
    for lag, products in enumerate(sums.own_products, start=1):
        places = sums.weight * (bins - lag)
        early, late = sums.counts[: bins - lag].sum(axis=0) / places, sums.counts[lag:].sum(axis=0) / places
        covariances[lag - 1] = (products / places - early * late).sum()
    return covariances


def _moments(histograms: Floats) -> tuple[Floats, Floats]:
    """Mean and variance of each row's distribution over 0, 1, ...; both 0 of an empty row."""
    number = histograms.sum(axis=1, keepdims=True)
    share = np.divide(histograms, number, out=np.zeros_like(histograms), where=number > 0)
    values = np.arange(histograms.shape[1])
    mean = share @ values
    return mean, (share * (values - mean[:, np.newaxis]) ** 2).sum(axis=1)


def _power(sums: Sums) -> Floats:
    """The constant that the batch function subtracts first, the mean, is in frequency 0 only."""
    bins = len(sums.counts)
    power = sums.spectrum / sums.weight
    power[0] = max(0.0, power[0] - (sums.counts.sum() / sums.weight) ** 2)
    return power / bins


class RunningStatistics:
    """Statistics of all windows so far, of which older ones may count for less.

    The newest window has weight 1, and one that came k windows before it 2^(-k / half_life_windows).

    Windows wait until there are enough for a matrix product; reading takes in those that wait. A bin costs of the
    order of units^2, memory passes included, and reading units^3, for the correlation spectrum.

    Parameters
    ----------
    window_bins : int >= 2
    units : int >= 1
    half_life_windows : float > 0; infinite for statistics since the start

    Raises
    ------
    BadInputError
        If one of these is out of range.
    """

    def __init__(self, window_bins: int, units: int, half_life_windows: float = math.inf) -> None:
        if window_bins < 2 or units < 1 or not half_life_windows > 0:
            raise BadInputError(
                "expected windows of at least 2 bins of 1 unit and a half-life above 0, found"
                f" {window_bins} bins, {units} units, half-life {half_life_windows:g} windows"
            )
        self._half_life = half_life_windows
        self._seen = 0
        self._exponent = 0.0  # the newest window is weighted 2 ** exponent, and sums scaled down where that is large
        self._sums = no_windows(window_bins, units)
        self._waiting = np.empty((-(-BLOCK_BINS // window_bins), window_bins, units), np.uint16)
        self._number_waiting = 0

    @property
    def windows(self) -> int:
        """Number of windows so far."""
        return self._seen

    @property
    def effective_windows(self) -> float:
        """Number of equally weighted windows whose mean would be as sure: (sum w)^2 / sum w^2 (Kish 1965)."""
        if math.isinf(self._half_life):
            return float(self._seen)
        half_decay = math.log(2) / self._half_life / 2
        return math.tanh(self._seen * half_decay) / math.tanh(half_decay)

    def add(self, windows: Windows) -> None:
        """Take in windows, oldest first.

        Parameters
        ----------
        windows : array of shape (windows, window_bins, units); whole numbers of any type

        Raises
        ------
        BadInputError
            If windows are of another shape, or hold anything but whole counts from 0 to `LARGEST_COUNT`.
        """
        _check(windows, self._waiting.shape[1:])
        self._seen += len(windows)
        while len(windows):
            taken = windows[: len(self._waiting) - self._number_waiting]
            self._waiting[self._number_waiting : self._number_waiting + len(taken)] = taken
            self._number_waiting += len(taken)
            windows = windows[len(taken) :]
            if self._number_waiting == len(self._waiting):
                self._take_in()

    def statistics(self) -> dict[str, Floats]:
        """By name; see `statistics_from`.

        Raises
        ------
        BadInputError
            If there was no window yet.
        """
        if self._seen == 0:
            raise BadInputError("expected at least one whole window, found none; read statistics once one has arrived")
        self._take_in()
        return statistics_from(self._sums)

    def _take_in(self) -> None:
        waiting, self._number_waiting = self._waiting[: self._number_waiting], 0
        if math.isinf(self._half_life):
            add_windows(self._sums, waiting)
            return
        self._exponent += len(waiting) / self._half_life
        if self._exponent > MOST_HALF_LIVES:
            whole = math.floor(self._exponent)
            _scale(self._sums, 2.0**-whole)
            self._exponent -= whole
        ages = np.arange(len(waiting))[::-1]
        add_windows(self._sums, waiting, 2.0 ** (self._exponent - ages / self._half_life))


def _check(windows: Windows, shape: tuple[int, ...]) -> None:
    if windows.ndim != 3 or windows.shape[1:] != shape:
        raise BadInputError(f"expected windows of shape {shape} (bins, units), found {windows.shape[1:]}")
    fits = (windows >= 0) & (windows <= LARGEST_COUNT)
    if windows.dtype.kind == "f":
        fits &= windows == np.floor(windows)
    if not fits.all():
        raise BadInputError(
            f"expected whole counts from 0 to {LARGEST_COUNT}, found {windows[~fits][0]}; give it spike counts"
        )
