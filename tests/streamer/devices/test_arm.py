import json

import numpy as np
import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.devices.arm import Arm, ArmSettings


def cursor(**values: object) -> bytes:
    return json.dumps({"stamp_s": 5.0, "velocity_cm_s": [0.0, 0.0], "target": None} | values).encode()


def moved(arm: Arm, payloads: list[bytes], began_s: float = 0.0) -> list[dict]:
    """What the arm tells, a tick of 20 ms after each message."""
    told = []
    for place, payload in enumerate(payloads):
        now_s = began_s + 0.02 * place
        arm.receive("cursor", payload, now_s)
        (out,) = arm.tick(now_s)
        assert out.topic == "arm"
        told.append(json.loads(json.dumps(out.document)))
    return told


def test_the_endpoint_moves_with_the_decoded_velocity():
    told = moved(Arm(), [cursor(velocity_cm_s=[6.0, -3.0])] * 51)
    assert told[0]["endpoint_cm"] == pytest.approx([0, 0], abs=1e-9)
    assert told[-1]["endpoint_cm"] == pytest.approx([6, -3], abs=0.1)
    assert told[-1]["state"] == "following"
    assert told[-1]["stamp_s"] == 5.0


def test_the_correction_makes_up_the_distance_from_the_cursor_exponentially():
    told = moved(Arm(ArmSettings(correction_hz=2.0)), [cursor(position_cm=[4.0, 4.0])] * 51)
    assert told[-1]["endpoint_cm"] == pytest.approx([4 * (1 - np.exp(-2))] * 2, abs=0.05)
    still = moved(Arm(ArmSettings(correction_hz=0.0)), [cursor(position_cm=[4.0, 4.0])] * 51)
    assert still[-1]["endpoint_cm"] == pytest.approx([0, 0], abs=1e-9)


def test_it_stands_still_when_nothing_comes_for_half_a_second_and_goes_on_after():
    arm = Arm()
    moved(arm, [cursor(velocity_cm_s=[5.0, 0.0])] * 10)  # the last at 0.18 s
    places = []
    for tick in range(10, 60):
        (out,) = arm.tick(0.02 * tick)
        places.append((out.document["state"], out.document["endpoint_cm"][0]))
    states = [state for state, _ in places]
    assert states == ["following"] * 25 + ["still"] * 25
    assert places[24][1] > places[0][1]
    assert places[25][1] == places[-1][1] == places[24][1]
    assert moved(arm, [cursor(velocity_cm_s=[5.0, 0.0])] * 3, 2.0)[-1]["endpoint_cm"][0] > places[-1][1]
    assert arm.report()["stops"] == 1


def test_a_long_pause_between_ticks_makes_no_leap():
    arm = Arm()
    arm.receive("cursor", cursor(velocity_cm_s=[10.0, 0.0]), 0.0)
    arm.tick(0.0)
    (out,) = arm.tick(0.45)
    assert 0 < out.document["endpoint_cm"][0] < 1.1  # of 100 ms


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"[]", b"{}", b"\xff\xfe", b"null", b"[" * 100_000, cursor(velocity_cm_s=[1.0]),
        cursor(velocity_cm_s=["a", 2]), cursor(velocity_cm_s=[float("nan"), 0.0]), cursor(velocity_cm_s=[1e300, 0.0]),
        b'{"velocity_cm_s": [1' + b"0" * 400 + b", 0]}",
    ],
)  # fmt: skip
def test_a_message_that_makes_no_sense_is_counted_and_moves_nothing(payload):
    arm = Arm()
    (told,) = moved(arm, [payload])
    assert told["state"] == "still"
    assert told["endpoint_cm"] == pytest.approx([0, 0], abs=1e-9)
    assert arm.report()["refused"] == 1


def test_a_wild_velocity_stops_at_the_joints_limits():
    told = moved(Arm(), [cursor(velocity_cm_s=[1e6, 1e6])] * 20)
    assert all(np.isfinite(each["endpoint_cm"]).all() for each in told)
    assert told[-1]["at_limit"]


@pytest.mark.parametrize("settings", [ArmSettings(correction_hz=-1), ArmSettings(silence_s=0)])
def test_settings_out_of_range_are_told(settings):
    with pytest.raises(BadInputError, match="arm: expected"):
        Arm(settings)
