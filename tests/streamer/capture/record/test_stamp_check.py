"""What stamps say: gaps where they are exact, none that are invented where they jitter."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeloop.streamer.capture.record.stamp_check import StampCheck

RATES = st.sampled_from([1.0, 30.0, 50.0, 1000.0, 30_000.0])


@settings(max_examples=50, deadline=None)
@given(RATES, st.sets(st.integers(1, 400), max_size=40), st.integers(1, 50), st.floats(0, 1e6))
def test_exactly_what_was_left_out_is_counted_however_it_is_cut(rate_hz, left_out, cut, start_s):
    kept = np.array([i for i in range(402) if i not in left_out])
    check, stamps = StampCheck(rate_hz, exact=True), start_s + kept / rate_hz
    for begin in range(0, len(kept), cut):
        check.add(stamps[begin : begin + cut], begin / rate_hz)
    check.flush()
    assert (check.lost, check.resets) == (len(left_out), 0)
    assert check.gaps == int((np.diff(kept) > 1).sum())
    assert check.news() == ([f"has a gap of {len(left_out):,} samples"] if left_out else [])
    assert check.news() == []


@settings(max_examples=10, deadline=None)
@given(RATES, st.booleans())
def test_stamps_of_any_clock_that_is_reset_lose_nothing(rate_hz, exact):
    check, stamps = StampCheck(rate_hz, exact), np.arange(1, max(1000, 2 * int(rate_hz)) + 1) / rate_hz
    for part in np.array_split(stamps, 50):
        check.add(part, part[-1])
    for part in np.array_split(stamps[-1] + 200_000 + stamps, 50):
        check.add(part, part[-1] - 200_000)
    check.flush()
    assert (check.lost, check.gaps, check.resets, check.measured_rate_hz()) == (0, 0, 1, None)


def test_a_stream_that_is_stamped_as_its_chunks_arrive_has_no_gap():
    check = StampCheck(50.0, exact=False)
    for number in range(1, 200):
        check.add(np.full(5, number * 0.1), number * 0.1)
    check.flush()
    assert (check.lost, check.gaps, check.resets) == (0, 0, 0)


def test_a_hole_of_seconds_is_a_gap_in_any_regular_stream_and_in_no_irregular_one():
    foreign, irregular = StampCheck(250.0, exact=False), StampCheck(0.0, exact=False)
    for begin_s in (0.0, 12.0):
        for part in np.split(begin_s + np.arange(2500) / 250, 100):
            foreign.add(part, part[-1])
            irregular.add(part, part[-1])
    foreign.flush()
    assert (foreign.lost, foreign.gaps) == (500, 1)
    assert (irregular.lost, irregular.gaps) == (0, 0)
