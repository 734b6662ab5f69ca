import numpy as np
import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.condition import Condition, phase_condition
from spikeloop.streamer.conditions.feeds import PhaseFeed, RestFeed
from spikeloop.streamer.conditions.steered import SteeredDrive, by_itself
from spikeloop.streamer.stream.clock import SimulatedClock
from spikeloop.streamer.stream.health import Health
from spikeloop.streamer.stream.loop import stream
from spikeloop.streamer.stream.source import open_source
from spikeloop.streamer.stream.steering import Steering
from tests.support.stimulated import Kept
from tests.support.tiny import tiny_stream_bundle

VELOCITY = (Condition("x", "cm/s", -1.0, 1.0), Condition("y", "cm/s", -1.0, 1.0, rest=0.5))
PHASE = (phase_condition(10),)
BINS, STEP_BINS = 100, 20


def bins(number):
    return np.arange(number, dtype=float)


def test_it_rests_until_values_are_set_and_again_when_they_are_let_go():
    drive = SteeredDrive(VELOCITY, RestFeed(VELOCITY))
    np.testing.assert_allclose(drive.at(bins(2)), [[0, 0.5], [0, 0.5]])
    drive.set([0.25, -1])
    np.testing.assert_allclose(drive.at(bins(2)), [[0.25, -1], [0.25, -1]])
    drive.set(None)
    np.testing.assert_allclose(drive.at(bins(1)), [[0, 0.5]])
    assert drive.describe(5) == {"asked": "steered:rest", "times_set": 1, "steered_bins": 2}


def test_a_phase_runs_on_from_where_it_is_set_and_its_own_goes_on_meanwhile():
    drive = SteeredDrive(PHASE, PhaseFeed(10))
    assert drive.at(bins(3))[:, 0].tolist() == [0, 1, 2]
    drive.set([8])
    assert drive.at(bins(4))[:, 0].tolist() == [8, 9, 0, 1]
    drive.set(None)
    assert drive.at(bins(4))[:, 0].tolist() == [7, 8, 9, 0]


@pytest.mark.parametrize(
    "values", [[0.5], [0.5, 0.5, 0.5], [[0, 0]], [np.nan, 0], [5, 0], ["a", "b"], [[0], [0, 0]], 3]
)
def test_values_that_do_not_suit_the_channels_are_refused_and_change_nothing(values):
    drive = SteeredDrive(VELOCITY, RestFeed(VELOCITY))
    with pytest.raises(BadInputError, match="expected"):
        drive.set(values)
    np.testing.assert_allclose(drive.at(bins(1)), [[0, 0.5]])


def test_a_model_without_channels_can_not_be_steered():
    with pytest.raises(BadInputError, match="driven by conditions"):
        SteeredDrive((), RestFeed(()))


def test_what_drives_it_by_itself_is_read_from_what_was_asked_for():
    assert [by_itself(asked) for asked in ("steered:rest", "steered:phase", "rest", "")] == [
        "rest",
        "phase",
        "rest",
        "",
    ]


class Turns:
    """A sink that sets values as soon as the first step went out."""

    def __init__(self, steering):
        self.steering = steering

    def push(self, step):
        if step.first_bin == 0:
            self.steering.set_condition([1.0, -1.0])


async def test_the_spikes_are_those_of_the_conditions_that_went_out(tmp_path):
    bundle = tiny_stream_bundle(tmp_path / "tiny", channels=VELOCITY)
    drive = SteeredDrive(VELOCITY, RestFeed(VELOCITY))
    steering, kept, clock = Steering(bundle.card, 0, drive), Kept(), SimulatedClock()
    sinks, transforms = steering.begin(0.0, [kept])
    await stream(
        open_source(bundle, 0, "cpu"), (*sinks, Turns(steering)), clock, Health(0.001, 4), drive,
        start_s=0.0, step_bins=STEP_BINS, seed=0, bins=BINS, transforms=transforms,
    )  # fmt: skip
    conditions = np.concatenate([step.conditions for step in kept.steps])[:, :2]
    asked = np.repeat([[0, 0.5], [1, -1]], [STEP_BINS, BINS - STEP_BINS], axis=0)
    np.testing.assert_allclose(conditions, asked)
    counts = np.concatenate([step.counts for step in kept.steps])
    np.testing.assert_array_equal(counts, open_source(bundle, 0, "cpu").next(BINS, conditions))


def test_a_stream_that_is_not_steered_says_so(tmp_path):
    steering = Steering(tiny_stream_bundle(tmp_path / "tiny", channels=VELOCITY).card, 0)
    with pytest.raises(BadInputError, match="start it with the condition steered"):
        steering.set_condition([0, 0])
