"""Offline comparison of decoders: on a recording, and on a model's answers to the movement in that recording.

A model can stand in for the recorded population in the choice of a decoder only if it ranks decoders alike.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from spikeloop.models.decoders.cross_validation import (
    CrossValidation,
    cross_validate,
    score_segments,
    score_session,
)
from spikeloop.models.decoders.decoder import Decoder
from spikeloop.models.decoders.stopwatch import ComputeTime, Stopwatch
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.evaluation.responses import Parts, Stream, answers_to
from spikeloop.models.measures.decoding_scores import Decodable
from spikeloop.models.recordings.conditioning import with_lead
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.repeats import split_repeats
from spikeloop.models.recordings.requirements import require_spikes

__all__ = [
    "OfflineComparison",
    "OfflineScore",
    "OfflineTask",
    "Split",
    "answered",
    "as_recorded",
    "compare_offline",
    "decodable_of",
]

LEAST_FOLD_BINS = 20  # below which an R2 says little


@dataclass(frozen=True)
class OfflineTask:
    """What is decoded, and how that is judged.

    Attributes
    ----------
    columns : of the conditions
    lag_bins : 0 or more, by which the kinematics are later than the counts
    widths : of the decoders' bins, each a run of so many bins of the recording, 1 or more
    folds : contiguous segments, 2 or more
    """

    columns: tuple[int, ...]
    lag_bins: int = 0
    widths: tuple[int, ...] = (1,)
    folds: int = 5


@dataclass(frozen=True, eq=False)
class OfflineScore:
    """How well one decoder reads bins of one width.

    Attributes
    ----------
    bin_size_s : of the decoder's bins
    recorded : on recorded counts
    generated : on a model's counts; None where there is no model
    history_bins : of the decoder's bins, that it looks at; None where it has no fixed history
    held_out : tuple of float
        Variance-weighted R2 of each further session, decoded by what was fitted on the whole recording.
    normalized_latency : float
        Compute time over neural time, of all steps on recorded counts; NaN where it wasn't taken.
    """

    decoder: str
    bin_size_s: float
    recorded: CrossValidation
    generated: CrossValidation | None = None
    history_bins: int | None = None
    held_out: tuple[float, ...] = ()
    normalized_latency: float = math.nan

    @property
    def history_s(self) -> float | None:
        """How far back it looks, if it has a fixed history."""
        return None if self.history_bins is None else self.history_bins * self.bin_size_s


@dataclass(frozen=True, eq=False)
class OfflineComparison:
    """Decoders side by side.

    Attributes
    ----------
    judged_on : in words
    scores : every decoder at one width of bins, then at the next
    bundle : name of what generated counts; None where nothing did
    failures : why a decoder has no score, by its name
    """

    recording: Recording
    task: OfflineTask
    judged_on: str
    scores: tuple[OfflineScore, ...]
    bundle: str | None = None
    failures: Mapping[str, str] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of what was decoded."""
        return tuple(self.recording.channels[column].name for column in self.task.columns)

    @property
    def lag_s(self) -> float:
        """By which the kinematics are later than the counts."""
        return self.task.lag_bins * self.recording.bin_size_s

    def by_width(self) -> dict[float, tuple[OfflineScore, ...]]:
        """Every decoder, by the size of bins in s."""
        sizes_s = dict.fromkeys(score.bin_size_s for score in self.scores)
        return {size_s: tuple(score for score in self.scores if score.bin_size_s == size_s) for size_s in sizes_s}


@dataclass(frozen=True, eq=False)
class Split:
    """Two parts of a recording, each with its own movement as conditions."""

    training: Recording
    held_out: Recording


def as_recorded(parts: Parts) -> Split:
    """The part that a model was trained on and the one that it was not, with their movement at the very bins."""
    channels = parts.whole.channels[: parts.movement.shape[2]]
    return Split(
        replace(parts.training, driven_by=parts.movement, channels=channels),
        replace(parts.held_out, driven_by=parts.held_out_movement, channels=channels),
    )


def answered(stream: Stream, parts: Parts) -> Split:
    """The same with a model's counts, as many, in place of the recorded ones.

    One stream answers to the training part, then to the held-out part; every bin to the conditions of as many bins
    later as the model leads.

    Parameters
    ----------
    stream : given a number of bins and their conditions, (bins, channels), the next bins, (bins, units)
    """
    recorded = as_recorded(parts)
    training, held_out = (
        replace(own, counts=answers_to(driven, stream))
        for own, driven in ((recorded.training, parts.training), (recorded.held_out, parts.held_out))
    )
    return Split(training, held_out)


