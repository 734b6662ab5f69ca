"""Sums over weighted windows, from which every running statistic follows.

All sums are linear in windows, so that windows may be weighted, and may come in any portions. Counts are whole numbers;
so are the sums of equally weighted windows and of their products, and float64 holds them exactly up to 2**53, which
takes days: nothing is rounded until a statistic is read, and no error grows with the stream. Two exceptions: the power
spectrum is summed from rounded terms, all of them positive; and sums of decaying weights are rounded to one part in
10**16, and these rounding errors decay with them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats, join_bins
from spikeloop.models.measures.intervals import interspike_intervals

__all__ = [
    "AUTOCORRELATION_LAGS",
    "COVARIANCE_LAGS",
    "LEAST_UNITS",
    "MOST_HALF_LIVES",
    "RARE",
    "ROUNDING",
    "Sums",
    "add_windows",
    "no_windows",
    "scale",
]

MOST_WINDOW_COUNTS = 4096  # values of a unit's count in a window that its histogram distinguishes, so that it ends
COVARIANCE_LAGS = (0, 1, 5)  # bins
AUTOCORRELATION_LAGS = 10  # bins, from 1 up
MOST_HALF_LIVES = 200  # by which weights grow before all sums are scaled down
FORGOTTEN = 2.0**-MOST_HALF_LIVES  # smaller sums hold nothing recent; kept, they would become subnormal numbers
ROUNDING = 1e-12  # of a unit's mean square: variance below that is that of rounding
EXACT_IN_FLOAT32 = 2**24
LEAST_UNITS, RARE = (
    256,
    0.02,
)  # from which units on, and below which share of bins with spikes, skipping the others pays


@dataclass(eq=False)
class Sums:
    """Sums over windows, each window multiplied by its weight; every running statistic is computed from them.

    Attributes
    ----------
    weight : float, sum of the weights of all windows
    counts : array of shape (bins, units), float64
        Sum of the counts of each bin of a window.
    products : dict of int to array of shape (units, units)
        By lag: x_i(t) x_j(t + lag), summed over the bins t of a window.
    own_products : array of shape (lags, units)
        x_i(t) x_i(t + lag), for lags of 1, 2, ... bins.
    population_counts : array of shape (values,)
        How often the population's count in a bin was 0, 1, ...
    window_counts : array of shape (units, values)
        How often a unit's count in a window was 0, 1, ...; the last of at most `MOST_WINDOW_COUNTS` values holds all
        larger counts.
    squares : array of shape (units,)
        Squares of the counts in windows.
    intervals : array of shape (units, bins)
        How often an interspike interval was 0, 1, ... bins.
    spectrum : array of shape (bins // 2 + 1,)
        |FFT|^2 of the population's counts.
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
    """Make the sums of no windows.

    Parameters
    ----------
    window_bins : int >= 2, bins of a window
    units : int >= 1
    """
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
    sums : Sums
    windows : array of shape (windows, bins, units), integers
    weights : array of shape (windows,), default None
        None gives every window the weight 1; all sums but the spectrum are then exact.
    """
    number, bins, _ = windows.shape
    largest = int(windows.max(initial=0))
    exact_in_float32 = weights is None and number * bins * largest**2 <= EXACT_IN_FLOAT32
    counts = windows.astype(np.float32 if exact_in_float32 else np.float64)
    weighted = counts if weights is None else counts * weights[:, np.newaxis, np.newaxis]
    weight = np.ones(number) if weights is None else weights

    sums.weight += float(weight.sum())
    sums.counts += weighted.sum(axis=0)
    _add_products(sums, weighted, counts)
    for lag, products in enumerate(sums.own_products, start=1):
        products += np.einsum("wbu,wbu->u", weighted[:, : bins - lag], counts[:, lag:])

    _add_population(sums, windows, weight)
    _add_window_counts(sums, windows, weight)
    _add_intervals(sums, windows, weight)


def _add_products(sums: Sums, weighted: NDArray[np.floating], counts: NDArray[np.floating]) -> None:
    _, bins, units = counts.shape
    fired = counts > 0
    if units >= LEAST_UNITS and np.count_nonzero(fired) < RARE * counts.size:
        _add_rare_products(sums, weighted, counts, np.flatnonzero(fired))
        return
    for lag, products in sums.products.items():
        products += join_bins(weighted[:, : bins - lag]).T @ join_bins(counts[:, lag:])


def _add_rare_products(
    sums: Sums, weighted: NDArray[np.floating], counts: NDArray[np.floating], places: NDArray[np.intp]
) -> None:
    """Multiply only what is not zero, which lies at these places of the flat array."""
    from scipy.sparse import csr_array

    number, bins, units = counts.shape
    rows, unit = np.divmod(places, units)
    bin_, shape = rows % bins, (number * bins, units)
    values, factors = counts.ravel()[places], weighted.ravel()[places]
    for lag, products in sums.products.items():
        early, late = bin_ < bins - lag, bin_ >= lag
        first = csr_array((factors[early], (rows[early], unit[early])), shape)
        second = csr_array((values[late], (rows[late] - lag, unit[late])), shape)
        found = (first.T @ second).tocoo()
        products[found.row, found.col] += found.data


def _add_population(sums: Sums, windows: NDArray[np.integer], weight: Floats) -> None:
    population = windows.sum(axis=2, dtype=np.int64)
    values = max(len(sums.population_counts), int(population.max(initial=0)) + 1)
    sums.population_counts = _widened(sums.population_counts, values)
    sums.population_counts += np.bincount(population.ravel(), np.repeat(weight, windows.shape[1]), values)
    sums.spectrum += weight @ np.abs(np.fft.rfft(population.astype(np.float64), axis=1)) ** 2


def _add_window_counts(sums: Sums, windows: NDArray[np.integer], weight: Floats) -> None:
    units = windows.shape[2]
    in_window = windows.sum(axis=1, dtype=np.int64)  # (windows, units)
    sums.squares += weight @ in_window.astype(np.float64) ** 2
    shown = np.minimum(in_window, MOST_WINDOW_COUNTS - 1)
    values = max(sums.window_counts.shape[1], int(shown.max(initial=0)) + 1)
    sums.window_counts = _widened(sums.window_counts, values)
    places = (shown + values * np.arange(units)).ravel()
    sums.window_counts += np.bincount(places, np.repeat(weight, units), units * values).reshape(units, values)


def _add_intervals(sums: Sums, windows: NDArray[np.integer], weight: Floats) -> None:
    """Among counts of hundreds, most intervals are of 0 bins, which are counted and not listed."""
    _, bins, units = windows.shape
    fired = windows > 0
    intervals, unit, window = interspike_intervals(fired)
    sums.intervals += np.bincount(unit * bins + intervals, weight[window], units * bins).reshape(units, bins)
    sums.intervals[:, 0] += weight @ (windows.sum(axis=1, dtype=np.int64) - fired.sum(axis=1))


def _widened(histogram: Floats, values: int) -> Floats:
    missing = values - histogram.shape[-1]
    if missing == 0:
        return histogram
    return np.concatenate([histogram, np.zeros((*histogram.shape[:-1], missing))], axis=-1)


def scale(sums: Sums, factor: float) -> None:
    """Multiply all sums by a factor below 1, in place; entries below `FORGOTTEN` become 0.

    Parameters
    ----------
    sums : Sums
    factor : float, 0 < factor < 1
    """
    sums.weight *= factor
    arrays = (sums.counts, sums.own_products, sums.squares, sums.intervals, sums.spectrum)
    histograms = (sums.population_counts, sums.window_counts)
    for array in (*arrays, *histograms, *sums.products.values()):
        array *= factor
        array[array < FORGOTTEN] = 0
