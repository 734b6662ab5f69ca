"""Whose clock stamps a stream, by when its samples arrive."""

import pytest

from spikeloop.streamer.lsl.arrival import ArrivalCheck

NOW_S = 5000.0


@pytest.mark.parametrize("ahead_s", [1.79e9, -4990.0, 200.0, -200.0])
def test_stamps_far_from_when_their_samples_come_are_of_another_clock_with_one_offset(ahead_s):
    check = ArrivalCheck()
    for second in range(100):
        late_s = 0.3 * (second % 7)
        assert check.add(NOW_S + second + ahead_s - late_s, NOW_S + second) is None
    assert check.other_clock
    assert check.offset_s == pytest.approx(-ahead_s, abs=2.0)


def test_a_backlog_after_a_standstill_is_late_and_of_the_same_clock():
    check = ArrivalCheck()
    assert check.add(NOW_S, NOW_S + 0.01) == pytest.approx(0.01)
    for second in range(0, 300, 5):
        delay_s = check.add(NOW_S + second, NOW_S + 300)
        assert delay_s == 300 - second
    assert not check.other_clock


def test_a_jump_to_another_clock_and_back_is_seen():
    check, seen = ArrivalCheck(), []
    for jump_s in (0.0, 200_000.0, 200_000.0, 0.0):
        now_s = NOW_S + len(seen)
        check.add(now_s + jump_s, now_s)
        seen.append((check.other_clock, check.offset_s))
    assert seen == [(False, 0.0), (True, -200_000.0), (True, -200_000.0), (False, 0.0)]
