"""The schedule of made-up arrivals: kept by a stream that is late for a while, broken by one whose clock runs off."""

import numpy as np
from numpy.typing import NDArray

from tests.soak.bin_log import Run
from tests.soak.schedule import kept_after

RUN, BINS = Run("lab", 100.0, 0.02), 30_000  # ten minutes
NUMBERS = np.arange(BINS)
QUIET = [(0, 100.0, 160.0), (1, 200.0, 300.0), (2, 400.0, 690.0)]


def arrivals(delays_s: NDArray[np.float64] | float = 0.0, speed: float = 1.0) -> NDArray[np.float64]:
    jitter = np.random.Generator(np.random.Philox(0)).exponential(5e-3, BINS)
    return 100.0 + (NUMBERS + 1) * 0.02 / speed + jitter + np.asarray(delays_s, np.float64)


def judged(arrived_s):
    return kept_after(RUN, NUMBERS, arrived_s, QUIET)


def test_a_stream_on_time_keeps_it_whatever_the_jitter():
    first, second = judged(arrivals())
    assert (first.number, second.number) == (1, 2)
    assert first.holds
    assert second.holds
    assert abs(second.ratio - 1) < 1e-5


def test_a_stop_whose_bins_come_later_breaks_no_schedule():
    stood_still = np.where((NUMBERS > 3000) & (NUMBERS < 3500), (3500 - NUMBERS) * 0.02, 0.0)
    assert all(each.holds for each in judged(arrivals(stood_still)))


def test_a_clock_that_is_slow_by_a_ten_thousandth_breaks_it():
    slow, slower = judged(arrivals(speed=1 - 1e-4))
    assert not slow.holds
    assert not slower.holds
    assert abs(slower.ratio - (1 - 1e-4)) < 1e-5


def test_a_fault_that_shifts_the_schedule_breaks_it_from_then_on():
    before, after = judged(arrivals(np.where(NUMBERS > 13_000, 0.02, 0.0)))
    assert before.holds
    assert not after.holds


def test_a_quiet_time_without_arrivals_is_passed_over():
    assert kept_after(RUN, NUMBERS, arrivals(), [(0, 0.0, 1.0), *QUIET])[0].number == 1
    assert kept_after(RUN, NUMBERS[:0], arrivals()[:0], QUIET) == []
