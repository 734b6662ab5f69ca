"""What devices may do to a replay of streams, and what they are told of it."""

import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.capture.replay.control import PlayheadSteering
from spikeloop.streamer.capture.replay.playhead import Playhead
from spikeloop.streamer.mqtt.address import parse_address
from spikeloop.streamer.mqtt.payloads import ConditionMessage, ControlMessage
from spikeloop.streamer.mqtt.remote_control import RemoteControl


@pytest.fixture
def steered():
    """A playhead, its remote control, and the markers of what was done."""
    playhead, marks = Playhead(1.0, 3.0, 50.0), []
    steering = PlayheadSteering(playhead, lambda: 51.0)
    steering.listen(lambda event, stamp_s, **details: marks.append((event, stamp_s, details)))
    address = parse_address("mqtt://127.0.0.1")
    return playhead, RemoteControl(address, "rig", None, steering, None, lambda: 51.0, seek=steering.seek), marks


def test_each_act_is_marked_once_and_one_that_changes_nothing_is_not(steered):
    playhead, remote, marks = steered
    pause, resume = ControlMessage("pause"), ControlMessage("resume")
    for message in (pause, pause, ControlMessage("seek", 2.0), resume, resume):
        assert remote.control(message) is None
    assert marks == [("pause", 51.0, {}), ("seek", 51.0, {"position_s": 2.0}), ("resume", 51.0, {})]
    assert not playhead.paused


def test_what_recorded_streams_can_not_do_is_refused_and_not_marked(steered):
    _, remote, marks = steered
    assert remote.control(ControlMessage("seek", 9.0)) == "seek: expected a time from 1 to 3 s, found 9"
    assert "--counts to change the gain" in (remote.control(ControlMessage("gain", 2.0)) or "")
    assert "a replay is not driven" in (remote.condition(ConditionMessage((1.0,))) or "")
    assert not marks


def test_stimuli_are_refused():
    with pytest.raises(BadInputError, match="--counts to stimulate"):
        PlayheadSteering(Playhead(0.0, 1.0, 0.0), lambda: 0.0).stimulate("all", 20.0)
