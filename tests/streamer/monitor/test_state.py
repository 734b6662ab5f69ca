"""Running statistics and alarms of scripted segments, against the batch functions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeloop.models.measures.similarity import distance, statistics_of
from spikeloop.streamer.lsl.segments import Segment
from spikeloop.streamer.monitor.state import KEPT_ALARMS, Monitor
from tests.support.monitored import BIN_SIZE_S, HALF_LIFE_S, START_S, WINDOW_BINS, simulate

UNITS = 5
NAMES = tuple("abcde")


def monitor_of(units: int = UNITS) -> Monitor:
    return Monitor(NAMES[:units], BIN_SIZE_S, WINDOW_BINS, HALF_LIFE_S)


def segments_of(counts: np.ndarray, lengths: list[int], gaps: set[int]) -> list[Segment]:
    """Segments of these lengths, again and again; those of `gaps` don't follow the one before."""
    segments, first = [], 0
    while first < len(counts):
        last = first + lengths[len(segments) % len(lengths)]
        ends_s = START_S + BIN_SIZE_S * np.arange(first + 1, min(last, len(counts)) + 1, dtype=np.float64)
        segments.append(Segment(counts[first:last], ends_s, follows=len(segments) not in gaps))
        first = last
    return segments


def windows_between_gaps(segments: list[Segment]) -> tuple[np.ndarray, int]:
    """Adjacent windows from the beginning of every run, and the bins that all runs but the last leave over."""
    runs: list[list[np.ndarray]] = [[]]
    for segment in segments:
        if not segment.follows:
            runs.append([])
        runs[-1].append(segment.counts)
    joined = [np.concatenate(run) for run in runs if run]
    whole = [run[: len(run) // WINDOW_BINS * WINDOW_BINS].reshape(-1, WINDOW_BINS, UNITS) for run in joined]
    return np.concatenate(whole), sum(len(run) % WINDOW_BINS for run in joined[:-1])


@settings(max_examples=20, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 150), min_size=1, max_size=6),
    gaps=st.sets(st.integers(1, 40), max_size=8),
    at_once=st.integers(1, 7),
)
def test_statistics_are_those_of_the_windows_between_gaps(lengths, gaps, at_once):
    segments = segments_of(simulate(UNITS, 2500, seed=3), lengths, gaps)
    monitor = monitor_of()
    arrived = [monitor.add(segments[first : first + at_once]) for first in range(0, len(segments), at_once)]
    windows, left_over = windows_between_gaps(segments)
    state = monitor.state()
    np.testing.assert_array_equal(np.concatenate([each.windows for each in arrived]), windows)
    assert (state.bins, state.windows, state.dropped_bins) == (2500, len(windows), left_over)
    if len(windows):
        expected = statistics_of(windows)
        for name in state.total.keys() & expected.keys():
            assert distance(name, state.total[name], expected[name]) < 1e-9, name


def test_the_ends_of_windows_are_those_of_their_bins():
    monitor = monitor_of()
    segments = segments_of(simulate(UNITS, 500, seed=3), [70], gaps={3})
    arrived = monitor.add(segments)
    assert arrived.ends_s.shape == arrived.windows.shape[:2]
    np.testing.assert_allclose(np.diff(arrived.ends_s, axis=1), BIN_SIZE_S)
    assert arrived.ends_s[0, 0] == pytest.approx(START_S + BIN_SIZE_S)
    assert segments[3].ends_s[0] in arrived.ends_s[:, 0]  # cut anew after the gap


def test_without_a_window_there_is_nothing_to_tell():
    monitor = monitor_of()
    assert len(monitor.add([]).windows) == 0
    monitor.add(segments_of(simulate(UNITS, WINDOW_BINS - 1, seed=3), [10], set()))
    state = monitor.state()
    assert (state.windows, state.bins, state.total, state.recent_deviations) == (0, WINDOW_BINS - 1, {}, ())
    assert np.isnan(state.mean_ratio)


