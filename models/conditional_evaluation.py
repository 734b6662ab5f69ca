"""The examination of a conditional model: how it answers what drove a recording."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.continuous import ContinuousLikeness, continuous_likeness
from spikeloop.models.measures.decoder_comparison import DecoderComparison, compare_decoders
from spikeloop.models.measures.decoding import Decodable
from spikeloop.models.measures.likeness import MOST_DRAWS
from spikeloop.models.measures.response import ResponseLikeness, response_likeness
from spikeloop.models.recordings.condition import Condition
from spikeloop.models.recordings.recording import Recording, part_of, with_lead, with_phase, without_conditions
from spikeloop.models.recordings.windows import hold_out

__all__ = [
    "ConditionalEvaluation",
    "Parts",
    "Responses",
    "evaluate_responses",
    "respond",
    "split_as_trained",
    "tuning",
]

LEAST_REPEATS = 2  # held out, for noise correlations

Counts = NDArray[Any]  # uint8; of fluorescence, float32
Floats = NDArray[np.float64]
Stream = Callable[[int, NDArray[np.float32]], Counts]  # the next bins under conditions, (bins, channels)

TRAINING_PASSES = 5  # of the training part's conditions, that a decoder is trained on the answers to


@dataclass(frozen=True, eq=False)
class Parts:
    """A recording as a model was trained on it, and its two parts.

    Attributes
    ----------
    whole : with what the model answers to: nothing, a phase, or recorded conditions, of as many bins later as it leads
    training, held_out : its parts
    movement, held_out_movement : recorded conditions at the very bins of the two parts, without the lead
        (repeats, bins, channels), as a decoder knows them; of a phase or of nothing, no channels
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
    decoding : of recorded conditions, one entry a decoder and channel; empty of a phase
    """

    held_out: Recording
    model: Counts
    responses: ResponseLikeness | None = None
    continuous: ContinuousLikeness | None = None
    decoding: tuple[DecoderComparison, ...] = ()


def split_as_trained(
    recording: Recording, model: str, channels: Sequence[Condition], lead_bins: int, every: int
) -> Parts:
    """Give a recording the conditions that a model answers to, and hold out the part that its training held out.

    The lead comes before the split, as in training: each bin and the conditions that drove it are in one part only.

    Parameters
    ----------
    model : its name, for messages
    channels : that drive the model; none of an unconditional one
    lead_bins : by which the model's conditions run ahead
    every : every n-th repeat is held out, or the last n-th of a continuous recording

    Raises
    ------
    BadInputError
        If the recording lacks these conditions, its repeats are of another length, or it is too short to split.
    """
    whole, bare = _as_driven(recording, model, channels, lead_bins), without_conditions(recording)
    if _is_phase(channels):
        if recording.repeats // every < LEAST_REPEATS:
            raise BadInputError(
                f"{recording.name}: expected at least {LEAST_REPEATS * every} repeats, to hold out {LEAST_REPEATS} or"
                f" more, one in {every}, found {recording.repeats}; lower --hold-out"
            )
        as_recorded = bare
    else:
        as_recorded = part_of(recording if channels else bare, bins=slice(whole.bins))
    movement, held_out_movement = (part.conditions for part in hold_out(as_recorded, every))
    return Parts(whole, *hold_out(whole, every), movement, held_out_movement)


def _as_driven(recording: Recording, model: str, channels: Sequence[Condition], lead_bins: int) -> Recording:
    if not channels:
        return without_conditions(recording)
    if _is_phase(channels):
        driven, period = with_phase(recording), channels[0].period
        if period != recording.bins:
            raise BadInputError(
                f"{model} answers to a stimulus of {period} bins, {recording.name} has repeats of {recording.bins};"
                " expected as many: evaluate it on the recording that it was trained on, or give --repeat-bins"
            )
        return driven
    wanted, found = ([channel.name for channel in each] for each in (channels, recording.channels))
    if wanted != found:
        raise BadInputError(
            f"{model} answers to {', '.join(wanted)}; {recording.name} has {', '.join(found) or 'no conditions'};"
            " expected the same in the same order, as array `conditions` with `condition_names`"
        )
    return with_lead(recording, lead_bins)


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
    training = None if phase else np.concatenate([_answers(stream, parts.training) for _ in range(TRAINING_PASSES)])
    held_out = [_answers(stream, parts.held_out) for _ in range(draws)]
    return Responses(np.concatenate(held_out), training)


def _answers(stream: Stream, part: Recording) -> Counts:
    return np.stack([stream(part.bins, np.ascontiguousarray(conditions)) for conditions in part.conditions])


def evaluate_responses(responses: Responses, parts: Parts, seed: int = 0) -> ConditionalEvaluation:
    """Judge a model's answers by those of the population, at equal sizes.

    To a phase: PSTHs and noise correlations. To recorded conditions: the stream as a whole, and what decoders of the
    held-out movement learn from the model's answers to the training part, at the same bins as from the recording.

    Raises
    ------
    BadInputError
        If there is too little to judge by.
    """
    random = np.random.Generator(np.random.Philox(seed))
    training, held_out = parts.training, parts.held_out
    judged = ConditionalEvaluation(held_out, responses.held_out[: held_out.repeats])
    if responses.training is None:
        likeness = response_likeness(responses.held_out, training.counts, held_out.counts, random)
        return replace(judged, responses=likeness)
    decoding = compare_decoders(
        Decodable(_joined(training.counts), _joined(parts.movement)),
        Decodable(_joined(responses.training), np.tile(_joined(parts.movement), (TRAINING_PASSES, 1))),
        Decodable(_joined(held_out.counts), _joined(parts.held_out_movement)),
    )
    judged = replace(judged, decoding=decoding)
    if held_out.signal != "spikes":
        return judged
    model, real = _joined(responses.held_out), _joined(held_out.counts)
    return replace(judged, continuous=continuous_likeness(model, real, held_out.bin_size_s, random))


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
    one, other = (_standardised(_joined(each)) for each in (counts, conditions))
    return one.T @ other / len(one)


def _standardised(values: NDArray) -> Floats:
    varies = np.ptp(values, axis=0) > 0
    centred = values - values.mean(axis=0, dtype=np.float64)
    return np.divide(centred, centred.std(axis=0), out=np.zeros_like(centred), where=varies)


def _joined(repeats: NDArray) -> NDArray:
    """(repeats * bins, columns)."""
    return repeats.reshape(-1, repeats.shape[2])
