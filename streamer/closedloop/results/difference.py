"""The verdict on two decoders, in a sentence that one can quote."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from spikeloop.exporters.documents import json_values
from spikeloop.models.measures.paired_inference import LEVEL, holm, pairs_needed, smallest_found
from spikeloop.streamer.closedloop.results.estimates import PairedEstimate, format_estimate
from spikeloop.streamer.closedloop.results.paired_statistics import Paired

__all__ = ["MEASURES", "DecoderDifference", "Measure", "describe_paired", "differences_of"]

Measure = Literal["time", "success", "bits"]
Verdict = Literal["better", "worse", "no difference found"]

MEASURES: tuple[Measure, ...] = get_args(Measure)
MOST_TOLD = 100_000  # pairs, beyond which no number is said


@dataclass(frozen=True)
class _Words:
    """How a measure's difference is said: more, less, none, the unit, and how many of it are one."""

    more: str
    less: str
    same: str
    unit: str
    scale: float
    digits: int
    better: int


WORDS: dict[Measure, _Words] = {
    "time": _Words("slower by", "faster by", "equally fast", "s", 1.0, 2, -1),
    "success": _Words("success higher by", "success lower by", "equal success", "percentage points", 100.0, 0, 1),
    "bits": _Words("bit rate higher by", "bit rate lower by", "equal bit rates", "bit/s", 1.0, 2, 1),
}


@dataclass(frozen=True)
class DecoderDifference:
    """One decoder minus another, over the trials that both had.

    Attributes
    ----------
    decoder, baseline : str
    measure : {"time", "success", "bits"}
        "time": of the mean time to the target, s, in which a failure counts as the timeout; below 0 is better.
        "success": of the shares of trials with success; above 0 is better. "bits": of Fitts's bits/s, likewise.
    trials : int
        Of each decoder: the number of pairs.
    difference : float
        NaN where there are no trials.
    interval : tuple of two floats
        Of 95 %, of this pair alone; see `Paired`. NaN where there is one trial or none.
    p_value : float
        Of this pair alone.
    pairs_compared : int
        Pairs of decoders that were compared, over which the next is corrected.
    corrected_p_value : float
        By Holm's method; it decides the verdict.
    verdict : {"better", "worse", "no difference found"}
        Of the decoder.
    trials_needed : float
        Pairs of trials with which a difference of this size is found in four of five repetitions, in sessions as long
        as these; infinite for no difference, NaN where pairs don't differ, or are too few to say.
    smallest_found : float
        Difference that as many trials as there were find in four of five repetitions; NaN where they find none.
    sentence : str
        All of that for people, but for the names. It begins with the verdict where no difference was found.
    """

    decoder: str
    baseline: str
    measure: Measure
    trials: int
    difference: float
    interval: tuple[float, float]
    p_value: float
    pairs_compared: int
    corrected_p_value: float
    verdict: Verdict
    trials_needed: float
    smallest_found: float
    sentence: str

    def to_dict(self) -> dict[str, Any]:
        """Convert to what JSON holds, with None for NaN and infinity."""
        return json_values(self)

    def __str__(self) -> str:
        return f"{self.decoder} against {self.baseline}: {self.sentence}"


def differences_of(
    pairs: Sequence[tuple[str, str, Paired]], measure: Measure, of: str = "decoders"
) -> list[DecoderDifference]:
    """Judge every pair of decoders by one measure; p-values are corrected over all of them.

    Parameters
    ----------
    pairs : sequence of (decoder, baseline, Paired)
    measure : {"time", "success", "bits"}
    of : str, default "decoders"
        What is compared, in the plural, for the sentences.

    Returns
    -------
    list of DecoderDifference
    """
    found = [_found(paired, measure) for _, _, paired in pairs]
    corrected = holm([each.p_value for each in found])
    tests = sum(math.isfinite(each.p_value) for each in found)
    return [
        _judged(decoder, baseline, measure, paired.trials, estimate, tests, float(p_value), of)
        for (decoder, baseline, paired), estimate, p_value in zip(pairs, found, corrected, strict=True)
    ]


def describe_paired(paired: Paired) -> str:
    """Name all three differences, such as "time +0.65 (+0.32 to +0.99) s, success +0 % (-6 to +6), -0.45 bit/s"."""
    time_s, bits = (format_estimate(each, sign=True) for each in (paired.time_difference_s, paired.bits_difference))
    success = format_estimate(paired.success_difference, percent=True, sign=True)
    return f"time {time_s} s, success {success}, {bits} bit/s"


def _found(paired: Paired, measure: Measure) -> PairedEstimate:
    by_measure: dict[Measure, PairedEstimate] = {
        "time": paired.time_difference_s, "success": paired.success_difference, "bits": paired.bits_difference,
    }  # fmt: skip
    return by_measure[measure]


def _judged(
    decoder: str,
    baseline: str,
    measure: Measure,
    trials: int,
    found: PairedEstimate,
    tests: int,
    corrected: float,
    of: str,
) -> DecoderDifference:
    verdict: Verdict = "no difference found"
    if corrected < 1 - LEVEL:
        verdict = "better" if found.value * WORDS[measure].better > 0 else "worse"
    needed = pairs_needed(found.value, found.spread, max(1, tests))
    smallest = smallest_found(trials, found.spread, max(1, tests))
    sentence = _sentence(WORDS[measure], trials, found, tests, corrected, of)
    if math.isfinite(found.low) and verdict == "no difference found":
        sentence = f"{verdict}: {sentence}{_power(WORDS[measure], trials, needed, smallest)}"
    return DecoderDifference(
        decoder, baseline, measure, trials, found.value, (found.low, found.high), found.p_value, tests, corrected,
        verdict, needed, smallest, sentence,
    )  # fmt: skip


def _sentence(words: _Words, trials: int, found: PairedEstimate, tests: int, corrected: float, of: str) -> str:
    """Such as "slower by 0.57 s, 95 % interval 0.32 to 0.87; the interval excludes 0"."""
    if not trials:
        return "no trials that both had"
    if math.isnan(found.value):
        return "no rates, as the trials took no time"
    side = 1 if found.value >= 0 else -1
    said = f"{words.more if side > 0 else words.less} {_number(words, abs(found.value))} {words.unit}"
    said = said if found.value else words.same
    if math.isnan(found.low):
        return f"{said}, of one pair of trials, which proves nothing"
    low, high = sorted((side * found.low, side * found.high))
    excludes = low > 0 or high < 0
    said += f", 95 % interval {_number(words, low)} to {_number(words, high)} over {trials} pairs of trials"
    said += f"; the interval {'excludes' if excludes else 'includes'} 0"
    found_none = corrected >= 1 - LEVEL
    if excludes and (tests > 1 or found_none):
        contrary = "; but" if found_none else ","
        said += f"{contrary} p = {corrected:.3f}" if corrected >= 0.001 else f"{contrary} p < 0.001"
        said += f" with Holm's correction over {tests} pairs of {of}" if tests > 1 else ""
    return said


def _power(words: _Words, trials: int, needed: float, smallest: float) -> str:
    """What it would take to find a difference, and what would have been found."""
    said = ""
    if math.isfinite(needed) and trials < needed <= MOST_TOLD:
        more = float(f"{needed - trials:.2g}")
        said = f"; about {more:.0f} more pairs would find a difference of this size in 4 of 5 repetitions"
    if math.isfinite(smallest) and smallest > 0:
        said += f"; {trials} pairs would find {_number(words, smallest)} {words.unit} or more"
    return said


def _number(words: _Words, value: float) -> str:
    return f"{words.scale * value:z.{words.digits}f}"
