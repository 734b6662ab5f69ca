"""What a model answers to, where the user names nothing."""

from dataclasses import replace

import numpy as np
import pytest

from spikeloop.models.recordings.condition import Condition
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.training.suited_condition import suited_condition

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
