import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.condition import Condition, phase_condition
from spikeloop.streamer.conditions.feeds import (
    ArrayFeed,
    ConstantFeed,
    PhaseFeed,
    RestFeed,
    limits_of,
)
from spikeloop.streamer.conditions.opening import is_live, open_feed

VELOCITY = (
    Condition("velocity x", "cm/s", -2.0, 2.0),
    Condition("velocity y", "cm/s", 1.0, 3.0, rest=1.0),
)
PHASE = (phase_condition(250),)


def refused(text: str, channels: tuple[Condition, ...] = VELOCITY) -> str:
    with pytest.raises(BadInputError) as caught:
        open_feed(text, channels)
    message = str(caught.value)
    assert message.startswith("--condition: ")
    return message


@pytest.fixture
def write(tmp_path):
    def writer(**arrays) -> str:
        np.savez(tmp_path / "drive.npz", **arrays)
        return f"file:{tmp_path / 'drive.npz'}"

    return writer


@given(parts=st.lists(st.integers(0, 9), max_size=12))
def test_a_feed_gives_the_same_whatever_number_is_taken_at_once(parts):
    values = np.arange(40, dtype=np.float32).reshape(20, 2)
    feeds = [
        lambda: RestFeed(VELOCITY),
        lambda: ConstantFeed((0.5, 2.0)),
        lambda: ArrayFeed(values, VELOCITY),
        lambda: PhaseFeed(7, first=3),
    ]
    for make in feeds:
        whole, feed = make().next(sum(parts)), make()
        taken = [feed.next(bins) for bins in parts]
        assert whole.dtype == np.float32
        assert all(each.dtype == np.float32 for each in taken)
        np.testing.assert_array_equal(np.concatenate([*taken, whole[:0]]), whole)


def test_rest_is_every_channel_at_rest():
    np.testing.assert_array_equal(open_feed("rest", VELOCITY).next(2), [[0, 1], [0, 1]])


def test_a_constant_is_given_by_place_or_by_name():
    np.testing.assert_array_equal(open_feed("constant:0.5,1.5", VELOCITY).next(2), [[0.5, 1.5]] * 2)
    np.testing.assert_array_equal(open_feed("constant:velocity x=-1", VELOCITY).next(1), [[-1, 1]])
    both = open_feed("constant: velocity y = 2, velocity x = 1", VELOCITY)
    np.testing.assert_array_equal(both.next(1), [[1, 2]])


def test_a_file_drives_its_bins_and_then_rests_and_counts_it(write):
    values = np.linspace(1, 2, 6).reshape(3, 2)
    feed = open_feed(write(condition=values), VELOCITY)
    assert isinstance(feed, ArrayFeed)
    np.testing.assert_array_equal(feed.next(2), values[:2].astype(np.float32))
    np.testing.assert_array_equal(feed.next(3), [values[2].astype(np.float32), [0, 1], [0, 1]])
    np.testing.assert_array_equal(feed.next(1), [[0, 1]])


def test_a_phase_goes_round_from_where_it_begins():
    np.testing.assert_array_equal(open_feed("phase", PHASE).next(251)[[0, 1, 249, 250], 0], [0, 1, 249, 0])
    np.testing.assert_array_equal(open_feed("phase:248", PHASE).next(4)[:, 0], [248, 249, 0, 1])


def test_values_may_lie_beyond_the_range_by_half_its_width_but_no_further():
    np.testing.assert_array_equal(limits_of(VELOCITY), [[-4, 0], [4, 4]])
    np.testing.assert_array_equal(limits_of(PHASE), [[0], [249]])
    np.testing.assert_array_equal(open_feed("constant:-4,4", VELOCITY).next(1), [[-4, 4]])
    message = refused("constant:4.1,2")
    assert "'velocity x' from -4 to 4 cm/s, found 4.1" in message
    assert "recorded were -2 to 2" in message
    assert "bin 0" not in message
    assert "'velocity y' from 0 to 4 cm/s, found -0.5" in refused("constant:velocity y=-0.5")


