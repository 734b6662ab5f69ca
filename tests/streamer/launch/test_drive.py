import numpy as np
import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.condition import Condition, phase_condition
from spikeloop.models.recordings.session_time import SESSION_TIME
from spikeloop.streamer.conditions.drive import Drive
from spikeloop.streamer.launch.drive import drive_words, open_drive
from spikeloop.streamer.launch.options import StreamOptions
from tests.support.tiny import tiny_stream_bundle

VELOCITY = (Condition("x", "cm/s", -1.0, 1.0), Condition("y", "cm/s", -1.0, 1.0))
PHASE = (phase_condition(40),)
LIVE = {
    "state": "resting", "samples": 0, "invalid": 0, "off_clock": 0, "clipped": 0, "gaps": 0, "decaying_bins": 0,
    "resting_bins": 0, "refused": "", "notice": "",
}  # fmt: skip

UNTOUCHED = {"times_set": 0, "steered_bins": 0}


@pytest.mark.parametrize(
    ("asked", "channels", "known_ahead", "described"),
    [
        (None, (), True, {"asked": ""}),
        (None, VELOCITY, True, {"asked": "rest"}),
        (None, PHASE, True, {"asked": "phase"}),
        ("phase:7", PHASE, True, {"asked": "phase:7"}),
        ("constant:x=0.5", VELOCITY, True, {"asked": "constant:x=0.5"}),
        ([0.5, -1], VELOCITY, True, {"asked": "constant:0.5,-1.0"}),
        (np.zeros((10, 2)), VELOCITY, True, {"asked": "array", "resting_bins": 5}),
        ("mqtt", VELOCITY, False, {"asked": "mqtt"} | LIVE),
        ("steered", VELOCITY, False, {"asked": "steered:rest"} | UNTOUCHED),
        ("steered", PHASE, False, {"asked": "steered:phase"} | UNTOUCHED),
        ("lsl:hand", VELOCITY, False, {"asked": "lsl:hand"} | LIVE | {"state": "absent"}),
    ],
)
def test_whatever_drives_a_stream_is_opened_and_described_alike(asked, channels, known_ahead, described):
    drive = open_drive(asked, channels)
    assert isinstance(drive, Drive)
    assert (drive.known_ahead, drive.describe(15)) == (known_ahead, described)


@pytest.mark.parametrize(("asked", "time"), [(None, 0.5), ("constant:session time=0.9", 0.9), ("constant:x=1", 0.5)])
def test_the_session_time_rests_in_the_middle_of_the_session_unless_it_is_named(asked, time):
    values = open_drive(asked, (*VELOCITY, SESSION_TIME)).at(np.arange(4.0))
    np.testing.assert_allclose(values[:, 2], time)


async def test_what_is_known_ahead_gives_one_row_a_bin_whenever_they_end():
    async with open_drive(np.arange(6.0).reshape(3, 2) / 10, VELOCITY) as drive:
        np.testing.assert_allclose(drive.at(np.array([9.0, 10.0])), [[0.0, 0.1], [0.2, 0.3]], rtol=1e-6)
        np.testing.assert_allclose(drive.at(np.array([0.0, 1.0])), [[0.4, 0.5], [0.0, 0.0]], rtol=1e-6)


def test_only_what_may_have_gone_unnoticed_is_put_into_words():
    assert drive_words({"asked": "rest"}) == drive_words({"asked": "file:a.npz", "resting_bins": 0}) == ""
    assert drive_words({"asked": "array", "resting_bins": 5}) == "condition array ran out: 5 bins at rest after its end"
    live = {"asked": "lsl:hand"} | LIVE | {"samples": 3, "refused": "hand: 5 channels"}
    assert drive_words(live).startswith("condition lsl:hand: 3 samples, 0 invalid")
    assert drive_words(live).endswith("; refused hand: 5 channels")
    assert drive_words(live | {"notice": "another clock"}).endswith("; refused hand: 5 channels; another clock")


def test_a_live_stream_may_be_named_with_its_source_id_and_host():
    drive = open_drive("lsl:hand?source_id=mouse&host=pc", VELOCITY)
    assert drive.describe(0)["asked"] == "lsl:hand?source_id=mouse&host=pc"
    with pytest.raises(BadInputError, match="--condition: expected the name of a stream, or NAME"):
        open_drive("lsl:hand?source_id=", VELOCITY)


def test_a_stream_without_controls_can_not_be_steered(tmp_path):
    card = tiny_stream_bundle(tmp_path / "tiny", channels=VELOCITY).card
    with pytest.raises(BadInputError, match=r"--condition steered: expected a program that steers.*spikeloop\.stream"):
        StreamOptions(condition="steered").checked(card)
    assert StreamOptions(condition="steered", controls=True).checked(card).condition == "steered"
