import json

import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.devices.stimulator import Pulses, Stimulator
from spikeloop.streamer.devices.trigger import BurstTrigger
from spikeloop.streamer.mqtt.payloads import StimulateMessage, parse_inbound
from tests.support.messages import spikes


def stimulator(pulses: Pulses | None = None) -> Stimulator:
    return Stimulator(BurstTrigger(3, 0.010, refractory_s=0.1), pulses or Pulses(), "lab")


BURST = [0.001, 0.002, 0.003]


def test_a_burst_is_answered_with_a_stimulus_that_the_stream_understands():
    device = stimulator(Pulses((3, 5), 80.0, 4, 200.0, 100.0))
    assert device.receive("spikes", spikes(0, [0.001, 0.018]), 0.0) == ()
    (answer,) = device.receive("spikes", spikes(1, [0.021, 0.022, 0.039]), 0.02)  # the window reaches over messages
    assert answer.topic == "stimulate"
    asked = parse_inbound("stimulate", json.dumps(answer.document).encode())
    assert asked == StimulateMessage((3, 5), 80.0, 4, 200.0, 100.0, "lab-1")


def test_it_answers_a_message_at_most_once_and_then_rests():
    device = Stimulator(BurstTrigger(2, 0.010, refractory_s=0.004), Pulses(), "lab")
    assert len(device.receive("spikes", spikes(0, [0.001, 0.002, 0.011, 0.012]), 0.0)) == 1
    rests = stimulator()
    assert len(rests.receive("spikes", spikes(0, BURST), 0.0)) == 1
    assert rests.receive("spikes", spikes(1, [0.02 + each for each in BURST]), 0.02) == ()
    assert len(rests.receive("spikes", spikes(6, [0.12 + each for each in BURST]), 0.12)) == 1
    assert rests.report()["lost"] == 4


def test_the_marker_of_its_own_stimulus_confirms_it_once():
    device = stimulator()
    device.receive("spikes", spikes(0, BURST), 10.0)
    marker = b'{"event": "stimulate", "id": "lab-1", "units": "all", "stamp_s": 100.02}'
    for other in (b'{"event": "stimulate", "id": "else-1"}', b'{"event": "pause"}', b"?", b'{"event": "stimulate"}'):
        device.receive("marker", other, 10.001)
    assert device.report()["confirmed"] == 0
    device.receive("marker", marker, 10.004)
    device.receive("marker", marker, 10.009)
    report = device.report()
    assert report["confirmed"] == 1
    assert report["confirmation_ms"]["p50"] == pytest.approx(4.0, rel=0.011)


def test_a_refusal_of_its_own_stimulus_is_told_and_another_devices_is_not():
    device = stimulator()
    theirs = {"topic": "stimulate", "reason": "no such unit", "payload": '{"id": "else-1"}'}
    device.receive("error", json.dumps(theirs).encode(), 0.0)
    assert device.report()["refused"] == 0
    device.receive("error", json.dumps(theirs | {"payload": '{"id": "lab-1"}'}).encode(), 0.0)
    assert (device.report()["refused"], device.report()["reason"]) == (1, "no such unit")


def test_what_are_no_spikes_is_counted_and_stops_nothing():
    device = stimulator()
    assert device.receive("spikes", b"SPK1 and more", 0.0) == ()
    assert len(device.receive("spikes", spikes(0, BURST), 0.0)) == 1
    assert device.report()["not_understood"] == 1


@pytest.mark.parametrize("identifier", ["", "x" * 49])
def test_an_identifier_that_does_not_fit_is_told(identifier):
    with pytest.raises(BadInputError, match="expected an identifier of 1 to 48 characters"):
        Stimulator(BurstTrigger(3, 0.01), Pulses(), identifier)


@pytest.mark.parametrize("pulses", [Pulses(amplitude_ua=500.0), Pulses(pulses=0), Pulses(units=(-1,))])
def test_a_stimulus_that_no_stream_would_take_is_told_at_once(pulses):
    with pytest.raises(BadInputError):
        stimulator(pulses)
