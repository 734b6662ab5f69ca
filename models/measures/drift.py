"""Drift alarm: tells when a spike stream is no longer the population of a reference sample.

Counts are summed over blocks of 0.2 s. A unit's count in a block is taken for negative binomial (Poisson where it
varies no more), with mean and variance by what the other units' counts in the same block let expect, so that what the
population does in common is no drift. For each unit and each way to drift, a CUSUM that never falls below 0 (Page 1954,
Continuous inspection schemes) adds up log-likelihood ratios of drifted to undrifted. One more adds up those of units
on their own to units given the others; it grows when correlations are gone. Where one passes its threshold, an alarm
is raised.

Thresholds are those at which all CUSUMs together give the false-alarm rate asked for. How high excursions from 0 reach
is seen in the sample, in parts of it that the model was not fitted to, and continued by an exponential tail (Asmussen
2003, Applied Probability and Queues, XIII.5), whose exponent is 1 for the likelihood ratio of a right model.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln
from scipy.stats import gamma

from spikeloop.models.errors import BadInputError

__all__ = ["Alarm", "DriftAlarm", "DriftReference", "calibrate"]

Floats = NDArray[np.float64]

BLOCK_S = 0.2
FALSE_ALARMS_PER_HOUR = 0.1
REPEATED_AFTER_S = 600.0  # while an alarm persists

LOST, ADDED, MULTIPLIED = range(3)  # nearly silent; an independent train added; each spike twice
KINDS = ("unit lost", "rate up", "rate up", "correlations")
LEFT_OF_LOST = 0.05  # of a lost unit's spikes, so that one stray spike doesn't disprove the loss

LEAST_BLOCKS, GOOD_BLOCKS = 1500, 10_000  # 5 min, in which rare units fire a few dozen times; and half an hour
LEAST_SPIKES = 20  # of a unit in the sample, to be watched
FOLDS = 4
MOST_BLOCKS = 256  # judged at once, to bound memory
# of what is expected of a unit; finer where it is much
CLASS_QUANTILES = (0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.98, 0.99)
LEAST_CLASS_BLOCKS = 50
LEAST_RIDGE = 0.05
RATE_DOUBT = 2.0  # standard errors by which the sample's rate may be off
MOST_DOUBT = 0.5
DOUBT_BLOCKS = 50  # in a batch
PRIOR_SPIKES = 2.0
LEAST_DISPERSION = 1e-3  # of variance / mean - 1
MOST_EVIDENCE = 4.0  # of one block, in nats: none raises an alarm alone
TAIL_SHARE, LEAST_TAIL = 0.05, 40  # of excursions, the highest, to which the tail is fitted
PRIOR_TAIL = 5.0  # excursions that a tail of exponent 1 is believed from the start
MOST_EXPONENT = 1.0  # that of a likelihood ratio whose model is right
LEAST_THRESHOLD = 2 * MOST_EVIDENCE
TAIL_DOUBT = 0.03  # quantile of the exponent's posterior that is used


@dataclass(frozen=True)
class Alarm:
    """One way in which the stream drifted.

    Attributes
    ----------
    kind : "unit lost", "rate up" or "correlations"
    unit : int, or None of correlations
    bin : int, the last of those that raised it, counted over all bins added
    since_bin : int, where its CUSUM rose from 0: about when the drift began
    score : float >= 1, CUSUM over threshold
    persists : bool, whether it was told before and did not end
    """

    kind: str
    unit: int | None
    bin: int
    since_bin: int
    score: float
    persists: bool = False


@dataclass(frozen=True, eq=False)
class _NegativeBinomial:
    """log P(n) = log Gamma(n + size) + constant + n slope, up to what n alone decides."""

    size: Floats
    constant: Floats
    slope: Floats

    def __getitem__(self, index: Any) -> "_NegativeBinomial":
        return _NegativeBinomial(self.size[index], self.constant[index], self.slope[index])

    def log_probability(self, counts: Floats) -> Floats:
        return gammaln(counts + self.size) + self.constant + counts * self.slope


@dataclass(frozen=True, eq=False)
class _Population:
    """Counts in blocks: what to expect of a unit, by the class that the other units' counts put its block in.

    Attributes
    ----------
    centre, scale, most : (units,), of square roots of counts
    weights : (units, units), of standardised roots for the expected count of each unit (column); 0 for its own
    edges : (classes - 1, units), expected counts
    undrifted, drifted : (3, classes, units), given the others: the nearest that the sample leaves possible to a unit
        lost, added to, multiplied, and these
    given : (classes, units), given the others
    alone : (units,), not given the others
    """

    centre: Floats
    scale: Floats
    most: Floats
    weights: Floats
    edges: Floats
    undrifted: _NegativeBinomial
    drifted: _NegativeBinomial
    given: _NegativeBinomial
    alone: _NegativeBinomial


@dataclass(frozen=True, eq=False)
class DriftReference:
    """What an undrifted stream looks like, and how far it may stray; made by `calibrate`.

    Attributes
    ----------
    bin_size_s : float
    block_bins : int, bins that are summed and judged together
    false_alarms_per_hour : float, of all channels together
    population : the model of counts in blocks
    correlation_scale : float, brings the evidence about correlations, which units share, to that of a likelihood ratio
    thresholds : (3 units + 1,), nats: of each unit lost, added to, multiplied, and of correlations (not watched where
        infinite)
    expected_delay_s : (3 units + 1,), from such a drift to its alarm: a unit silent, an independent copy of its train
        added, each of its spikes twice; units shifted against each other
    unwatched : units that fired too little in the sample
    """

    bin_size_s: float
    block_bins: int
    false_alarms_per_hour: float
    population: _Population = field(repr=False)
    correlation_scale: float
    thresholds: Floats = field(repr=False)
    expected_delay_s: Floats = field(repr=False)
    unwatched: tuple[int, ...]

    @property
    def units(self) -> int:
        return len(self.population.centre)

    def late(self, within_s: float = 60.0) -> dict[str, tuple[int, ...]]:
        """Units whose loss, or doubled rate, is not expected to be seen within a time; most fire too rarely."""
        lost, added, multiplied = self.expected_delay_s[:-1].reshape(3, -1) > within_s
        return {
            KINDS[LOST]: tuple(np.flatnonzero(lost).tolist()),
            KINDS[ADDED]: tuple(np.flatnonzero(added | multiplied).tolist()),
        }


def calibrate(
    sample: NDArray[Any], bin_size_s: float, false_alarms_per_hour: float = FALSE_ALARMS_PER_HOUR
) -> DriftReference:
    """Learn what an undrifted stream looks like, and set the thresholds.

    Parameters
    ----------
    sample : array of shape (bins, units), whole counts of a contiguous stream. The longer, the more it saw of what an
        undrifted stream does: at least 5 minutes, better half an hour.
    bin_size_s : float > 0
    false_alarms_per_hour : float > 0, of all units and kinds together

    Raises
    ------
    BadInputError
        If the sample is no array of whole counts, is too short, or no unit in it fires enough to be watched.
    """
    if not (0 < bin_size_s < np.inf and 0 < false_alarms_per_hour < np.inf):
        raise BadInputError(
            "drift alarm: expected a bin size in s and false alarms an hour above 0,"
            f" found {bin_size_s:g} and {false_alarms_per_hour:g}"
        )
    block_bins = max(1, round(BLOCK_S / bin_size_s))
    blocks = _blocks(_checked_sample(sample, block_bins), block_bins)
    watched = blocks.sum(axis=0) >= LEAST_SPIKES
    if not watched.any():
        raise BadInputError(
            f"drift alarm: expected a sample in which some unit fires {LEAST_SPIKES} times or more, the most active of"
            f" {len(watched)} fires {blocks.sum(axis=0).max():g} times; give a longer sample"
        )
    hours = len(blocks) * block_bins * bin_size_s / 3600
    folds = [_judge_fold(blocks, fold) for fold in np.array_split(np.arange(len(blocks)), FOLDS)]
    scale = _correlation_scale(np.concatenate([fold.correlations for fold in folds]))
    peaks = [np.concatenate(channel) for channel in zip(*(fold.peaks for fold in folds), strict=True)]
    peaks.append(np.concatenate([next(_peaks(_limited(fold.correlations[:, np.newaxis] * scale))) for fold in folds]))
    on = np.append(np.tile(watched, 3), scale > 0)
    rate = false_alarms_per_hour / on.sum()
    thresholds = np.array(
        [_threshold(each, hours, rate) if use else np.inf for each, use in zip(peaks, on, strict=True)]
    )
    drift = np.mean([fold.drift for fold in folds], axis=0)
    shuffled = np.mean([_limited(fold.shuffled * scale).mean() for fold in folds])
    return DriftReference(
        bin_size_s=bin_size_s,
        block_bins=block_bins,
        false_alarms_per_hour=false_alarms_per_hour,
        population=_fit(blocks),
        correlation_scale=scale,
        thresholds=thresholds,
        expected_delay_s=_expected_delay(thresholds, np.append(drift, shuffled)) * block_bins * bin_size_s,
        unwatched=tuple(np.flatnonzero(~watched).tolist()),
    )


class DriftAlarm:
    """Watches a stream, bin by bin, for drift from a reference."""

    def __init__(self, reference: DriftReference) -> None:
        self._reference = reference
        self._waiting = np.empty((0, reference.units), np.uint8)  # bins of a block that isn't full
        self._bins = 0  # up to the last full block
        channels = len(reference.thresholds)
        self._cusums = np.zeros(channels)
        self._since = np.zeros(channels, np.int64)
        self._told = dict[tuple[str, int | None], int]()  # bin of the last alarm told
        self._passed = dict[tuple[str, int | None], int]()  # bin where the threshold was last passed

    @property
    def scores(self) -> dict[str, Floats]:
        """Each CUSUM over its threshold: arrays (units,) of the kinds that concern a unit, (1,) of correlations."""
        scores = self._cusums / self._reference.thresholds
        lost, added, multiplied = scores[:-1].reshape(3, -1)
        return {KINDS[LOST]: lost, KINDS[ADDED]: np.maximum(added, multiplied), KINDS[-1]: scores[-1:]}

    def add(self, counts: NDArray[Any], contiguous: bool = True) -> tuple[Alarm, ...]:
        """Watch further bins.

        Parameters
        ----------
        counts : array of shape (bins, units), whole numbers
        contiguous : whether no bins were lost before these; otherwise a block that was begun is dropped

        Returns
        -------
        the alarms raised in these bins, in their order, of one block the strongest first. One that persists is told
        again every ten minutes.

        Raises
        ------
        BadInputError
            If the counts are not those of the reference's units, or no counts.
        """
        if np.ndim(counts) != 2 or np.shape(counts)[1] != self._reference.units:
            raise BadInputError(
                f"drift alarm: expected counts (bins, {self._reference.units}), as in the reference sample, found"
                f" {np.shape(counts)}; calibrate on a sample of this stream"
            )
        if not contiguous:
            self._bins += len(self._waiting)
            self._waiting = self._waiting[:0]
        waiting = np.concatenate([self._waiting, counts])
        blocks = _blocks(waiting, self._reference.block_bins)
        if not ((blocks >= 0) & (blocks < np.inf)).all():
            raise BadInputError(
                "drift alarm: expected counts, found some negative or not finite; leave them out as gaps"
            )
        self._waiting = waiting[len(blocks) * self._reference.block_bins :].copy()
        alarms = []
        for first in range(0, len(blocks), MOST_BLOCKS):
            for evidence in self._evidence(blocks[first : first + MOST_BLOCKS]):
                alarms += self._step(evidence)
        return tuple(alarms)

    def _evidence(self, blocks: Floats) -> Floats:
        population, scale = self._reference.population, self._reference.correlation_scale
        classes = _classes(population, blocks)
        evidence = _evidence(population, blocks, classes).reshape(len(blocks), -1)
        correlations = _limited(_correlation_evidence(population, blocks, classes) * scale)
        return np.concatenate([evidence, correlations[:, np.newaxis]], axis=1)

    def _step(self, evidence: Floats) -> list[Alarm]:
        reference = self._reference
        risen = self._cusums > 0
        self._since[~risen] = self._bins
        self._cusums = np.maximum(self._cusums + evidence, 0.0)
        self._bins += reference.block_bins
        scores = self._cusums / reference.thresholds
        passed = np.flatnonzero(scores >= 1)
        told = [self._tell(channel, scores[channel]) for channel in passed[np.argsort(-scores[passed])].tolist()]
        self._cusums[passed] = 0.0
        return [alarm for alarm in told if alarm is not None]

    def _tell(self, channel: int, score: float) -> Alarm | None:
        """The alarm of a channel that passed its threshold; None where it was told a short while ago."""
        units, now = self._reference.units, self._bins - 1
        kind, unit = KINDS[channel // units if channel < 3 * units else -1], channel % units
        about = (kind, unit if channel < 3 * units else None)
        short = REPEATED_AFTER_S / self._reference.bin_size_s
        before, told = self._passed.get(about, -np.inf), self._told.get(about, -np.inf)
        self._passed[about] = now
        if now - told < short:
            return None
        self._told[about] = now
        return Alarm(*about, now, int(self._since[channel]), float(score), persists=now - before < short)


def _checked_sample(sample: NDArray[Any], block_bins: int) -> NDArray[Any]:
    sample = np.asarray(sample)
    if sample.ndim != 2 or not sample.shape[1] or sample.dtype.kind not in "buif":
        raise BadInputError(f"drift alarm: expected counts (bins, units), found {sample.dtype} of shape {sample.shape}")
    least = LEAST_BLOCKS * block_bins
    if len(sample) < least:
        raise BadInputError(
            f"drift alarm: expected a sample of at least {least} bins, found {len(sample)}; better give"
            f" {GOOD_BLOCKS * block_bins}"
        )
    if sample.min() < 0 or (
        sample.dtype.kind == "f" and not (np.isfinite(sample) & (sample == np.floor(sample))).all()
    ):
        raise BadInputError("drift alarm: expected counts, whole and not negative; bin the spikes first")
    return sample


def _blocks(counts: NDArray[Any], block_bins: int) -> Floats:
    """Sums over full blocks, (blocks, units)."""
    blocks = len(counts) // block_bins
    return counts[: blocks * block_bins].reshape(blocks, block_bins, counts.shape[1]).sum(axis=1, dtype=np.float64)


def _fit(blocks: Floats) -> _Population:
    roots = np.sqrt(blocks)  # of about equal variance at all rates, and milder on bursts
    centre, scale, most = roots.mean(axis=0), roots.std(axis=0), roots.max(axis=0)
    scale[scale == 0] = 1.0
    standard = (roots - centre) / scale
    weights, expected = _regression(standard, blocks - blocks.mean(axis=0))

    quantiles = [q for q in CLASS_QUANTILES if (1 - q) * len(blocks) >= LEAST_CLASS_BLOCKS]
    edges = np.quantile(expected, quantiles, axis=0)
    mean, variance = blocks.mean(axis=0), blocks.var(axis=0)
    in_class, class_variance = _class_moments(blocks, _classes_of(expected, edges), len(quantiles) + 1)
    doubt = _rate_doubt(blocks)
    low, high = 1 - np.minimum(doubt, MOST_DOUBT), 1 + doubt
    low, high = (low * in_class, low * class_variance), (high * in_class, high * class_variance)
    lost = LEFT_OF_LOST * low[0], LEFT_OF_LOST**2 * low[1] + LEFT_OF_LOST * (1 - LEFT_OF_LOST) * low[0]
    added, multiplied = (high[0] + mean, high[1] + variance), (2 * high[0], 4 * high[1])
    undrifted = _negative_binomial(*(np.stack(moments) for moments in zip(low, high, high, strict=True)))
    drifted = _negative_binomial(*(np.stack(moments) for moments in zip(lost, added, multiplied, strict=True)))
    given, alone = _negative_binomial(in_class, class_variance), _negative_binomial(mean, variance)
    return _Population(centre, scale, most, weights, edges, undrifted, drifted, given, alone)


def _regression(standard: Floats, own: Floats) -> tuple[Floats, Floats]:
    """Weights (units, units) that give each unit's count from the others', and what those give in blocks not fitted."""
    folds = np.array_split(np.arange(len(own)), FOLDS)
    squares = [standard[fold].T @ standard[fold] for fold in folds]
    products = [standard[fold].T @ own[fold] for fold in folds]
    square, product = np.sum(squares, axis=0), np.sum(products, axis=0)
    expected = np.empty_like(own)
    for fold, held_square, held_product in zip(folds, squares, products, strict=True):
        weights = _weights(square - held_square, product - held_product, len(own) - len(fold))
        expected[fold] = standard[fold] @ weights
    return _weights(square, product, len(own)), expected


def _weights(square: Floats, product: Floats, blocks: int) -> Floats:
    """Ridge regression in which a unit's own weight is kept at 0."""
    units = len(square)
    inverse = np.linalg.inv(square / blocks + max(LEAST_RIDGE, units / blocks) * np.eye(units))
    weights = inverse @ product / blocks
    weights -= inverse * (weights.diagonal() / inverse.diagonal())
    np.fill_diagonal(weights, 0.0)
    return weights


