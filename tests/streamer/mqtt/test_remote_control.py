"""What messages do to a stream, without a broker: they are handed over as the bridge hands them."""

import numpy as np
import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.condition import Condition
from spikeloop.streamer.conditions.feeds import RestFeed
from spikeloop.streamer.mqtt.address import parse_address
from spikeloop.streamer.mqtt.condition import MqttCondition
from spikeloop.streamer.mqtt.payloads import (
    ConditionMessage,
    ControlMessage,
    PerturbMessage,
    StimulateMessage,
    StreamStatus,
)
from spikeloop.streamer.mqtt.remote_control import RemoteControl
from spikeloop.streamer.stream.clock import SimulatedClock
from spikeloop.streamer.stream.health import Health
from spikeloop.streamer.stream.loop import stream
from spikeloop.streamer.stream.source import open_source
from spikeloop.streamer.stream.steering import Steering
from tests.support.stimulated import Kept, assert_sound
from tests.support.tiny import tiny_bundle, tiny_stream_bundle

CHANNELS = (Condition("x", "cm/s", -1.0, 1.0), Condition("y", "cm/s", -1.0, 1.0, rest=0.5))
START_S, BINS = 50.0, 400


class Rig:
    """A stream in which messages come when steps with these first bins are pushed."""

    def __init__(self, bundle, condition=None, seed=4) -> None:
        self.bundle, self.seed = bundle, seed
        self.clock = SimulatedClock(START_S)
        self.health = Health(bundle.card.bin_size_s, len(bundle.card.unit_names))
        address = parse_address("mqtt://127.0.0.1")
        card = bundle.card
        self.steering = Steering(card, seed)
        self.steering.listen(lambda event, stamp_s, **details: self.markers.append((event, stamp_s, details)))
        status = StreamStatus(card.name, bundle.sha256, seed, len(card.unit_names), card.bin_size_s, 20)
        rest = self.steering, self.health.report, self.clock.now, condition
        self.remote = RemoteControl(address, "rig", status, *rest)
        self.drive = condition or RestFeed(bundle.card.channels)
        self.kept, self.markers, self.answers = Kept(), [], []

    async def run(self, by_first_bin) -> None:
        self.by_first_bin = by_first_bin
        sinks, transforms = self.steering.begin(START_S, [self.kept, self.remote.bridge])
        self.remote.begin(START_S)
        source = open_source(self.bundle, self.seed, "cpu")
        await stream(
            source, (*sinks, self), self.clock, self.health, self.drive,
            start_s=START_S, step_bins=20, seed=self.seed, bins=BINS, transforms=transforms,
        )  # fmt: skip

    def push(self, step) -> None:
        for handler, message in self.by_first_bin.get(step.first_bin, []):
            self.answers.append(getattr(self.remote, handler)(message))

    def told(self) -> list[dict]:
        return [{"event": event, "stamp_s": stamp_s} | details for event, stamp_s, details in self.markers]


@pytest.fixture(scope="module")
def driven(tmp_path_factory):
    return tiny_stream_bundle(tmp_path_factory.mktemp("driven") / "tiny", channels=CHANNELS)


async def test_a_stimulus_is_marked_with_the_time_from_which_it_acts(bundle):
    rig = Rig(bundle)
    shock = StimulateMessage("all", 200.0, id="shock")
    await rig.run({100: [("stimulate", shock)], 200: [("stimulate", StimulateMessage((3, 5), 20.0, 2, 50.0))]})
    assert rig.answers == [None, None]
    first, second = rig.told()
    assert first == {
        "event": "stimulate", "stamp_s": START_S + 0.12, "id": "shock", "units": "all", "amplitude_ua": 200.0,
        "pulses": 1, "rate_hz": 100.0, "pulse_width_us": 200.0, "act": 1,
    }  # fmt: skip
    assert second["act"] == 2
    assert (second["stamp_s"], second["units"]) == (pytest.approx(START_S + 0.22), [3, 5])
    step = rig.kept.whole()
    assert_sound(step)
    assert rig.steering.channels[-1].name == "stimulus"
    np.testing.assert_array_equal(step.conditions[:, 0].nonzero()[0], [120, 220, 240])
    np.testing.assert_array_equal(step.conditions[[120, 220, 240], 0], [200, 20, 20])
    since_s = step.event_stamps_s - START_S - 0.12
    evoked = step.event_units[(since_s > 1e-3) & (since_s < 4e-3)]
    np.testing.assert_array_equal(np.unique(evoked), np.arange(96))
    np.testing.assert_array_equal(step.counts[:120], open_source(bundle, 4, "cpu").next(120))


