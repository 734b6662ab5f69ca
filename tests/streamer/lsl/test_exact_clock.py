"""Jumps of exact stamps, however they come."""

import numpy as np
import pytest

from spikeloop.streamer.lsl.exact_clock import ExactClock

BIN_S = 0.001


def place(clock: ExactClock, stamps_s: np.ndarray, chunks: int = 1) -> tuple[np.ndarray, int]:
    placed = [clock.place(part) for part in np.array_split(stamps_s, chunks)]
    return np.concatenate([part.jumps for part in placed]), sum(part.lost_bins for part in placed)


@pytest.mark.parametrize("chunks", [1, 7, 500])
def test_every_jump_of_exact_stamps_is_found_however_they_come(random, chunks):
    steps = np.where(random.random(500) < 0.1, random.integers(2, 50, 500), 1)
    jumps, lost = place(ExactClock(0.004), 1000 + 0.004 * np.cumsum(steps), chunks)
    np.testing.assert_array_equal(jumps[1:], steps[1:] > 1)
    assert jumps[0]
    assert lost == np.sum(steps[1:] - 1)


def test_stamps_that_are_no_times_lead_to_no_jump_of_the_others():
    stamps_s = np.array([np.nan, 1.0, np.inf, 1.002, 1.003, -np.inf, np.nan, 1.006, 0.5, 0.501])
    jumps, lost = place(ExactClock(0.001), stamps_s)
    assert np.flatnonzero(jumps).tolist() == [1, 8]
    assert lost == 0


@pytest.mark.parametrize("stray_s", [0.0, 1e6])
@pytest.mark.parametrize("chunks", [1, 20])
def test_a_stray_stamp_loses_no_bins(stray_s, chunks):
    stamps_s = (1000 + np.arange(20) * BIN_S).astype(np.float64)
    stamps_s[11] = stray_s
    clock = ExactClock(BIN_S)
    lost = [clock.place(part).lost_bins for part in np.split(stamps_s, chunks)]
    assert sum(lost) == 0
    assert clock.place(stamps_s[-1:] + 5 * BIN_S).lost_bins == 4


def test_one_gap_after_the_other_counts_both():
    clock = ExactClock(BIN_S)
    assert clock.place(1000 + np.array([0, 1, 5, 20, 21]) * BIN_S).lost_bins == 3 + 14