def _rate_doubt(blocks: Floats) -> Floats:
    """How far each unit's rate may be off, as a share of it: standard errors, by the means of batches."""
    sums = _blocks(blocks, DOUBT_BLOCKS)
    return RATE_DOUBT * sums.std(axis=0) / np.sqrt(len(sums)) / np.maximum(sums.mean(axis=0), 1e-9)


def _class_moments(blocks: Floats, classes: NDArray[np.intp], number: int) -> tuple[Floats, Floats]:
    """Mean and variance of each unit's counts in each class, (classes, units).

    A few spikes at the unit's own rate are added to every class, so that an empty one isn't taken for silent.
    """
    units, mean = blocks.shape[1], blocks.mean(axis=0)
    cells, shape = (classes * units + np.arange(units)).ravel(), (number, units)
    prior = PRIOR_SPIKES / np.maximum(mean, PRIOR_SPIKES / len(blocks))  # blocks
    size = np.bincount(cells, minlength=number * units).reshape(shape) + prior
    in_class = (np.bincount(cells, blocks.ravel(), number * units).reshape(shape) + prior * mean) / size
    squares = (blocks.ravel() - in_class.ravel()[cells]) ** 2
    variance = (np.bincount(cells, squares, number * units).reshape(shape) + prior * mean) / size
    return in_class, variance


