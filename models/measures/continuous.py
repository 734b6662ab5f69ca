"""How alike a continuous stream and a continuous recording are, in numbers the field knows, against a floor.

All compare samples of one size. The held-out recording is cut into blocks of about 10 s, and every other block is a
half. The floor is the distance between its two halves; the error is that between one half and a model's blocks in the
other half's place, so that a model that was given the held-out conditions is compared under others, as the halves are.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.likeness import MOST_DRAWS, Likeness, independent_units
from spikeloop.models.measures.statistics import (
    LEAST_COVARIANCE,
    expected_counts,
    fano_factor,
    lagged_covariance,
    pairwise_covariance,
)

__all__ = [
    "ContinuousLikeness",
    "continuous_likeness",
    "interval_moments",
    "population_count_divergence",
    "seam_covariance_ratio",
    "split_half_floors",
]

Counts = NDArray[np.uint8]
Floats = NDArray[np.float64]
Halves = tuple[Counts, Counts]

BLOCK_S = 10.0
LEAST_INTERVALS = 20  # of a unit in a half, for moments that mean something
PRIOR_COUNT = 0.5  # added to every cell of a histogram (Jeffreys), so that an empty one costs no infinity


@dataclass(frozen=True)
class ContinuousLikeness:
    """How alike a model's stream and held-out data are.

    Attributes
    ----------
    rows : E, F and I of every measure; I of independent units at the held-out data's own rates
    population_variance_ratio : variance of the population count, model / held out
    skipped_units : the most in one comparison, of which intervals were too few
    """

    rows: tuple[Likeness, ...]
    population_variance_ratio: float
    skipped_units: int


def population_count_divergence(real: Counts, model: Counts) -> float:
    """KL divergence KL(real || model) of the spikes that fall into a bin of the whole population, in nats.

    Both are counted in the same cells: as wide as Freedman and Diaconis advise for the real counts, 2 IQR / n^(1/3),
    in whole spikes, over the range of the real counts, and an open cell on either side of it. Half a count is added to
    every cell.

    Parameters
    ----------
    real, model : arrays of shape (..., units), whole counts
    """
    one, other = (each.sum(axis=-1, dtype=np.int64).ravel() for each in (real, model))
    low, high = np.percentile(one, [25, 75])
    width = max(1, round(2 * (high - low) / len(one) ** (1 / 3)))
    edges = np.arange(one.min(), one.max() + width + 1, width)
    cells = len(edges) + 1
    p, q = (np.bincount(np.digitize(each, edges), minlength=cells) + PRIOR_COUNT for each in (one, other))
    p, q = p / p.sum(), q / q.sum()
    return float((p * np.log(p / q)).sum())


def interval_moments(windows: Counts) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Mean and standard deviation of each unit's interspike intervals inside windows, in bins, and their number.

    The n spikes of one bin are taken to lie at (k + 1/2) / n of it.

    Parameters
    ----------
    windows : array of shape (windows, bins, units)

    Returns
    -------
    three arrays of shape (units,); moments are 0 for a unit without intervals
    """
    units = windows.shape[2]
    trains = np.ascontiguousarray(windows.transpose(2, 0, 1))  # (units, windows, bins)
    counts = trains.reshape(-1).astype(np.int64)
    place = np.repeat(np.arange(len(counts)), counts)
    rank = np.arange(len(place)) - np.repeat(np.cumsum(counts) - counts, counts)
    time = place + (rank + 0.5) / counts[place]
    train = place // windows.shape[1]
    together = train[1:] == train[:-1]
    intervals, unit = np.diff(time)[together], (train // windows.shape[0])[1:][together]
    number = np.bincount(unit, minlength=units)
    mean = np.bincount(unit, weights=intervals, minlength=units) / np.maximum(1, number)
    square = np.bincount(unit, weights=(intervals - mean[unit]) ** 2, minlength=units) / np.maximum(1, number)
    return mean, np.sqrt(square), number


def _correlation_error(one: Counts, other: Counts) -> float:
    pairs = np.triu_indices(one.shape[2], k=1)
    return _rmse(*(_scaled(pairwise_covariance(each), each)[pairs] for each in (one, other)))


def _autocorrelation_error(one: Counts, other: Counts) -> float:
    return _rmse(*(_scaled(lagged_covariance(each, 1), each).diagonal() for each in (one, other)))


def _scaled(covariance: Floats, windows: Counts) -> Floats:
    """Covariance in units of standard deviations; 0 for units that never vary."""
    deviation = windows.std(axis=(0, 1), dtype=np.float64)
    scale = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=np.ptp(windows, axis=(0, 1)) > 0)
    return covariance * scale[:, np.newaxis] * scale


def _interval_error(moment: int) -> Callable[[Counts, Counts], float]:
    def error(one: Counts, other: Counts) -> float:
        enough = _enough_intervals(one, other)
        moments = [interval_moments(each)[:2][moment][enough] for each in (one, other)]
        return _rmse(*moments)

    return error


def _enough_intervals(one: Counts, other: Counts) -> NDArray[np.bool_]:
    numbers = [interval_moments(each)[2] for each in (one, other)]
    return np.minimum(*numbers) >= LEAST_INTERVALS


