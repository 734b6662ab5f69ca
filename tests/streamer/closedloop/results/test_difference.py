import math

import numpy as np
import pytest

from spikeloop.models.measures.paired_inference import holm, pairs_needed, smallest_found
from spikeloop.streamer.closedloop.results.difference import MEASURES, WORDS, Measure, differences_of
from spikeloop.streamer.closedloop.results.estimates import PairedEstimate
from spikeloop.streamer.closedloop.results.paired_statistics import Paired

NONE = PairedEstimate(0.0, -0.1, 0.1, 1.0, 0.3)


def paired(time=NONE, success=NONE, bits=NONE, trials=16):
    return Paired(trials, time, success, bits)


def judged(*found, measure: Measure = "time"):
    """Of pairs of decoders with these differences."""
    return differences_of(
        [(f"d{place}", "first", paired(**{measure: each})) for place, each in enumerate(found)], measure
    )


SLOWER = PairedEstimate(0.57, 0.32, 0.87, 0.004, 0.5)
FASTER = PairedEstimate(-0.57, -0.87, -0.32, 0.004, 0.5)


def test_a_verdict_is_a_sentence():
    (found,) = judged(SLOWER)
    expected = "slower by 0.57 s, 95 % interval 0.32 to 0.87 over 16 pairs of trials; the interval excludes 0"
    assert (found.verdict, found.sentence) == ("worse", expected)
    assert str(found) == f"d0 against first: {expected}"
    (found,) = judged(FASTER)
    assert (found.verdict, found.sentence) == ("better", expected.replace("slower", "faster"))
    assert found.interval == (-0.87, -0.32)  # of the difference itself


@pytest.mark.parametrize(
    ("measure", "more", "less"),
    [
        ("success", "success higher by 57 percentage points, 95 % interval 32 to 87", "success lower by 57"),
        ("bits", "bit rate higher by 0.57 bit/s, 95 % interval 0.32 to 0.87", "bit rate lower by 0.57 bit/s"),
    ],
)
def test_more_success_and_more_bits_are_better(measure, more, less):
    (higher,), (lower,) = judged(SLOWER, measure=measure), judged(FASTER, measure=measure)
    assert (higher.verdict, lower.verdict) == ("better", "worse")
    assert higher.sentence.startswith(more)
    assert lower.sentence.startswith(less)


def test_every_measure_is_judged():
    assert MEASURES == ("time", "success", "bits")


def test_a_verdict_allows_for_all_pairs_of_decoders():
    p_values = [0.004, 0.03, 0.04]
    found = judged(*(PairedEstimate(0.5, 0.1, 0.9, each, 0.8) for each in p_values))
    assert [each.corrected_p_value for each in found] == pytest.approx(holm(p_values).tolist())
    assert [each.pairs_compared for each in found] == [3, 3, 3]
    assert [each.verdict for each in found] == ["worse", "no difference found", "no difference found"]
    assert found[0].sentence.endswith("excludes 0, p = 0.012 with Holm's correction over 3 pairs of decoders")
    assert "excludes 0; but p = 0.060 with Holm's correction over 3 pairs of decoders; about " in found[1].sentence


def test_where_nothing_is_found_it_says_how_many_more_pairs_would_and_what_these_would_have():
    (found,) = judged(PairedEstimate(0.2, -0.1, 0.5, 0.2, 0.6))
    needed = pairs_needed(0.2, 0.6)
    assert (found.trials_needed, found.smallest_found) == (needed, smallest_found(16, 0.6))
    assert "0.50 over 16 pairs of trials; the interval includes 0; about " in found.sentence
    assert f"about {needed - 16:.0f} more pairs would find a difference of this size in 4 of 5 rep" in found.sentence
    assert found.sentence.endswith(f"; 16 pairs would find {found.smallest_found:.2f} s or more")


@pytest.mark.parametrize("measure", MEASURES)
def test_where_nothing_is_found_the_sentence_begins_with_it(measure):
    """Nobody who quotes its first words says more than was found."""
    (found,) = judged(PairedEstimate(0.2, -0.1, 0.5, 0.2, 0.6), measure=measure)
    assert found.sentence.startswith(f"no difference found: {WORDS[measure].more} ")
    assert str(found).startswith("d0 against first: no difference found: ")
    corrected = judged(*[PairedEstimate(0.5, 0.1, 0.9, 0.04, 0.8)] * 2, measure=measure)
    assert all(each.sentence.startswith("no difference found: ") for each in corrected)


def test_of_no_difference_no_number_of_pairs_is_said():
    (found,) = judged(NONE)
    assert found.sentence.startswith("no difference found: equally fast, 95 % interval -0.10 to 0.10 over 16")
    assert "more pairs" not in found.sentence
    assert found.to_dict()["trials_needed"] is None
    (tiny,) = judged(PairedEstimate(0.001, -0.3, 0.3, 0.9, 0.6))
    assert "more pairs" not in tiny.sentence  # millions


@pytest.mark.parametrize("trials", [0, 1])
def test_one_pair_or_none_is_no_verdict(trials):
    value = 0.5 if trials else math.nan
    nothing = PairedEstimate(value, math.nan, math.nan, math.nan, math.nan)
    (found,) = differences_of([("one", "other", paired(time=nothing, trials=trials))], "time")
    assert found.verdict == "no difference found"
    assert found.pairs_compared == 0
    said = {0: "no trials that both had", 1: "slower by 0.50 s, of one pair of trials, which proves nothing"}
    assert found.sentence == said[trials]
    assert np.isnan(found.corrected_p_value)


def test_a_rate_of_trials_that_took_no_time_is_not_told_as_a_number():
    (found,) = judged(PairedEstimate(*[math.nan] * 5), measure="bits")
    assert (found.verdict, found.sentence) == ("no difference found", "no rates, as the trials took no time")