def _negative_binomial(mean: Floats, variance: Floats) -> _NegativeBinomial:
    mean = np.maximum(mean, 1e-9)
    size = mean / np.maximum(variance / mean - 1, LEAST_DISPERSION)
    constant = size * np.log(size / (size + mean)) - gammaln(size)
    return _NegativeBinomial(size, constant, np.log(mean / (size + mean)))


def _classes(population: _Population, blocks: Floats) -> NDArray[np.intp]:
    """The class of each unit's block, by the other units, (blocks, units)."""
    roots = np.minimum(np.sqrt(blocks), population.most)  # one unit gone wild says no more than it ever did
    return _classes_of((roots - population.centre) / population.scale @ population.weights, population.edges)


def _classes_of(expected: Floats, edges: Floats) -> NDArray[np.intp]:
    classes = np.zeros(expected.shape, np.intp)
    for edge in edges:
        classes += expected >= edge
    return classes


def _evidence(population: _Population, blocks: Floats, classes: NDArray[np.intp]) -> Floats:
    """Log-likelihood ratios of drifted to undrifted, (blocks, 3, units)."""
    return np.stack([_evidence_of(population, way, blocks, classes) for way in (LOST, ADDED, MULTIPLIED)], axis=1)


def _evidence_of(population: _Population, way: int, blocks: Floats, classes: NDArray[np.intp]) -> Floats:
    cells = way, classes, np.arange(blocks.shape[1])
    drifted, undrifted = population.drifted[cells], population.undrifted[cells]
    return _limited(drifted.log_probability(blocks) - undrifted.log_probability(blocks))