def test_a_constant_channel_takes_its_recorded_value_to_float32():
    value = float(np.float32(0.1))
    channel = Condition("gain", "", value, value, rest=value)
    np.testing.assert_array_equal(open_feed("constant:0.1", (channel,)).next(1), np.array([[0.1]], np.float32))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("constant:1", "expected 2 values, of 'velocity x', 'velocity y', found 1"),
        ("constant:1,2,3", "expected 2 values"),
        ("constant:1,fast", "expected a number, found 'fast'"),
        ("constant:1,", "expected a number, found ''"),
        ("constant:nan,1", "found nan; give a finite number"),
        ("constant:1,-inf", "found -inf; give a finite number"),
        ("constant:1e300,1", "found inf"),
        ("constant:velocity z=1", "each of 'velocity x', 'velocity y' at most once, found 'velocity z'"),
        ("constant:velocity x=1,velocity x=2", "at most once, found 'velocity x'"),
        ("constant:velocity x=1,2", "expected a number, found 'velocity x=1'"),
        ("constant", "expected rest, constant:0.5,-1"),
        ("", "expected rest"),
        ("resting", "found 'resting'"),
        ("rest:1", "found 'rest:1'"),
        ("phase", "phase needs a model driven by the phase of a repeated stimulus alone; this one is driven by 'vel"),
        ("file:nowhere.npz", "nowhere.npz: no such file"),
        ("file:drive.csv", "expected a .npz or .mat file"),
    ],
)
def test_what_can_not_drive_the_model_is_refused(text, expected):
    assert expected in refused(text)


@pytest.mark.parametrize("first", ["250", "-1", "1.5", "", "x", "²"])
def test_a_phase_begins_at_a_bin_of_the_stimulus(first):
    assert f"from 0 to 249, found {first!r}" in refused(f"phase:{first}", PHASE)


@pytest.mark.parametrize("value", ["3.5", "250", "-1"])
def test_a_constant_phase_is_a_bin_of_the_stimulus(value):
    assert "'phase' from 0 to 249 bin, found" in refused(f"constant:{value}", PHASE)
    np.testing.assert_array_equal(open_feed("constant:249", PHASE).next(1), [[249]])


def test_an_unknown_kind_of_condition_is_reported_before_a_model_without_conditions():
    assert "found 'foo'" in refused("foo", ())


@pytest.mark.parametrize("text", ["rest", "constant:1", "phase", "file:drive.npz"])
def test_a_model_without_conditions_takes_none(text):
    assert "expected a model that is driven by conditions, found one without" in refused(text, ())


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (np.zeros((5, 3)), r"shape \(bins, 2\).*'velocity x', 'velocity y'.*float64 of shape \(5, 3\)"),
        (np.zeros(5), r"of shape \(5,\)"),
        (np.zeros((0, 2)), r"of shape \(0, 2\)"),
        (np.array([["a", "b"]]), "<U1 of shape"),
        (np.array([[0, 1], [0, 1], [0, np.nan], [np.nan, 1]]), "bin 2: expected 'velocity y'.*found nan"),
        (np.array([[0, 1], [0, 1], [0, 1], [-40, 1]]), "bin 3: expected 'velocity x' from -4 to 4 cm/s, found -40"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_with_what_was_found(write, condition, expected):
    assert re.search(expected, refused(write(condition=condition)))


def test_a_file_without_conditions_is_told_by_what_it_has(write):
    assert "expected an array named condition or conditions; found spikes, rates" in refused(
        write(spikes=[1], rates=[2])
    )


def test_a_damaged_file_is_refused(tmp_path):
    (tmp_path / "drive.npz").write_bytes(b"PK\x03\x04 and no more")
    assert "not a readable .npz file" in refused(f"file:{tmp_path / 'drive.npz'}")


def test_only_a_stream_is_live():
    assert is_live("lsl:hand")
    assert not any(map(is_live, ["rest", "file:lsl:x.npz", "constant:1"]))
