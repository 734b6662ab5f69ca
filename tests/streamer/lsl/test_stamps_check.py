"""What is told of stamps that are no numbers or stand still, and what of good ones: nothing."""

import numpy as np
import pytest

from spikeloop.streamer.lsl.stamps_check import StampsCheck

PULL_S = 0.2


def told(stamps_s: np.ndarray, arrivals_s: np.ndarray, bin_size_s: float) -> list[tuple[str, ...]]:
    """What is found after each of the pulls."""
    check, found = StampsCheck(bin_size_s), []
    for now_s in np.arange(arrivals_s[0], arrivals_s[-1] + PULL_S, PULL_S):
        come = (arrivals_s > now_s - PULL_S) & (arrivals_s <= now_s)
        check.add(stamps_s[come], float(now_s))
        found.append(check.findings())
    return found


@pytest.mark.parametrize(("rate_hz", "burst"), [(50.0, 1), (50.0, 5), (50.0, 500), (0.2, 1), (1.0, 2), (1000.0, 3000)])
def test_of_stamps_that_move_nothing_is_told_however_long_their_bursts(rate_hz, burst):
    numbers = np.arange(20 * burst)
    arrivals_s = 100 + (numbers // burst + 1) * burst / rate_hz
    assert set(told(arrivals_s, arrivals_s, 1 / rate_hz)) == {()}


@pytest.mark.parametrize("stamp_s", [100.0, 1e-9, -3.0])
def test_stamps_that_stand_still_are_told_after_two_seconds_until_they_move(stamp_s):
    arrivals_s = 100 + np.arange(500) / 50
    stamps_s = np.where(np.arange(500) < 300, stamp_s, arrivals_s)
    found = told(stamps_s, arrivals_s, 0.02)
    shown = [place for place, sentences in enumerate(found) if sentences]
    assert shown == list(range(round(2 / PULL_S), round(6 / PULL_S)))
    assert found[shown[0]][0].startswith("stamps stand still: ")


@pytest.mark.parametrize("stamp_s", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("every", "share"), [(1, "all"), (20, "25 of 500")])
def test_stamps_that_are_no_numbers_are_told_with_their_number(stamp_s, every, share):
    arrivals_s = 100 + np.arange(500) / 50
    stamps_s = arrivals_s.copy()
    stamps_s[::every] = stamp_s
    (sentence,) = told(stamps_s, arrivals_s, 0.02)[-1]
    assert sentence.startswith(f"stamps that are no numbers: {share} are NaN or infinite; ")
    assert "local_clock()" in sentence


@pytest.mark.parametrize(
    ("bin_size_s", "back_s", "many"), [(0.02, 0.5, True), (0.02, 0.005, False), (0.0, 0.005, True)]
)
def test_stamps_that_run_backwards_again_and_again_are_told_but_not_jitter(bin_size_s, back_s, many):
    stamps_s = 100 + np.arange(500) / 50
    stamps_s[9::10] -= back_s + 0.02
    check = StampsCheck(bin_size_s)
    for part in np.split(stamps_s, 50):
        check.add(part, float(part[0]))
    assert (check.backwards, len(check.findings())) == ((50, 1) if many else (0, 0))
    if many:
        said = check.findings()[0]
        assert said.startswith("stamps run backwards: 50 of 500 are earlier than the one before, by up to ")


def test_one_step_back_is_that_of_a_clock_that_was_reset():
    check = StampsCheck(0.02)
    for start_s in (1000.0, 0.0):
        check.add(start_s + np.arange(500) / 50, 1000.0)
    assert (check.backwards, check.findings()) == (1, ())
