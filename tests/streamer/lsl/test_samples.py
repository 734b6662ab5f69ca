"""Numbers that nobody takes for a while, and an entering that is given up; the tests of `LslCondition` do the rest."""

import threading
import time

import numpy as np
import pylsl
import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.lsl import follower
from spikeloop.streamer.lsl.samples import LslSamples

LABELS = ("x", "y")


@pytest.fixture
def outlet(stream_name) -> pylsl.StreamOutlet:
    return pylsl.StreamOutlet(pylsl.StreamInfo(stream_name, "Velocity", 2, 0.0, pylsl.cf_float32, stream_name))


def test_what_is_not_taken_for_a_while_waits_and_the_connection_stays(outlet, stream_name, monkeypatch):
    monkeypatch.setattr(follower, "STALE_S", 0.2)
    monkeypatch.setattr(follower, "FORGET_S", 0.2)
    with LslSamples(stream_name, LABELS) as samples:
        began_s = samples.now()
        for number in range(250):
            outlet.push_sample([number, -number])
            time.sleep(0.01)
        assert samples.connections == 1
        stamps_s, values = samples.pull()
        assert samples.absent is False
        np.testing.assert_array_equal(values, [[number, -number] for number in range(250)])
        assert began_s - 0.001 < stamps_s[0] < stamps_s[-1] < samples.now()
        stamps_s, values = samples.pull()
        assert (stamps_s.shape, values.shape) == ((0,), (0, 2))


def test_who_looks_for_a_stream_can_be_told_to_give_up(stream_name):
    samples = LslSamples(stream_name, LABELS, appears_within_s=60, option="--decoder")
    threading.Timer(0.3, samples.give_up).start()
    began_s = time.monotonic()
    with pytest.raises(BadInputError, match="--decoder: expected an LSL stream named"), samples:
        pass
    assert time.monotonic() - began_s < 10