def compare_offline(
    make: Callable[[str, float], Decoder],
    decoders: Sequence[str],
    task: OfflineTask,
    recorded: Recording | Split,
    generated: Split | None = None,
    on_progress: Callable[[], None] = lambda: None,
    held_out: Sequence[Recording] = (),
    on_failure: Callable[[str, FailureError], None] | None = None,
) -> tuple[OfflineScore, ...]:
    """Scores of every decoder at one width of bins, then at the next.

    A recording is cross-validated. Of a split, decoders are fitted on the training part, and judged on segments of the
    other; on recorded counts they have been fitted on recorded ones, on generated counts on generated ones.

    Parameters
    ----------
    make : makes a decoder, given its name and the size of its bins (s)
    generated : split as the recorded one
    on_progress : called after each decoder at each width
    held_out : further sessions, decoded by what was fitted on the whole recording, or on the training part of a split
    on_failure : called with the name and the error of a decoder that fails, which then has no score at any width; by
        default its error is raised

    Raises
    ------
    BadInputError
        If the recording is none of spikes, or too short for the task or a decoder.
    """
    test = recorded.held_out if isinstance(recorded, Split) else recorded
    for width in task.widths:
        found = len(decodable_of(test, task.columns, task.lag_bins, width).counts) // width
        if found < LEAST_FOLD_BINS * task.folds:
            raise BadInputError(
                f"{test.name}: expected at least {LEAST_FOLD_BINS} bins in each of {task.folds} folds, found {found}"
                " in all; give more data, fewer folds or narrower bins"
            )
    scores: list[OfflineScore] = []
    failed: set[str] = set()
    for width in task.widths:
        for name in decoders:
            bin_size_s, taken = width * test.bin_size_s, ComputeTime()
            make_one = partial(_timed, make, name, bin_size_s, taken)
            try:
                if name not in failed:
                    on_recorded = _judge(make_one, recorded, task, width)
                    later = tuple(_judge_session(make_one, recorded, session, task, width) for session in held_out)
                    latency = taken.normalized_latency
                    on_generated = None if generated is None else _judge(make_one, generated, task, width)
                    score = OfflineScore(name, bin_size_s, on_recorded, on_generated)
                    scores.append(replace(score, held_out=later, normalized_latency=latency))
            except FailureError as failure:
                if on_failure is None:
                    raise
                failed.add(name)
                on_failure(name, failure)
            on_progress()
    return tuple(score for score in scores if score.decoder not in failed)


def _timed(make: Callable[[str, float], Decoder], name: str, bin_size_s: float, taken: ComputeTime) -> Decoder:
    return Stopwatch(make(name, bin_size_s), bin_size_s, taken)


def _judge_session(
    make: Callable[[], Decoder], fitted_on: Recording | Split, session: Recording, task: OfflineTask, width: int
) -> float:
    prepare = partial(decodable_of, columns=task.columns, lag_bins=task.lag_bins, width=width)
    training = fitted_on.training if isinstance(fitted_on, Split) else fitted_on
    return score_session(make, prepare(training), prepare(session), width)


def _judge(make: Callable[[], Decoder], judged: Recording | Split, task: OfflineTask, width: int) -> CrossValidation:
    prepare = partial(decodable_of, columns=task.columns, lag_bins=task.lag_bins, width=width)
    if isinstance(judged, Split):
        return score_segments(make, prepare(judged.training), prepare(judged.held_out), task.folds, width)
    return cross_validate(make, prepare(judged), task.folds, width)


def decodable_of(recording: Recording, columns: Sequence[int], lag_bins: int = 0, width: int = 1) -> Decodable:
    """Counts and kinematics of one repeat after another, each cut to whole runs of bins.

    Parameters
    ----------
    columns : of the conditions
    lag_bins : 0 or more, by which the kinematics are later than the counts
    width : bins of a run, 1 or more; those left over at the end of a repeat are left out

    Raises
    ------
    BadInputError
        If these are no spikes, or every repeat is too short for the lag and a run.
    """
    require_spikes(recording, "decoding")
    lagging = with_lead(recording, lag_bins)
    used = lagging.bins // width * width
    if not used:
        raise BadInputError(
            f"{recording.name}: expected repeats of at least {lag_bins + width} bins, for the lag and one wide bin,"
            f" found {recording.bins}; give a shorter lag or narrower bins"
        )
    if recording.lengths is None:
        counts = lagging.counts[:, :used].reshape(-1, recording.units)
        kinematics = lagging.conditions[:, :used, list(columns)].reshape(-1, len(columns))
    else:
        counts, kinematics = (
            np.concatenate([row[: len(row) // width * width] for row in split_repeats(values, lagging.lengths)])
            for values in (lagging.counts, lagging.conditions[..., list(columns)])
        )
    return Decodable(counts, kinematics.astype(np.float64))
