import pytest

from spikeloop.streamer.devices.device import Outgoing
from spikeloop.streamer.devices.probe import Probe
from spikeloop.streamer.devices.sequence import SequenceCheck
from tests.support.messages import spikes


def test_every_spikes_message_is_echoed_by_its_sequence():
    probe = Probe()
    answers = [probe.receive("spikes", spikes(sequence, []), 0.0) for sequence in (0, 1, 4)]
    assert answers == [(Outgoing("echo", {"sequence": sequence}),) for sequence in (0, 1, 4)]
    assert probe.report() == {
        "echoed": 3, "lost": 2, "refused": 0, "stream_restarts": 0, "round_trip_ms": None,
    }  # fmt: skip


def test_the_streams_own_measure_of_the_round_trip_is_reported():
    probe = Probe()
    probe.receive("health", b'{"round_trip_ms": {"p50": 0.7, "p99": 2.1}}', 0.0)
    probe.receive("health", b'{"round_trip_ms": null}', 1.0)
    assert probe.report()["round_trip_ms"] == {"p50": 0.7, "p99": 2.1}


@pytest.mark.parametrize("payload", [b"", b"SPK1", b"SPK2" + bytes(36), spikes(0, [0.001])[:-1]])
def test_what_are_no_spikes_is_counted_and_not_echoed(payload):
    probe = Probe()
    assert probe.receive("spikes", payload, 0.0) == ()
    assert probe.report()["refused"] == 1


def test_sequences_tell_lost_messages_from_another_run():
    check = SequenceCheck()
    for sequence in (2**32 - 2, 2**32 - 1, 0, 1, 3):  # it goes round
        check.add(sequence)
    assert (check.messages, check.lost, check.restarts) == (5, 1, 0)
    check.add(0)
    assert (check.messages, check.lost, check.restarts) == (6, 1, 1)
    check.add(1)
    assert (check.lost, check.restarts) == (1, 1)
