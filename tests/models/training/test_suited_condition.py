"""What a model answers to, where the user names nothing."""

from dataclasses import replace

import numpy as np
import pytest

from spikeloop.models.recordings.condition import Condition
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.training.suited_condition import drift_advice, suited_condition

REPEATS, BINS, UNITS = 40, 60, 5


def recording_of(rates: np.ndarray) -> Recording:
    counts = (np.random.default_rng(0).random((REPEATS, BINS, UNITS)) < rates).astype(np.uint8)
    return Recording(counts, 0.02, tuple("abcde"))


@pytest.fixture
def alike() -> Recording:
    return recording_of(np.random.default_rng(1).random((BINS, UNITS)))


@pytest.fixture
def unlike() -> Recording:
    return recording_of(np.full((BINS, UNITS), 0.3))


@pytest.mark.parametrize("family", ["causal_gan", "vae", "vae_gan"])
def test_repeats_that_are_alike_give_the_phase(alike, family):
    condition, why = suited_condition(alike, family, 5)
    assert condition == "phase"
    assert "repeats are alike" in why


def test_repeats_that_are_not_alike_give_none(unlike):
    assert suited_condition(unlike, "causal_gan", 5) == ("none", "")


def test_families_without_conditions_get_none(alike):
    assert suited_condition(alike, "spike_gan", 5) == ("none", "")


def test_too_few_repeats_to_hold_out_from_give_none(alike):
    assert suited_condition(alike, "causal_gan", REPEATS + 1)[0] == "none"


def test_a_single_stretch_gives_none(alike):
    one = replace(alike, counts=alike.counts.reshape(1, -1, UNITS))
    assert suited_condition(one, "causal_gan", 0) == ("none", "")


def test_repeats_of_unequal_length_give_none(alike):
    unequal = replace(alike, lengths=(BINS - 1,) + (BINS,) * (REPEATS - 1))
    assert suited_condition(unequal, "causal_gan", 5)[0] == "none"


def test_recorded_conditions_are_named_but_not_chosen(unlike):
    driven = replace(
        unlike,
        driven_by=np.zeros((REPEATS, BINS, 1), np.float32),
        channels=(Condition("velocity x", "cm/s", -1.0, 1.0),),
    )
    condition, why = suited_condition(driven, "causal_gan", 5)
    assert condition == "none"
    assert why == "condition none; --condition recorded learns how the population answers to velocity x"


@pytest.fixture
def drifting(unlike) -> Recording:
    later = np.arange(REPEATS)[:, np.newaxis, np.newaxis] >= REPEATS // 2
    return replace(unlike, counts=np.where(later, unlike.counts + 1, unlike.counts).astype(np.uint8))


@pytest.mark.parametrize(
    ("answers", "advised"),
    [(["none"], "--condition session-time"), (["recorded"], "session-time beside what --condition names")],
)
def test_a_session_that_drifts_is_named_with_what_learns_it(drifting, unlike, answers, advised):
    advice = drift_advice(drifting, "causal_gan", answers)
    assert advice.startswith("rates drift over the session (")
    assert f"{advised} learns that too" in advice
    assert drift_advice(unlike, "causal_gan", answers) == ""


@pytest.mark.parametrize("answers", [["phase"], ["session-time"], ["recorded", "session-time"]])
def test_a_drift_that_is_learned_or_cannot_be_is_not_named(drifting, answers):
    assert drift_advice(drifting, "causal_gan", answers) == ""
    assert drift_advice(drifting, "spike_gan", ["none"]) == ""