async def test_gain_pause_and_resume_are_marked_and_told(bundle):
    rig = Rig(bundle)
    states = []
    rig.remote.bridge.set_state = lambda state, start_s=None: states.append((state, start_s))
    gain, pause, resume = ControlMessage("gain", 0.0), ControlMessage("pause"), ControlMessage("resume")
    await rig.run(
        {80: [("control", pause), ("control", pause)], 180: [("control", resume), ("control", gain)],
         280: [("control", ControlMessage("gain", 11.0))]}
    )  # fmt: skip
    assert rig.answers == [None, None, None, None, "gain: expected 0 to 10, found 11"]
    assert [(each["event"], round(each["stamp_s"] - START_S, 9)) for each in rig.told()] == [
        ("pause", 0.1), ("resume", 0.2), ("gain", 0.2)
    ]  # fmt: skip
    assert states == [("online", START_S), ("paused", None), ("online", None)]
    assert [step.first_bin for step in rig.kept.steps] == [*range(0, 100, 20), *range(200, BINS, 20)]
    assert not any(step.counts.any() for step in rig.kept.steps[5:])


async def test_perturbations_act_from_the_next_step_on_and_are_marked(bundle):
    rig = Rig(bundle)
    drop, noise = PerturbMessage("drop", None, (3, 5)), PerturbMessage("noise", 2000.0)
    await rig.run({100: [("perturb", drop), ("perturb", noise)], 200: [("perturb", PerturbMessage("drop", 0.0))]})
    assert rig.answers == [None, "noise: expected 0 to 1000 Hz, found 2000", None]
    assert rig.told() == [
        {"event": "perturb", "stamp_s": pytest.approx(START_S + 0.12), "kind": "drop", "value": 2 / 96,
         "units": [3, 5], "act": 1},
        {"event": "perturb", "stamp_s": pytest.approx(START_S + 0.22), "kind": "drop", "value": 0.0, "units": [],
         "act": 2},
    ]  # fmt: skip
    counts = rig.kept.joined("counts")
    assert not counts[120:220, [3, 5]].any()
    assert counts[:120, [3, 5]].any()
    assert rig.steering.perturbations == {}


async def test_before_it_begins_a_stream_can_be_neither_stimulated_nor_controlled(bundle):
    remote = Rig(bundle).remote
    for answer in (remote.stimulate(StimulateMessage("all", 20.0)), remote.control(ControlMessage("pause")),
                   remote.perturb(PerturbMessage("noise", 1.0))):  # fmt: skip
        assert answer == "the stream has not begun; wait until it has"


async def test_what_makes_no_sense_is_answered(bundle):
    rig = Rig(bundle)
    await rig.run(
        {0: [("stimulate", StimulateMessage((96,), 20.0)), ("condition", ConditionMessage((1.0,)))]
         + [("stimulate", StimulateMessage("all", 20.0, 1000, 1000.0))] * 3}
    )  # fmt: skip
    assert rig.answers[0] == "units: expected 0 to 95, found 96"
    assert rig.answers[1] == "this stream is not driven over MQTT; start it with --condition mqtt"
    assert rig.answers[2:4] == [None, None]
    assert rig.answers[4] is not None
    assert "expected at most 2000 pulses in the coming second" in rig.answers[4]
    assert len(rig.told()) == 2


