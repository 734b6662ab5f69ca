"""Segments of streams whose stamps are wrong, on a simulated clock."""

import numpy as np
import pytest

from spikeloop.streamer.lsl.clock_model import ClockModel
from spikeloop.streamer.lsl.exact_clock import ExactClock
from spikeloop.streamer.lsl.segments import SegmentCutter

BIN_S, BINS, PULL = 0.02, 1000, 10


@pytest.mark.parametrize("clock", [ExactClock, ClockModel])
@pytest.mark.parametrize("wrong_s", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", [slice(None), slice(7, None, 20), slice(300, 700)])
def test_good_counts_with_a_stamp_that_is_no_number_are_not_left_out(random, clock, wrong_s, where):
    counts = random.poisson(0.3, (BINS, 4)).astype(np.float32)
    true_s = 100 + BIN_S * np.arange(1, BINS + 1, dtype=np.float64)
    stamps_s = true_s.copy()
    stamps_s[where] = wrong_s
    cutter = SegmentCutter(clock(BIN_S), BIN_S, saturates=False)
    cuts = [
        cutter.cut(
            counts[at : at + PULL], stamps_s[at : at + PULL], stamps_s[at : at + PULL], float(true_s[at + PULL - 1])
        )
        for at in range(0, BINS, PULL)
    ]
    segments = [segment for cut in cuts for segment in cut.segments]
    assert sum(cut.gaps + cut.lost_bins + cut.invalid_bins + cut.clock_resets for cut in cuts) == 0
    assert [segment.follows for segment in segments] == [False] + [True] * (len(segments) - 1)
    np.testing.assert_array_equal(np.concatenate([segment.counts for segment in segments]), counts)
    np.testing.assert_allclose(np.concatenate([segment.ends_s for segment in segments]), true_s, atol=1e-6)
    assert any("no numbers" in finding for finding in cutter.stamps_check.findings())
