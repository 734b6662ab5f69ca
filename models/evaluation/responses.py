"""The validation of a conditional model: how it answers what drove a recording."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Counts, Floats, join_bins
from spikeloop.models.decoders.cross_validation import DecoderComparison, compare_decoders
from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.continuous import ContinuousSimilarity, continuous_similarity
from spikeloop.models.measures.decoding_scores import Decodable
from spikeloop.models.measures.response import ResponseSimilarity, response_similarity
from spikeloop.models.measures.similarity import MOST_DRAWS
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.models.recordings.condition import Condition
from spikeloop.models.recordings.conditioning import (
    with_lead,
    with_phase,
    without_conditions,
    without_last_bins,
)
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.repeats import join_recorded, pad_repeats, split_repeats
from spikeloop.models.recordings.session_time import SESSION_TIME, with_session_time
from spikeloop.models.recordings.windows import STRETCHES, hold_out

__all__ = [
    "ANSWERS",
    "ConditionalEvaluation",
    "Parts",
    "Responses",
    "answers_to",
    "evaluate_responses",
    "respond",
    "split_as_trained",
    "tuning",
]

ANSWERS = ("responses", "continuous", "decoding")  # keys of what only a conditional model has
LEAST_REPEATS = 2  # held out, for noise correlations

Stream = Callable[[int, NDArray[np.float32]], Counts]  # the next bins under conditions, (bins, channels)

TRAINING_PASSES = 5  # of the training part's conditions, that a decoder is trained on the answers to


@dataclass(frozen=True, eq=False)
class Parts:
    """A recording as a model was trained on it, and its two parts.

    Attributes
    ----------
    whole : with what the model answers to: nothing, a phase, or recorded conditions (and the session time), of as many
        bins later as it leads
    training, held_out : its parts
    movement, held_out_movement : recorded conditions at the very bins of the two parts, without the lead
        (repeats, bins, channels), as a decoder knows them; of a phase, the session time or nothing, no channels
    """

    whole: Recording
    training: Recording
    held_out: Recording
    movement: NDArray[np.float32]
    held_out_movement: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Responses:
    """What a model answered.

    Attributes
    ----------
    held_out : to the conditions of the held-out part, time and again, (draws * repeats, bins, units)
    training : to those of the training part, `TRAINING_PASSES` times over, (repeats, bins, units); None of a phase,
        which is the same in both parts
    """

    held_out: Counts
    training: Counts | None = None


@dataclass(frozen=True, eq=False)
class ConditionalEvaluation:
    """How alike a model's and a population's answers are.

    Attributes
    ----------
    held_out : the answers of the population
    model : as many of the model, (repeats, bins, units)
    responses : to the phase of a repeated stimulus; None of other conditions
    continuous : to recorded conditions; None of a phase, and of signals other than spikes
    decoding : of recorded conditions, one entry a decoder and channel; empty of a phase or the session time alone
    """

    held_out: Recording
    model: Counts
    responses: ResponseSimilarity | None = None
    continuous: ContinuousSimilarity | None = None
    decoding: tuple[DecoderComparison, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Convert to a document with the keys `ANSWERS`; None for what does not apply."""
        document: dict[str, Any] = dict.fromkeys(ANSWERS)
        if self.responses is not None:
            noise = self.responses.noise_correlation.to_dict()
            document["responses"] = asdict(self.responses) | {"noise_correlation": noise}
        if self.continuous is not None:
            rows, reachable = (
                [row.to_dict() for row in those] for those in (self.continuous.rows, self.continuous.reachable)
            )
            document["continuous"] = asdict(self.continuous) | {"statistics": rows, "reachable": reachable}
            del document["continuous"]["rows"]
        if self.decoding:
            document["decoding"] = [
                {"decoder": row.decoder, "channel": self.held_out.channels[row.column].name, "real": row.real,
                 "synthetic": row.synthetic, "ratio": row.ratio}
                for row in self.decoding
            ]  # fmt: skip
        return document


def split_as_trained(
    recording: Recording,
    model: str,
    channels: Sequence[Condition],
    lead_bins: int,
    every: int,
    stretches: int = STRETCHES,
) -> Parts:
    """Give a recording the conditions that a model answers to, and hold out the part that its training held out.

    The lead comes before the split, as in training: each bin and the conditions that drove it are in one part only.

    Parameters
    ----------
    model : its name, for messages
    channels : that drive the model; none of an unconditional one
    lead_bins : by which the model's conditions run ahead
    every, stretches : which part is held out; see `hold_out`

    Raises
    ------
    BadInputError
        If the recording lacks these conditions, its repeats are of another length, or it is too short to split.
    """
    recorded, whole = _as_driven(recording, model, channels, lead_bins)
    if _is_phase(channels) and recording.repeats // every < LEAST_REPEATS:
        raise BadInputError(
            f"{recording.name}: expected at least {LEAST_REPEATS * every} repeats, to hold out {LEAST_REPEATS} or"
            f" more, one in {every}, found {recording.repeats}; lower --hold-out"
        )
    as_recorded = without_last_bins(recorded, recording.bins - whole.bins)
    movement, held_out_movement = (part.conditions for part in hold_out(as_recorded, every, stretches))
    return Parts(whole, *hold_out(whole, every, stretches), movement, held_out_movement)