def test_the_exponential_window_forgets_and_the_total_does_not():
    quiet, busy = simulate(UNITS, 5000, seed=3), 3 * simulate(UNITS, 20 * int(HALF_LIFE_S / BIN_SIZE_S), seed=4)
    monitor = monitor_of()
    monitor.add(segments_of(quiet, [1000], set()))
    monitor.add(segments_of(busy, [1000], set()))
    recent, total = (each["rates"] for each in (monitor.state().recent, monitor.state().total))
    np.testing.assert_allclose(recent, busy[-len(busy) // 4 :].mean(axis=0), rtol=0.2)
    both = np.concatenate([quiet, busy])
    np.testing.assert_allclose(total, both[: len(both) // WINDOW_BINS * WINDOW_BINS].mean(axis=0), rtol=1e-9)


def test_counts_of_two_widths_mix():
    counts = simulate(UNITS, 4 * WINDOW_BINS, seed=3)
    wide = counts.astype(np.uint16)
    wide[:, 0] += 500
    ends_s = START_S + BIN_SIZE_S * np.arange(1, len(counts) + 1, dtype=np.float64)
    monitor = monitor_of()
    monitor.add([Segment(counts, ends_s, False), Segment(wide, ends_s + len(counts) * BIN_SIZE_S, True)])
    assert monitor.state().total["rates"][0] == pytest.approx(counts[:, 0].mean() + 250)


def test_the_stream_as_it_was_is_as_near_as_chance_and_raises_nothing(reference_to):
    monitor = monitor_of()
    assert monitor.state().alarm_scores == {}
    monitor.compare_with(reference_to(UNITS))
    monitor.add(segments_of(simulate(UNITS, 12_000, seed=11), [50], set()))
    state = monitor.state()
    assert state.alarms_raised == 0
    assert {len(scores) for scores in state.alarm_scores.values()} == {UNITS, 1}
    assert state.mean_ratio == pytest.approx(1.0, abs=0.5)
    assert len(state.total_deviations) == len(state.recent_deviations) > 5


def test_a_lost_unit_is_told_by_name_and_in_time(reference_to):
    """After a gap, too: bins that were dropped count as passed."""
    counts, lost_at = simulate(UNITS, 12_000, seed=5), 9_000
    counts[lost_at:, 3] = 0
    monitor = monitor_of()
    monitor.compare_with(reference_to(UNITS))
    segments = segments_of(counts, [53], gaps={7, 90, 91})
    monitor.add(segments)
    state = monitor.state()
    alarm = state.alarms[0]
    assert (alarm.kind, alarm.unit, str(alarm)) == ("unit lost", "d", "unit lost: d")
    lost_s = START_S + lost_at * BIN_SIZE_S
    assert lost_s < alarm.at_s < lost_s + 60
    assert alarm.since_s == pytest.approx(lost_s, abs=10)
    assert state.alarms_raised == len(state.alarms)
    deviation = {each.statistic: each for each in state.recent_deviations}["rates"]
    assert deviation.ratio > 3


@pytest.mark.parametrize("at_once", [1, 53, 1000])
def test_alarms_do_not_depend_on_how_the_stream_comes(reference_to, at_once):
    counts = simulate(UNITS, 9_000, seed=6)
    counts[4_000:, 1] *= 2
    whole, parts = monitor_of(), monitor_of()
    for monitor, lengths in ((whole, [9_000]), (parts, [at_once])):
        monitor.compare_with(reference_to(UNITS))
        monitor.add(segments_of(counts[:9_000], lengths, set()))
    assert [str(each) for each in whole.state().alarms] == [str(each) for each in parts.state().alarms]
    for one, other in zip(whole.state().alarms, parts.state().alarms, strict=True):
        assert one.at_s == pytest.approx(other.at_s)
        assert one.since_s == pytest.approx(other.since_s)
    assert whole.state().alarms


def test_a_reference_that_comes_late_judges_only_what_comes_after(reference_to):
    counts = simulate(UNITS, 12_000, seed=7)
    counts[:6_000, 2] = 0
    monitor = monitor_of()
    monitor.add(segments_of(counts[:6_000], [100], set()))
    monitor.compare_with(reference_to(UNITS))
    monitor.add(segments_of(counts[6_000:], [100], set()))
    assert monitor.state().alarms_raised == 0
    assert {each.statistic: each for each in monitor.state().total_deviations}["rates"].ratio > 3


def test_kept_alarms_are_the_latest_and_all_are_counted(reference_to, monkeypatch):
    monitor = monitor_of()
    monitor.compare_with(reference_to(UNITS))
    monkeypatch.setattr("spikeloop.models.drift.alarm.REPEATED_AFTER_S", 0.0)
    monkeypatch.setattr(monitor, "_alarms", type(monitor._alarms)(maxlen=3))
    silent = np.zeros((12_000, UNITS), np.uint8)
    monitor.add(segments_of(silent, [500], set()))
    state = monitor.state()
    raised = [each.at_s for each in state.alarms]
    assert KEPT_ALARMS > 3 == len(state.alarms) < state.alarms_raised
    assert raised == sorted(raised)
    assert raised[-1] > START_S + 200
