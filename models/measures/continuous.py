"""How alike a continuous stream and a continuous recording are, in numbers the field knows, against a floor.

All compare samples of one size. The held-out recording is cut into blocks of about 10 s, and every other block is a
half. The floor is the distance between its two halves; the error is that between one half and a model's blocks in the
other half's place, so that a model that was given the held-out conditions is compared under others, as the halves are.
Of a recording in repeats, no interval and no lag reaches from one repeat into the next.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Counts, Floats
from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.distances import pairs, rms_difference
from spikeloop.models.measures.intervals import interval_moments
from spikeloop.models.measures.similarity import MOST_DRAWS, Similarity, independent_units
from spikeloop.models.measures.statistics import expected_counts, fano_factor, lagged_covariance, pairwise_covariance
from spikeloop.models.recordings.repeats import pad_repeats

__all__ = [
    "ContinuousSimilarity",
    "continuous_similarity",
    "population_count_divergence",
    "split_half_floors",
]

BLOCK_S = 10.0
LEAST_INTERVALS = 20  # of a unit in a half, for moments that mean something
PRIOR_COUNT = 0.5  # added to every cell of a histogram (Jeffreys), so that an empty one costs no infinity


@dataclass(frozen=True, eq=False)
class _Half:
    """Every other block of a recording.

    Attributes
    ----------
    counts : array of shape (blocks, bins, units)
    segments : array of shape (segments, bins, units)
        The blocks, cut where a repeat ends, with 0 behind short ones; inside these lie the intervals.
    neighbours : array of shape (pairs, 2, units), or the blocks
        Bins that follow each other in a block and in a repeat; the blocks themselves where no repeat ends inside one.
    """

    counts: Counts
    segments: Counts
    neighbours: Counts

    @classmethod
    def cut(cls, counts: Counts, repeat: NDArray[np.int64]) -> "_Half":
        """Cut blocks, (blocks, bins, units), where the number of the repeat, (blocks, bins), changes."""
        goes_on = repeat[:, 1:] == repeat[:, :-1]
        if goes_on.all() or not goes_on.any():  # of repeats of one bin nothing is known about lags
            return cls(counts, counts, counts)
        pieces = [
            piece
            for block, same in zip(counts, goes_on, strict=True)
            for piece in np.split(block, np.flatnonzero(~same) + 1)
        ]
        pairs = np.stack([counts[:, :-1][goes_on], counts[:, 1:][goes_on]], axis=1)
        return cls(counts, pad_repeats(pieces), pairs)


Halves = tuple[_Half, _Half]


@dataclass(frozen=True)
class ContinuousSimilarity:
    """How alike a model's stream and held-out data are.

    Attributes
    ----------
    rows : tuple of Similarity
        E, F and I of every measure; I of independent units at the held-out data's own rates.
    population_variance_ratio : float
        Variance of the population count, model / held out.
    skipped_units : int
        Units with too few intervals, the most in one comparison.
    reachable : tuple of Similarity
        The same of the training part of the recording in place of the model: what a model can reach that knows nothing
        of how the session drifts. Empty where that was not measured.
    """

    rows: tuple[Similarity, ...]
    population_variance_ratio: float
    skipped_units: int
    reachable: tuple[Similarity, ...] = ()


def population_count_divergence(real: Counts, model: Counts) -> float:
    """KL divergence KL(real || model) of the spikes that fall into a bin of the whole population, in nats.

    Both are counted in the same cells: as wide as Freedman and Diaconis advise for the real counts, 2 IQR / n^(1/3),
    in whole spikes, over the range of the real counts, and an open cell on either side of it. Half a count is added to
    every cell.

    Parameters
    ----------
    real, model : arrays of shape (..., units), whole counts
    """
    one, other = (counts.sum(axis=-1, dtype=np.int64).ravel() for counts in (real, model))
    low, high = np.percentile(one, [25, 75])
    width = max(1, round(2 * (high - low) / len(one) ** (1 / 3)))
    edges = np.arange(one.min(), one.max() + width + 1, width)
    cells = len(edges) + 1
    p, q = (np.bincount(np.digitize(counts, edges), minlength=cells) + PRIOR_COUNT for counts in (one, other))
    p, q = p / p.sum(), q / q.sum()
    return float((p * np.log(p / q)).sum())


def _correlation_error(one: Counts, other: Counts) -> float:
    return rms_difference(*(pairs(_scaled(pairwise_covariance(windows), windows)) for windows in (one, other)))


def _autocorrelation_error(one: Counts, other: Counts) -> float:
    return rms_difference(*(_scaled(lagged_covariance(counts, 1), counts).diagonal() for counts in (one, other)))


def _scaled(covariance: Floats, windows: Counts) -> Floats:
    """Covariance in units of standard deviations; 0 for units that never vary."""
    deviation = windows.std(axis=(0, 1), dtype=np.float64)
    scale = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=np.ptp(windows, axis=(0, 1)) > 0)
    return covariance * scale[:, np.newaxis] * scale


def _interval_error(moment: int) -> Callable[[Counts, Counts], float]:
    def error(one: Counts, other: Counts) -> float:
        enough = _enough_intervals(one, other)
        moments = [interval_moments(counts)[:2][moment][enough] for counts in (one, other)]
        return rms_difference(*moments)

    return error


def _enough_intervals(one: Counts, other: Counts) -> NDArray[np.bool_]:
    numbers = [interval_moments(counts)[2] for counts in (one, other)]
    return np.minimum(*numbers) >= LEAST_INTERVALS


def _population_variance(windows: Counts) -> float:
    return float(windows.sum(axis=2, dtype=np.float64).var())


def _variance_error(one: Counts, other: Counts) -> float:
    """|ln| of the ratio; infinite where one never varies."""
    variances = [_population_variance(counts) for counts in (one, other)]
    if min(variances) == 0:
        return 0.0 if max(variances) == 0 else float("inf")
    return abs(float(np.log(variances[0] / variances[1])))


def _fano_error(one: Counts, other: Counts) -> float:
    """Of the counts in single bins."""
    return rms_difference(*(fano_factor(counts.reshape(-1, 1, counts.shape[2])) for counts in (one, other)))


def _silence_error(one: Counts, other: Counts) -> float:
    """Number of units that are silent in just one of the two."""
    return float((one.any(axis=(0, 1)) != other.any(axis=(0, 1))).sum())


def _rate_error(one: Counts, other: Counts) -> float:
    return rms_difference(expected_counts(one), expected_counts(other))


INTERVALS = ("mean_interval_s", "interval_sd_s")
# distances of a model's windows (second) from real ones (first); of intervals in bins
MEASURES: Mapping[str, Callable[[Counts, Counts], float]] = {
    "rates": _rate_error,
    "population_count_divergence": population_count_divergence,
    "population_variance": _variance_error,
    "correlation": _correlation_error,
    INTERVALS[0]: _interval_error(0),
    INTERVALS[1]: _interval_error(1),
    "fano_factor": _fano_error,
    "lag_1_autocorrelation": _autocorrelation_error,
    "silent_units": _silence_error,
}


def _compared(measure: str, half: _Half) -> Counts:
    """What a measure reads of a half."""
    if measure in INTERVALS:
        return half.segments
    return half.neighbours if measure == "lag_1_autocorrelation" else half.counts


def split_half_floors(real: Counts, bin_size_s: float, lengths: Sequence[int] | None = None) -> dict[str, float]:
    """Compute every measure between two halves of one recording, alternate blocks of 10 s, by key.

    Parameters
    ----------
    real : array of shape (bins, units)
    bin_size_s : float > 0, s
    lengths : sequence of int, optional
        Bins of each repeat, which follow each other in `real`; by default it is one repeat.

    Raises
    ------
    BadInputError
        If it is shorter than two blocks.
    """
    halves = _halves(real, bin_size_s, _repeat_of_bins(real, lengths))
    return _distances(halves, [halves], bin_size_s)


def continuous_similarity(
    model: Counts,
    held_out: Counts,
    bin_size_s: float,
    random: np.random.Generator,
    lengths: Sequence[int] | None = None,
) -> ContinuousSimilarity:
    """Judge a model's stream by a recording that it never saw.

    Root mean squared errors over units or pairs, in expected counts per bin, seconds, or without unit; of the
    population count's variance the absolute logarithm of the ratio. Units with fewer than 20 intervals inside the
    blocks of either side have no interval moments.

    Parameters
    ----------
    model, held_out : arrays of shape (bins, units)
        As many bins as are held out are compared at a time; errors are means over as many such stretches as there are.
    bin_size_s : float > 0, s
    random : numpy.random.Generator
    lengths : sequence of int, optional
        Bins of each repeat, which follow each other in `held_out`, and so in each stretch of the model's; by default
        it is one repeat.

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
    repeat = _repeat_of_bins(held_out, lengths)
    real = _halves(held_out, bin_size_s, repeat)
    stretches = model[: size * min(MOST_DRAWS, len(model) // size)].reshape(-1, *held_out.shape)
    modelled = [_halves(stretch, bin_size_s, repeat) for stretch in stretches]
    drawn = [independent_units(half.counts, len(half.counts), random) for half in real]
    first, second = map(_Half.cut, drawn, _blocks(repeat, bin_size_s))
    errors, floors, ceilings = (
        _distances(real, others, bin_size_s) for others in (modelled, [real], [(first, second)])
    )
    variance = _population_variance(held_out[np.newaxis])
    return ContinuousSimilarity(
        rows=tuple(Similarity(name, errors[name], floors[name], ceilings[name]) for name in MEASURES),
        population_variance_ratio=_population_variance(stretches) / variance if variance > 0 else float("nan"),
        skipped_units=max(_too_few_intervals(*pair) for pair in _crossed(real, [real, *modelled])),
    )


def _too_few_intervals(one: _Half, other: _Half) -> int:
    return int((~_enough_intervals(one.segments, other.segments)).sum())


def _repeat_of_bins(counts: Counts, lengths: Sequence[int] | None) -> NDArray[np.int64]:
    """The number of the repeat that each bin belongs to, (bins,)."""
    return np.zeros(len(counts), np.int64) if lengths is None else np.repeat(np.arange(len(lengths)), lengths)


def _halves(counts: Counts, bin_size_s: float, repeat: NDArray[np.int64]) -> Halves:
    first, second = map(_Half.cut, _blocks(counts, bin_size_s), _blocks(repeat, bin_size_s))
    return first, second


def _blocks(values: NDArray[Any], bin_size_s: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Even and odd blocks of values, (bins, ...), each (blocks, bins, ...); what is left at the end is dropped."""
    block = max(2, round(BLOCK_S / bin_size_s))
    pairs = len(values) // (2 * block)
    if pairs == 0:
        raise BadInputError(
            f"expected at least two blocks of {block} bins ({BLOCK_S:g} s) to make two halves, found {len(values)} bins"
        )
    blocks = values[: pairs * 2 * block].reshape(2 * pairs, block, *values.shape[1:])
    return blocks[::2], blocks[1::2]


def _crossed(real: Halves, others: Sequence[Halves]) -> list[Halves]:
    """Each real half with the other half of each of the others."""
    return [pair for first, second in others for pair in ((real[0], second), (real[1], first))]


def _distances(real: Halves, others: Sequence[Halves], bin_size_s: float) -> dict[str, float]:
    """Every measure, its mean over pairs of halves."""
    crossed = _crossed(real, others)
    scale = {name: bin_size_s if name in INTERVALS else 1.0 for name in MEASURES}
    return {
        name: scale[name] * float(np.mean([measure(*(_compared(name, half) for half in pair)) for pair in crossed]))
        for name, measure in MEASURES.items()
    }