def _as_driven(
    recording: Recording, model: str, channels: Sequence[Condition], lead_bins: int
) -> tuple[Recording, Recording]:
    """Return a recording with those of its own conditions that a model answers to, and with all that it answers to."""
    bare = without_conditions(recording)
    if not channels:
        return bare, bare
    if _is_phase(channels):
        driven, period = with_phase(recording), channels[0].period
        if period != recording.bins:
            raise BadInputError(
                f"{model} answers to a stimulus of {period} bins, {recording.name} has repeats of {recording.bins};"
                " expected as many: evaluate it on the recording that it was trained on, or give --repeat-bins"
            )
        return bare, driven
    wanted, found = ([channel.name for channel in those] for those in (channels, recording.channels))
    timed = SESSION_TIME in channels and SESSION_TIME.name not in found
    if timed:
        wanted.remove(SESSION_TIME.name)
    if wanted and wanted != found:
        raise BadInputError(
            f"{model} answers to {', '.join(wanted)}; {recording.name} has {', '.join(found) or 'no conditions'};"
            " expected the same in the same order, as array `conditions` with `condition_names`"
        )
    recorded = recording if wanted else bare
    return recorded, with_lead(with_session_time(recorded) if timed else recorded, lead_bins)


def _is_phase(channels: Sequence[Condition]) -> bool:
    return len(channels) == 1 and channels[0].cyclic


def respond(stream: Stream, parts: Parts, draws: int = MOST_DRAWS) -> Responses:
    """Let one stream answer all that drove a recording, in order, repeat after repeat.

    First the training part, several times over, as synthetic data cost nothing but time; so the held-out one is met
    in the state in which the recording met it. Then the held-out part as often as asked for. Of a phase the training
    part is left out, as its repeats are all alike.

    Parameters
    ----------
    stream : given a number of bins and their conditions, (bins, channels), the next bins, (bins, units)
    """
    phase = _is_phase(parts.whole.channels)
    training = None if phase else np.concatenate([answers_to(parts.training, stream) for _ in range(TRAINING_PASSES)])
    held_out = [answers_to(parts.held_out, stream) for _ in range(draws)]
    return Responses(np.concatenate(held_out), training)


def answers_to(part: Recording, stream: Stream) -> Counts:
    """Let a stream answer to what drove each repeat, one after the other, (repeats, bins, units); 0 in the padding."""
    driven_by = split_repeats(part.conditions, part.lengths)
    return pad_repeats([stream(len(conditions), np.ascontiguousarray(conditions)) for conditions in driven_by])


def evaluate_responses(responses: Responses, parts: Parts, seed: int = 0) -> ConditionalEvaluation:
    """Judge a model's answers by those of the population, at equal sizes.

    To a phase: PSTHs and noise correlations. To recorded conditions: the stream as a whole, and what decoders of the
    held-out movement learn from the model's answers to the training part, at the same bins as from the recording.

    Raises
    ------
    BadInputError
        If there is too little to judge by.
    """
    random = random_stream(seed, Purpose.RESPONSES)
    training, held_out = parts.training, parts.held_out
    judged = ConditionalEvaluation(held_out, responses.held_out[: held_out.repeats])
    if responses.training is None:
        similarity = response_similarity(responses.held_out, training.counts, held_out.counts, random)
        return replace(judged, responses=similarity)
    if parts.movement.shape[2]:
        judged = replace(judged, decoding=_decoding(parts, responses.training))
    if held_out.signal != "spikes":
        return judged
    model, real = (join_recorded(part, held_out.lengths) for part in (responses.held_out, held_out.counts))
    lengths = held_out.bins_of_repeats.tolist()
    continuous = continuous_similarity(model, real, held_out.bin_size_s, random, lengths)
    if alike := _cut_alike(split_repeats(training.counts, training.lengths), lengths):
        reached = continuous_similarity(np.concatenate(alike), real, held_out.bin_size_s, random, lengths)
        continuous = replace(continuous, reachable=reached.rows)
    return replace(judged, continuous=continuous)


def _decoding(parts: Parts, answers: Counts) -> tuple[DecoderComparison, ...]:
    """Compare what decoders of the movement learn from the recording and from a model's answers to it."""
    movement, answered, known = (
        join_recorded(part, parts.training.lengths) for part in (parts.movement, answers, parts.training.counts)
    )
    real, held_out_movement = (
        join_recorded(part, parts.held_out.lengths) for part in (parts.held_out.counts, parts.held_out_movement)
    )
    return compare_decoders(
        Decodable(known, movement),
        Decodable(answered, np.tile(movement, (TRAINING_PASSES, 1))),
        Decodable(real, held_out_movement),
    )


def _cut_alike(repeats: Sequence[Counts], lengths: Sequence[int]) -> list[Counts]:
    """Cut repeats, (bins, units) each, into sets of runs of these lengths, each set spread over all of the repeats."""
    longest = max(lengths)
    runs = [row[begin : begin + longest] for row in repeats for begin in range(0, len(row) - longest + 1, longest)]
    sets = len(runs) // len(lengths)
    return [run[:bins] for first in range(sets) for run, bins in zip(runs[first::sets], lengths, strict=False)]


def tuning(counts: Counts, conditions: NDArray[np.float32]) -> Floats:
    """Pearson correlation of every unit's counts with every condition; 0 where either never varies.

    Parameters
    ----------
    counts : array of shape (repeats, bins, units)
    conditions : array of shape (repeats, bins, channels)

    Returns
    -------
    array of shape (units, channels)
    """
    one, other = (_standardised(join_bins(values)) for values in (counts, conditions))
    return one.T @ other / len(one)


def _standardised(values: NDArray) -> Floats:
    varies = np.ptp(values, axis=0) > 0
    centred = values - values.mean(axis=0, dtype=np.float64)
    return np.divide(centred, centred.std(axis=0), out=np.zeros_like(centred), where=varies)
