"""A hand on a device, over LSL."""

import time

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


def arrives(device: pylsl.StreamOutlet, *sample: float) -> None:
    device.push_sample(sample)
    time.sleep(0.05)


def test_the_hand_intends_what_its_device_tells_whatever_is_on_the_screen(device, stream_name):
    with LslUser(stream_name) as user:
        np.testing.assert_array_equal(user.intend(VIEW), [0, 0])
        arrives(device, 3, -4)
        np.testing.assert_array_equal(user.intend(VIEW), [3, -4])
        np.testing.assert_array_equal(user.follow(np.array([9.0, 9.0])), [3, -4])
        arrives(device, np.nan, 1)
        np.testing.assert_array_equal(user.intend(VIEW), [3, -4])
        arrives(device, 1e6, 0)
        np.testing.assert_array_equal(user.intend(VIEW), [2 * FASTEST_CM_S, 0])


def test_a_hand_that_rests_or_is_gone_lets_go_within_a_second(device, stream_name):
    with LslUser(stream_name) as user:
        device.push_sample([3, -4])
        sent_s, seen = time.monotonic(), []
        while user.intend(VIEW)[0] == 0:
            assert time.monotonic() < sent_s + 60
        came_s = time.monotonic()
        del device
        while time.monotonic() < came_s + 1.1:
            velocity = float(user.intend(VIEW)[0])
            seen.append((time.monotonic() - sent_s, velocity))
            time.sleep(0.01)
    assert all(velocity == 3 for at_s, velocity in seen if at_s < 0.4)
    assert any(0 < velocity < 3 for at_s, velocity in seen)
    assert seen[-1][1] == 0


def test_a_device_that_is_not_there_is_told(stream_name, monkeypatch):
    monkeypatch.setattr(lsl_user, "APPEARS_WITHIN_S", 0.5)
    with pytest.raises(BadInputError, match="--user: expected an LSL stream named .* 2 numbers"), LslUser(stream_name):
        pass
