"""Encoded frames, read by protobuf's own parser with the published definition of the message."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from spikeloop.streamer.bridges.synapse.broadband_frames import FrameEncoder
from tests.support.synapse_messages import BroadbandFrame

CHANNELS = 5
LIMITS = st.sampled_from([64, 8192, 8193, 32767])
BLOCKS = LIMITS.flatmap(
    lambda limit: arrays(np.int16, st.tuples(st.integers(1, 4), st.just(CHANNELS)), elements=st.integers(-limit, limit))
)


def parsed(values, channels: Sequence[int] = range(CHANNELS), ids: Sequence[int] = range(CHANNELS), bits: int = 16):
    times_ns = 3_600_000_000_000 + np.arange(len(values)) * 33_333
    encoder = FrameEncoder(list(channels), list(ids), 30_000, bits)
    messages = encoder.encode(values, 7, times_ns, times_ns + 1_700_000_000_000_000_000)
    return [BroadbandFrame.FromString(message.tobytes()) for message in messages]


@given(BLOCKS)
def test_every_value_number_and_time_is_read_as_it_was(values):
    for row, frame in enumerate(parsed(values)):
        assert list(frame.frame_data) == values[row].tolist()
        assert (frame.sequence_number, frame.sample_rate_hz) == (7 + row, 30_000)
        assert frame.timestamp_ns == 3_600_000_000_000 + row * 33_333
        assert frame.unix_timestamp_ns == frame.timestamp_ns + 1_700_000_000_000_000_000


def test_the_whole_range_of_int16_is_kept():
    values = np.array([[-32768, -8193, 0, 8192, 32767]], np.int16)
    assert list(parsed(values)[0].frame_data) == values[0].tolist()


def test_1024_channels_are_read_as_they_were(random):
    values = random.integers(-32768, 32768, (3, 1024)).astype(np.int16)
    frames = parsed(values, channels=range(1024), ids=range(1024))
    np.testing.assert_array_equal([frame.frame_data for frame in frames], values)


def test_channels_are_chosen_and_named():
    values = np.arange(2 * CHANNELS, dtype=np.int16).reshape(2, CHANNELS)
    frame = parsed(values, channels=[4, 0, 0], ids=[300, 1, 2])[1]
    assert list(frame.frame_data) == [9, 5, 5]
    (listed,) = frame.channel_ranges
    assert (listed.type, listed.count, list(listed.channel_ids)) == (0, 3, [300, 1, 2])


def test_names_that_readers_assume_are_left_out():
    (listed,) = parsed(np.zeros((1, CHANNELS), np.int16))[0].channel_ranges
    assert (listed.count, list(listed.channel_ids)) == (CHANNELS, [])


@pytest.mark.parametrize(("bits", "lowest", "highest"), [(12, -2048, 2047), (2, -2, 1)])
def test_with_fewer_bits_values_are_clipped(bits, lowest, highest):
    values = np.array([[-32768, lowest, 0, highest, 32767]], np.int16)
    assert list(parsed(values, bits=bits)[0].frame_data) == [lowest, lowest, 0, highest, highest]