def _population_variance(windows: Counts) -> float:
    return float(windows.sum(axis=2, dtype=np.float64).var())


def _variance_error(one: Counts, other: Counts) -> float:
    """|ln| of the ratio; infinite where one never varies."""
    variances = [_population_variance(each) for each in (one, other)]
    if min(variances) == 0:
        return 0.0 if max(variances) == 0 else float("inf")
    return abs(float(np.log(variances[0] / variances[1])))


def _fano_error(one: Counts, other: Counts) -> float:
    """Of the counts in single bins."""
    return _rmse(*(fano_factor(each.reshape(-1, 1, each.shape[2])) for each in (one, other)))


def _silence_error(one: Counts, other: Counts) -> float:
    """Number of units that are silent in just one of the two."""
    return float((one.any(axis=(0, 1)) != other.any(axis=(0, 1))).sum())


def _rate_error(one: Counts, other: Counts) -> float:
    return _rmse(expected_counts(one), expected_counts(other))


INTERVALS = ("mean interval (s)", "sd of intervals (s)")
# distances of a model's windows (second) from real ones (first); of intervals in bins
MEASURES: Mapping[str, Callable[[Counts, Counts], float]] = {
    "rates": _rate_error,
    "population count KL": population_count_divergence,
    "population variance": _variance_error,
    "correlation": _correlation_error,
    INTERVALS[0]: _interval_error(0),
    INTERVALS[1]: _interval_error(1),
    "Fano factor": _fano_error,
    "lag-1 autocorrelation": _autocorrelation_error,
    "silent units": _silence_error,
}


def split_half_floors(real: Counts, bin_size_s: float) -> dict[str, float]:
    """What every measure gives between two halves of one recording, alternating blocks of 10 s, by name.

    Parameters
    ----------
    real : array of shape (bins, units)

    Raises
    ------
    BadInputError
        If it is shorter than two blocks.
    """
    halves = _halves(real, bin_size_s)
    return _distances(halves, [halves], bin_size_s)


def continuous_likeness(
    model: Counts, held_out: Counts, bin_size_s: float, random: np.random.Generator
) -> ContinuousLikeness:
    """Judge a model's stream by a recording that it never saw.

    Root mean squared errors over units or pairs, in expected counts per bin, seconds, or without unit; of the
    population count's variance the absolute logarithm of the ratio. Units with fewer than 20 intervals inside the
    blocks of either side have no interval moments.

    Parameters
    ----------
    model, held_out : arrays of shape (bins, units)
        As many bins as are held out are compared at a time; errors are means over as many such stretches as there are.

    Raises
    ------
    BadInputError
        If units differ, the model's stream is shorter than the recording, or that is shorter than two blocks.
    """
    size = len(held_out)
    if model.shape[1:] != held_out.shape[1:] or len(model) < size:
        raise BadInputError(
            f"expected at least {size} bins of {held_out.shape[1:]} units of the model, as are held out;"
            f" found {model.shape}"
        )
    real = _halves(held_out, bin_size_s)
    stretches = model[: size * min(MOST_DRAWS, len(model) // size)].reshape(-1, *held_out.shape)
    modelled = [_halves(stretch, bin_size_s) for stretch in stretches]
    first, second = (independent_units(half, len(half), random) for half in real)
    errors, floors, ceilings = (
        _distances(real, others, bin_size_s) for others in (modelled, [real], [(first, second)])
    )
    variance = _population_variance(held_out[np.newaxis])
    return ContinuousLikeness(
        rows=tuple(Likeness(name, errors[name], floors[name], ceilings[name]) for name in MEASURES),
        population_variance_ratio=_population_variance(stretches) / variance if variance > 0 else float("nan"),
        skipped_units=max(int((~_enough_intervals(*pair)).sum()) for pair in _crossed(real, [real, *modelled])),
    )


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


def _halves(counts: Counts, bin_size_s: float) -> Halves:
    """Even and odd blocks, each (blocks, bins, units); what is left at the end is dropped."""
    block = max(2, round(BLOCK_S / bin_size_s))
    pairs = len(counts) // (2 * block)
    if pairs == 0:
        raise BadInputError(
            f"expected at least two blocks of {block} bins ({BLOCK_S:g} s) to make two halves, found {len(counts)} bins"
        )
    blocks = counts[: pairs * 2 * block].reshape(2 * pairs, block, -1)
    return blocks[::2], blocks[1::2]


def _crossed(real: Halves, others: Sequence[Halves]) -> list[Halves]:
    """Each real half with the other half of each of the others."""
    return [pair for first, second in others for pair in ((real[0], second), (real[1], first))]


def _distances(real: Halves, others: Sequence[Halves], bin_size_s: float) -> dict[str, float]:
    """Every measure, its mean over pairs of halves."""
    pairs = _crossed(real, others)
    scale = {name: bin_size_s if name in INTERVALS else 1.0 for name in MEASURES}
    return {
        name: scale[name] * float(np.mean([measure(*pair) for pair in pairs])) for name, measure in MEASURES.items()
    }


def _rmse(one: Floats, other: Floats) -> float:
    return float(np.sqrt(np.square(one - other).mean())) if one.size else float("nan")
