"""A hand on a device, over LSL."""

import time
from types import SimpleNamespace

import numpy as np
import pylsl
import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.closedloop.experiment.users import View
from spikeloop.streamer.closedloop.real_time import lsl_user
from spikeloop.streamer.closedloop.real_time.lsl_user import FASTEST_CM_S, LslUser

VIEW = View(np.zeros(2), np.zeros(2), None)


@pytest.fixture
def device(stream_name) -> pylsl.StreamOutlet:
    return pylsl.StreamOutlet(pylsl.StreamInfo(stream_name, "Mouse", 2, 0.0, pylsl.cf_float32, stream_name))


@pytest.fixture
def clock(monkeypatch) -> SimpleNamespace:
    """LSL's clock here, which stands still until the test turns it."""
    clock = SimpleNamespace(now_s=pylsl.local_clock())
    monkeypatch.setattr(pylsl, "local_clock", lambda: clock.now_s)
    return clock


def until(user: LslUser, velocity_x: float) -> None:
    """Wait until what was sent has come."""
    while user.intend(VIEW)[0] != velocity_x:
        time.sleep(0.001)


def test_the_hand_intends_what_its_device_tells_whatever_is_on_the_screen(device, stream_name, clock):
    with LslUser(stream_name) as user:
        np.testing.assert_array_equal(user.intend(VIEW), [0, 0])
        device.push_sample([3, -4], clock.now_s)
        until(user, 3)
        np.testing.assert_array_equal(user.intend(VIEW), [3, -4])
        np.testing.assert_array_equal(user.follow(np.array([9.0, 9.0])), [3, -4])
        device.push_sample([np.nan, 1], clock.now_s)  # is ignored
        device.push_sample([1e6, 0], clock.now_s)
        until(user, 2 * FASTEST_CM_S)
        np.testing.assert_array_equal(user.intend(VIEW), [2 * FASTEST_CM_S, 0])


def test_a_hand_that_rests_or_is_gone_lets_go_within_a_second(device, stream_name, clock):
    began_s, seen = clock.now_s, []
    with LslUser(stream_name) as user:
        device.push_sample([3, -4], began_s)
        until(user, 3)
        del device
        for after_s in (0.2, 0.4, 0.6, 0.8, 1.1):
            clock.now_s = began_s + after_s
            seen.append(float(user.intend(VIEW)[0]))
    assert seen[:2] == [3, 3]
    assert 3 > seen[2] > seen[3] > 0
    assert seen[4] == 0


def test_a_device_that_is_not_there_is_told(stream_name, monkeypatch):
    monkeypatch.setattr(lsl_user, "APPEARS_WITHIN_S", 0.5)
    with pytest.raises(BadInputError, match="--user: expected an LSL stream named .* 2 numbers"), LslUser(stream_name):
        pass
