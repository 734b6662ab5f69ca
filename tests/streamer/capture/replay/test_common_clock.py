"""Stamps of streams that were recorded together, on one clock."""

import numpy as np

from spikeloop.streamer.capture.replay.common_clock import StampedStream, on_one_clock


def stream(own_s, correction_s, host="rig", resets=(0,)):
    own = np.asarray(own_s, float)
    return StampedStream(host, own, own + correction_s, resets)


def test_streams_of_the_recorder_s_own_computer_keep_their_stamps():
    own_s = 100 + np.arange(50) / 10
    for one in on_one_clock([stream(own_s, 2e-5), stream(own_s[::7], -3e-5)]):
        np.testing.assert_array_equal(one.times_s, one.own_s)


def test_streams_of_another_computer_get_one_correction_with_its_drift():
    own_s = 100 + np.arange(500) / 10
    drifting_s = 1000 + 1e-5 * (own_s - 100)
    long, short = on_one_clock([stream(own_s, drifting_s), stream(own_s[::70] + 3e-3, 1000 + 3e-4)])
    np.testing.assert_allclose(long.times_s, own_s + drifting_s, rtol=0, atol=1e-9)
    np.testing.assert_allclose(short.times_s, short.own_s + 1000 + 1e-5 * (short.own_s - 100), rtol=0, atol=1e-9)


def test_streams_of_two_computers_unknown_ones_and_clocks_set_anew_keep_their_own_corrections():
    own_s = 100 + np.arange(50) / 10
    streams = [
        stream(own_s, 1000.0),
        stream(own_s, 2000.0),  # another computer of the same name
        stream(own_s, 3e-5, host=""),
        stream(own_s, 1000.002, resets=(0, 20)),
        stream([], 0.0),
    ]
    for before, after in zip(streams, on_one_clock(streams), strict=True):
        np.testing.assert_allclose(after.times_s, before.times_s, rtol=0, atol=1e-9)
