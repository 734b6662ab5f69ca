from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from spikeloop.streamer.broadband.frames import Frames, frame_samples
from spikeloop.streamer.broadband.step_traces import Trace

LENGTH = 1000


def trace_of(first: int, end: int) -> Trace:
    """Two channels of which one holds the sample's number."""
    return Trace(first, np.column_stack([np.arange(first, end), np.zeros(end - first)]).astype(np.int16))


@given(some.lists(some.integers(0, LENGTH), max_size=8), some.integers(1, 400))
def test_any_traces_give_the_same_frames(cuts, samples):
    edges = [0, *sorted(cuts), LENGTH]
    frames = Frames(samples)
    found = [frame for first, end in pairwise(edges) for frame in frames.of(trace_of(first, end))]
    assert [frame.first_sample for frame in found] == list(range(0, LENGTH - samples + 1, samples))
    rest = frames.rest()
    assert rest is not None
    values = np.concatenate([*(frame.values for frame in found), rest.values])
    np.testing.assert_array_equal(values[:, 0], np.arange(LENGTH))
    assert frames.left_out == 0


def test_after_a_gap_frames_begin_anew_and_what_is_missing_is_counted():
    frames = Frames(100)
    first = list(frames.of(trace_of(0, 250)))
    later = list(frames.of(trace_of(400, 520)))
    assert [frame.first_sample for frame in first + later] == [0, 100, 400]
    np.testing.assert_array_equal(later[0].values[:, 0], np.arange(400, 500))
    assert frames.left_out == 200


@pytest.mark.parametrize(("rate_hz", "samples"), [(20_000, 200), (25_000, 250), (30_000, 300), (32_000, 320)])
def test_a_frame_has_10_ms(rate_hz, samples):
    assert frame_samples(rate_hz) == samples