WRONG = [
    StimulateMessage("all", 20.0, 1.5),  # pyright: ignore[reportArgumentType]
    StimulateMessage("all", 20.0, True),
    StimulateMessage("all", 20.0, float("nan")),  # pyright: ignore[reportArgumentType]
    StimulateMessage((True,), 20.0),
    StimulateMessage((0.5,), 20.0),  # pyright: ignore[reportArgumentType]
    StimulateMessage((float("nan"),), 20.0),  # pyright: ignore[reportArgumentType]
    StimulateMessage((), 20.0),
]


async def test_a_stimulus_with_a_number_that_is_not_whole_is_answered_and_never_given(bundle):
    rig = Rig(bundle)
    await rig.run({0: [("stimulate", message) for message in WRONG]})
    assert all(answer and answer.startswith(("pulses: expected", "units: expected")) for answer in rig.answers)
    assert len(rig.answers) == len(WRONG)
    assert not rig.told()
    assert not rig.kept.whole().conditions.any()


async def test_fluorescence_can_be_controlled_but_not_stimulated(tmp_path):
    bundle = tiny_stream_bundle(tmp_path / "light", distribution="fluorescence")
    rig = Rig(bundle)
    assert rig.steering.channels == ()
    await rig.run({0: [("stimulate", StimulateMessage("all", 20.0)), ("control", ControlMessage("gain", 0.0)),
                      ("perturb", PerturbMessage("noise", 1.0))]})  # fmt: skip
    spikes = "expected a stream of spikes, this one is of fluorescence; stream another bundle"
    assert rig.answers == [spikes, None, f"noise: {spikes}"]
    light = rig.kept.joined("counts")
    assert light[:20].any()
    assert not light[20:].any()


async def test_conditions_are_held_then_decay_and_the_session_can_be_repeated(driven):
    condition = MqttCondition(CHANNELS, hold_s=0.1, decay_s=0.1)
    rig = Rig(driven, condition)
    await rig.run({80: [("condition", ConditionMessage((1.0, -1.0)))]})
    assert rig.answers == [None]
    values = rig.kept.joined("conditions")
    assert values.shape == (BINS, 3)
    np.testing.assert_allclose(values[:99], [[0, 0.5, 0]] * 99, atol=1e-6)
    np.testing.assert_array_equal(values[100:200], [[1, -1, 0]] * 100)
    np.testing.assert_allclose(values[249, :2], [0.5, -0.25], atol=0.02)
    np.testing.assert_allclose(values[301:], [[0, 0.5, 0]] * 99, atol=1e-6)
    offline = open_source(driven, 4, "cpu").next(BINS, values[:, :2])
    np.testing.assert_array_equal(rig.kept.joined("counts"), offline)
    assert (condition.report().samples, condition.report().gaps) == (1, 1)


def test_conditions_of_another_width_or_clock_are_answered():
    condition = MqttCondition(CHANNELS)
    answer = condition.offer(ConditionMessage((1.0,)), 50.0)
    assert answer == "values: expected 2 (x, y), found 1"
    answer = condition.offer(ConditionMessage((1.0, 1.0), stamp_s=1.7e9), 50.0)
    assert answer is not None
    assert "stamp_s: expected a time within 10 s of LSL's clock, which is at 50.000, found 1700000000.000" in answer
    assert condition.offer(ConditionMessage((1.0, 1.0), stamp_s=49.9), 50.0) is None
    np.testing.assert_array_equal(condition.at(np.array([49.8, 50.0])), [[0.0, 0.5], [1.0, 1.0]])
    assert (condition.report().samples, condition.report().off_clock) == (2, 1)
    with pytest.raises(BadInputError, match="a model that is driven by conditions"):
        MqttCondition(())


async def test_many_units_of_a_long_bin_fit_a_count(tmp_path):
    bundle = tiny_bundle(tmp_path / "slow", units=3, bin_size_s=0.1)
    rig = Rig(bundle)
    await rig.run({20: [("control", ControlMessage("gain", 10.0))]})
    assert_sound(rig.kept.whole(), 0.1)


async def test_only_a_replay_can_seek(bundle):
    rig = Rig(bundle)
    await rig.run({100: [("control", ControlMessage("seek", 3.0))]})
    assert rig.answers == ["only a replay can seek; this stream generates its spikes"]
    assert rig.told() == []
