"""The condition of each bin, on simulated times."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.models.recordings.condition import Condition, phase_condition
from spikeloop.streamer.conditions.hold import LONGEST_QUEUE, HeldCondition

CHANNELS = (Condition("x", "", -1.0, 1.0), Condition("y", "", 0.0, 2.0, rest=1.0))
REST = [0.0, 1.0]


def offer(held: HeldCondition, samples, now_s: float | None = None) -> None:
    stamps_s = np.array([stamp for stamp, *_ in samples], float)
    values = np.array([value for _, *value in samples], float).reshape(len(samples), -1)
    held.offer(stamps_s, values, stamps_s.max() if now_s is None else now_s)


def at(held: HeldCondition, *ends_s: float) -> np.ndarray:
    return held.at(np.array(ends_s))


def test_it_rests_before_the_first_sample():
    held = HeldCondition(CHANNELS)
    np.testing.assert_array_equal(at(held, 0.1, 0.2), [REST, REST])
    report = held.report()
    assert (report.state, report.resting_bins, report.decaying_bins, report.gaps) == ("resting", 2, 0, 0)


def test_a_bin_has_the_latest_sample_that_is_not_after_its_end():
    held = HeldCondition(CHANNELS)
    offer(held, [(1.0, 0.1, 0.2), (1.2, 0.3, 0.4), (1.2, 0.5, 0.6), (1.3, 0.7, 0.8)])
    got = at(held, 0.99, 1.0, 1.1, 1.2, 1.25)
    expected = [REST, [0.1, 0.2], [0.1, 0.2], [0.5, 0.6], [0.5, 0.6]]
    np.testing.assert_array_equal(got, np.array(expected, np.float32))
    np.testing.assert_array_equal(at(held, 1.3), np.array([[0.7, 0.8]], np.float32))
    assert held.report().state == "live"


def test_it_is_held_then_decays_to_rest_and_returns_at_once():
    held = HeldCondition(CHANNELS, hold_s=0.5, decay_s=1.0)
    offer(held, [(0.0, 1.0, 2.0)])
    got = at(held, 0.0, 0.5, 0.75, 1.0)
    np.testing.assert_allclose(got, [[1, 2], [1, 2], [0.75, 1.75], [0.5, 1.5]])
    assert held.report().state == "decaying"
    np.testing.assert_allclose(at(held, 1.25, 1.5, 9.0), [[0.25, 1.25], REST, REST])
    report = held.report()
    assert (report.state, report.gaps, report.decaying_bins, report.resting_bins) == ("resting", 1, 3, 2)
    offer(held, [(9.5, -1.0, 0.0)])
    np.testing.assert_array_equal(at(held, 9.5, 10.1), np.array([[-1, 0], [-0.9, 0.1]], np.float32))
    assert held.report().gaps == 2


def test_without_a_decay_it_rests_as_soon_as_the_hold_runs_out():
    held = HeldCondition(CHANNELS, hold_s=0.5, decay_s=0.0)
    offer(held, [(0.0, 1.0, 2.0)])
    np.testing.assert_array_equal(at(held, 0.5, 0.51), [[1, 2], REST])
    assert (held.report().decaying_bins, held.report().resting_bins) == (0, 1)


def test_samples_that_are_not_finite_are_ignored_and_counted():
    held = HeldCondition(CHANNELS)
    offer(held, [(1.0, 0.5, 0.5), (1.1, np.nan, 0.0), (1.2, 0.0, np.inf), (1.3, -np.inf, np.nan)])
    held.offer(np.array([np.nan]), np.zeros((1, 2)), 1.3)
    np.testing.assert_array_equal(at(held, 1.3), [[0.5, 0.5]])
    assert (held.report().samples, held.report().invalid) == (5, 4)


def test_values_too_far_from_what_was_seen_are_clipped_and_counted():
    held = HeldCondition(CHANNELS)
    offer(held, [(1.0, 2.0, 3.0), (1.1, 2.1, -5.0), (1.2, -1e300, 1.0)])  # the first is at the limits
    np.testing.assert_array_equal(at(held, 1.0, 1.1, 1.2), [[2, 3], [2, -1], [-2, 1]])
    assert held.report().clipped == 2


def test_a_cyclic_channel_stays_in_its_cycle_and_never_decays_halfway():
    held = HeldCondition((phase_condition(100),), hold_s=0.5, decay_s=1.0)
    offer(held, [(0.0, 150.0)])
    np.testing.assert_array_equal(at(held, 0.5, 0.6), [[99], [0]])


def test_whole_numbers_are_values_too():
    held = HeldCondition(CHANNELS)
    held.offer(np.array([1.0]), np.array([[1, 2]], np.int8), 1.0)
    np.testing.assert_array_equal(at(held, 1.0), [[1, 2]])


@pytest.mark.parametrize("stamp_s", [1.7e9, 0.5])
def test_a_stamp_of_another_clock_is_ignored_and_counted(stamp_s):
    held = HeldCondition(CHANNELS)
    offer(held, [(stamp_s, 1.0, 1.0)], now_s=1000.0)
    np.testing.assert_array_equal(at(held, 1000.0), [REST])
    assert held.report().off_clock == 1


def test_samples_of_the_future_wait_but_no_more_than_memory_allows():
    held = HeldCondition(CHANNELS)
    stamps_s = 1000 + np.arange(LONGEST_QUEUE) / LONGEST_QUEUE
    for _ in range(3):
        held.offer(stamps_s, np.full((len(stamps_s), 2), 0.5), 1000.0)
    assert held.report().off_clock == 2 * LONGEST_QUEUE
    np.testing.assert_array_equal(at(held, 1000.0), [[0.5, 0.5]])


SAMPLES = st.lists(
    st.tuples(st.integers(0, 400), st.floats(-4, 4, width=32) | st.just(np.nan), st.floats(-4, 4, width=32)),
    max_size=30,
)


def by_the_book(samples, end_s: float, hold_s: float, decay_s: float) -> np.ndarray:
    """One bin, from all samples, by the definition."""
    valid = [sample for sample in samples if np.isfinite(sample[1]) and sample[0] <= end_s]
    if not valid:
        return np.array(REST)
    newest_s = max(stamp for stamp, *_ in valid)
    value = np.clip(next(each[1:] for each in reversed(valid) if each[0] == newest_s), [-2, -1], [2, 3])
    over_s = end_s - newest_s - hold_s
    return np.array(REST) + (value - np.array(REST)) * (1 if over_s <= 0 else max(0.0, 1 - over_s / decay_s))


@given(SAMPLES, st.lists(st.integers(0, 40), min_size=1, max_size=8))
def test_any_samples_in_any_steps_give_what_the_definition_gives(samples, steps):
    """In hundredths of a second; every sample arrives with the first step whose last bin ends at its stamp or later."""
    hold_s, decay_s = 0.25, 0.5
    samples = [(hundredths / 100, x, y) for hundredths, x, y in samples]
    held, ends = HeldCondition(CHANNELS, hold_s, decay_s), np.arange(1, sum(steps) + 1) / 10 * 0.999
    waiting, first = samples, 0
    for bins in steps:
        step = ends[first : first + bins]
        first += bins
        arrived = [each for each in waiting if len(step) and each[0] <= step[-1]]
        waiting = [each for each in waiting if each not in arrived]
        if arrived:
            offer(held, arrived)
        got = held.at(step)
        assert got.shape == (bins, 2)
        expected = [by_the_book(samples, end_s, hold_s, decay_s) for end_s in step]
        np.testing.assert_allclose(got, np.reshape(expected, (bins, 2)), atol=1e-5)
    report = held.report()
    assert report.gaps <= report.decaying_bins + report.resting_bins <= sum(steps)
    assert report.invalid <= report.samples == len(samples) - len(waiting)


def test_phases_are_whole_bins_so_that_what_drove_a_bin_can_drive_it_again():
    held = HeldCondition([phase_condition(10)])
    held.offer(np.array([1.0]), np.array([[3.6]]), 1.0)
    assert held.at(np.array([1.0])).tolist() == [[4.0]]