def _correlation_evidence(population: _Population, blocks: Floats, classes: NDArray[np.intp]) -> Floats:
    """Log-likelihood ratio of units on their own to units given the others, summed over units, (blocks,)."""
    given = population.given[classes, np.arange(blocks.shape[1])].log_probability(blocks)
    return _limited(population.alone.log_probability(blocks) - given).sum(axis=1)


def _limited(evidence: Floats) -> Floats:
    return np.clip(evidence, -MOST_EVIDENCE, MOST_EVIDENCE)


@dataclass(frozen=True, eq=False)
class _JudgedFold:
    """One part of the sample, judged by a model of the others.

    Attributes
    ----------
    peaks : of each unit and way to drift, the heights of its CUSUM's excursions from 0
    correlations : (blocks,), evidence not yet scaled
    drift : (3 units,), mean evidence where the unit is lost, added to, multiplied
    shuffled : (blocks,), as `correlations`, where units are shifted against each other
    """

    peaks: list[Floats]
    correlations: Floats
    drift: Floats
    shuffled: Floats


def _judge_fold(blocks: Floats, fold: NDArray[np.intp]) -> _JudgedFold:
    population, own = _fit(np.delete(blocks, fold, axis=0)), blocks[fold]
    classes = _classes(population, own)
    harmed = {LOST: np.zeros_like(own), ADDED: own + np.roll(own, len(own) // 2, axis=0), MULTIPLIED: 2 * own}
    peaks, drift = [], []
    for way, counts in harmed.items():
        peaks += _peaks(_evidence_of(population, way, own, classes))
        drift.append(_evidence_of(population, way, counts, classes).mean(axis=0))
    shuffled = _shifted_apart(own)
    return _JudgedFold(
        peaks=peaks,
        correlations=_correlation_evidence(population, own, classes),
        drift=np.concatenate(drift),
        shuffled=_correlation_evidence(population, shuffled, _classes(population, shuffled)),
    )


def _shifted_apart(blocks: Floats) -> Floats:
    """Every unit shifted by another time, spread evenly (by the golden section)."""
    shifts = np.round(len(blocks) * ((np.arange(blocks.shape[1]) + 1) * (np.sqrt(5) - 1) / 2 % 1)).astype(int)
    return np.stack([np.roll(train, shift) for train, shift in zip(blocks.T, shifts, strict=True)], axis=1)


def _correlation_scale(evidence: Floats) -> float:
    """The factor that gives evidence a tail of exponent 1: that of a sum of many small parts is 2 mean / variance.

    0 where units on their own explain the sample as well.
    """
    variance = evidence.var()
    return float(np.clip(-2 * evidence.mean() / variance, 0, 1)) if variance > 0 else 0.0


def _peaks(evidence: Floats) -> Iterator[Floats]:
    """Of each channel of evidence (blocks, channels), how high its CUSUM rose between its returns to 0."""
    total = np.cumsum(evidence, axis=0)
    cusums = total - np.minimum(np.minimum.accumulate(total, axis=0), 0)
    for cusum in cusums.T:
        starts = np.flatnonzero(np.diff(cusum > 0, prepend=False, append=False))[::2]
        yield np.maximum.reduceat(cusum, starts) if len(starts) else np.empty(0)


def _threshold(peaks: Floats, hours: float, rate_per_hour: float) -> float:
    """The height that excursions pass at a rate, by an exponential tail; on the high side where few were seen."""
    highest = np.sort(peaks)[::-1]
    number = min(len(highest), max(LEAST_TAIL, round(TAIL_SHARE * len(highest))))
    base = highest[number] if number < len(highest) else 0.0
    exponent = gamma.ppf(TAIL_DOUBT, number + PRIOR_TAIL) / ((highest[:number] - base).sum() + PRIOR_TAIL)
    passing = np.log(max(number, 1) / hours / rate_per_hour)
    return float(max(base + passing / min(exponent, MOST_EXPONENT), LEAST_THRESHOLD))


def _expected_delay(thresholds: Floats, drift: Floats) -> Floats:
    """Blocks until the drift has added up to the threshold."""
    return np.divide(
        thresholds, drift, out=np.full_like(thresholds, np.inf), where=(drift > 0) & np.isfinite(thresholds)
    )
