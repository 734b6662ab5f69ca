"""Drift alarm: it is raised when a spike stream is no longer the population of a reference sample.

Counts are summed over blocks of 0.2 s. For each unit and each kind of drift, a CUSUM that never falls below 0 (Page
1954, Continuous inspection schemes) adds up the evidence of blocks; one more adds up the evidence that correlations are
gone. An alarm is raised where a CUSUM passes its threshold. Thresholds are set so that all CUSUMs together give the
false-alarm rate asked for; they follow from how high the CUSUMs rise in the sample.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats
from spikeloop.models.drift.block_counts import (
    ADDED,
    HALVED,
    LEAST_SPIKES,
    LOST,
    MOST_EVIDENCE,
    MULTIPLIED,
    CountModel,
    classes_of,
    correlation_evidence,
    drift_evidence,
    fires_rarely,
    fit_count_model,
    limited,
    sum_blocks,
)
from spikeloop.models.drift.excursions import height_passed_at
from spikeloop.models.drift.sample_evidence import judge_sample
from spikeloop.models.errors import BadInputError

__all__ = ["Alarm", "DriftAlarm", "DriftReference", "calibrate"]


BLOCK_S = 0.2
FALSE_ALARMS_PER_HOUR = 0.1
REPEATED_AFTER_S = 600.0  # while an alarm persists

KINDS = ("unit lost", "rate down", "rate up", "rate up")  # of LOST, HALVED, ADDED and MULTIPLIED
CORRELATIONS = "correlations"  # of no unit

LEAST_BLOCKS, GOOD_BLOCKS = 1500, 10_000  # 5 min, in which rare units fire a few dozen times; and half an hour
LEAST_THRESHOLD = 2 * MOST_EVIDENCE
MOST_BLOCKS = 256  # judged at once, to bound memory


@dataclass(frozen=True)
class Alarm:
    """A drift of the stream.

    Attributes
    ----------
    kind : "unit lost", "rate down", "rate up" or "correlations"
    unit : int, or None of correlations
    bin : int, the last of those that raised it, counted over all bins added
    since_bin : int, where its CUSUM rose from 0: about when the drift began
    score : float >= 1, CUSUM over threshold
    persists : bool, whether it was raised before and did not end
    """

    kind: str
    unit: int | None
    bin: int
    since_bin: int
    score: float
    persists: bool = False


@dataclass(frozen=True, eq=False)
class DriftReference:
    """What an undrifted stream looks like, and how far it may stray; made by `calibrate`.

    Attributes
    ----------
    bin_size_s : float
    block_bins : int, bins that are summed and judged together
    false_alarms_per_hour : float, of all channels together
    model : of counts in blocks
    correlation_scale : float, of the evidence about correlations; see `SampleEvidence`
    thresholds : (4 units + 1,), nats: of each unit lost, halved, added to, multiplied, and of correlations; infinite
        where nothing is watched
    expected_delay_s : (4 units + 1,), from such a drift to its alarm: a unit silent, every second of its spikes gone,
        an independent copy of its train added (to a rare unit, a train of 0.25 Hz), each of its spikes twice; units
        shifted against each other
    rare : units that fired too little in the sample to be watched but for a train added to theirs
    """

    bin_size_s: float
    block_bins: int
    false_alarms_per_hour: float
    model: CountModel = field(repr=False)
    correlation_scale: float
    thresholds: Floats = field(repr=False)
    expected_delay_s: Floats = field(repr=False)
    rare: tuple[int, ...]

    @property
    def units(self) -> int:
        """How many the stream has."""
        return len(self.model.centre)

    def late(self, within_s: float = 60.0) -> dict[str, tuple[int, ...]]:
        """Units whose drift is not expected to be seen within a time, by kind; most fire too rarely.

        The rate of a rare unit is up where it begins to fire at 0.25 Hz, that of others where it is doubled.
        """
        late = self.expected_delay_s[:-1].reshape(len(KINDS), -1) > within_s
        late[MULTIPLIED, list(self.rare)] = False
        return {
            kind: tuple(np.flatnonzero(late[[each == kind for each in KINDS]].any(axis=0)).tolist())
            for kind in dict.fromkeys(KINDS)
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
    blocks = sum_blocks(_checked_sample(sample, block_bins), block_bins)
    rare = fires_rarely(blocks)
    if rare.all():
        raise BadInputError(
            f"drift alarm: expected a sample in which some unit fires {LEAST_SPIKES} times or more, the most active of"
            f" {len(rare)} fires {blocks.sum(axis=0).max():g} times; give a longer sample"
        )
    judged = judge_sample(blocks)
    of_units = np.tile(~rare, (len(KINDS), 1))
    of_units[ADDED] = True
    on = np.append(of_units, judged.correlation_scale > 0)
    thresholds = np.full(len(on), np.inf)
    hours = len(blocks) * block_bins * bin_size_s / 3600
    for channel in np.flatnonzero(on):
        height = height_passed_at(false_alarms_per_hour / on.sum(), judged.peaks[channel], hours)
        thresholds[channel] = max(height, LEAST_THRESHOLD)
    return DriftReference(
        bin_size_s=bin_size_s,
        block_bins=block_bins,
        false_alarms_per_hour=false_alarms_per_hour,
        model=fit_count_model(blocks),
        correlation_scale=judged.correlation_scale,
        thresholds=thresholds,
        expected_delay_s=_expected_delay(thresholds, judged.drift) * block_bins * bin_size_s,
        rare=tuple(np.flatnonzero(rare).tolist()),
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
        self._raised = dict[tuple[str, int | None], int]()  # bin of the last alarm
        self._passed = dict[tuple[str, int | None], int]()  # bin where the threshold was last passed

    @property
    def scores(self) -> dict[str, Floats]:
        """Each CUSUM over its threshold: arrays (units,) of the kinds that concern a unit, (1,) of correlations."""
        scores = self._cusums / self._reference.thresholds
        lost, halved, added, multiplied = scores[:-1].reshape(len(KINDS), -1)
        return {
            KINDS[LOST]: lost,
            KINDS[HALVED]: halved,
            KINDS[ADDED]: np.maximum(added, multiplied),
            CORRELATIONS: scores[-1:],
        }

    def add(self, counts: NDArray[Any], contiguous: bool = True) -> tuple[Alarm, ...]:
        """Watch further bins.

        Parameters
        ----------
        counts : array of shape (bins, units), whole numbers
        contiguous : whether no bins were lost before these; otherwise a block that was begun is dropped

        Returns
        -------
        the alarms raised in these bins, in their order, of one block the strongest first. One that persists is raised
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
        blocks = sum_blocks(waiting, self._reference.block_bins)
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
        """Of every block for every CUSUM, (blocks, 4 units + 1)."""
        model, classes = self._reference.model, classes_of(self._reference.model, blocks)
        of_units = [drift_evidence(model, kind, blocks, classes) for kind in range(len(KINDS))]
        correlations = limited(correlation_evidence(model, blocks, classes) * self._reference.correlation_scale)
        return np.concatenate([*of_units, correlations[:, np.newaxis]], axis=1)

    def _step(self, evidence: Floats) -> list[Alarm]:
        """Add the evidence of one block, and return the alarms that it raises."""
        reference = self._reference
        self._since[self._cusums == 0] = self._bins
        self._cusums = np.maximum(self._cusums + evidence, 0.0)
        self._bins += reference.block_bins
        scores = self._cusums / reference.thresholds
        passed = np.flatnonzero(scores >= 1)
        highest_first = passed[np.argsort(-scores[passed])].tolist()
        alarms = [self._alarm(channel, float(scores[channel])) for channel in highest_first]
        lost = passed[passed < reference.units]
        self._cusums[passed] = self._cusums[lost + HALVED * reference.units] = 0.0
        return [alarm for alarm in alarms if alarm is not None]

    def _alarm(self, channel: int, score: float) -> Alarm | None:
        """The alarm of a channel that passed its threshold; None where it was raised a short while ago."""
        about, now = self._about(channel), self._bins - 1
        short = REPEATED_AFTER_S / self._reference.bin_size_s
        before, raised = self._passed.get(about, -np.inf), self._raised.get(about, -np.inf)
        self._passed[about] = now
        if now - raised < short:
            return None
        self._raised[about] = now
        return Alarm(*about, now, int(self._since[channel]), score, persists=now - before < short)

    def _about(self, channel: int) -> tuple[str, int | None]:
        """Kind and unit of a channel's alarm: a rate that fell to half or below is that of a lost unit, if likelier."""
        kind, unit = divmod(channel, self._reference.units)
        if kind == len(KINDS):
            return CORRELATIONS, None
        if kind == HALVED and self._cusums[unit] >= self._cusums[channel]:
            kind = LOST
        return KINDS[kind], unit


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


def _expected_delay(thresholds: Floats, drift: Floats) -> Floats:
    """Blocks until the drift has added up to the threshold."""
    return np.divide(
        thresholds, drift, out=np.full_like(thresholds, np.inf), where=(drift > 0) & np.isfinite(thresholds)
    )
