"""Importance maps in a thread of their own: the right ones, the newest where it is behind, and none where it fails."""

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from spikeloop.exporters.bundle import load_bundle
from spikeloop.models.importance.maps import exact_importance
from spikeloop.models.importance.summary import importance_sums
from spikeloop.streamer.inference.critic_engine import Critic
from spikeloop.streamer.monitor.live_importance import WAITING, ImportanceReport, LiveImportance
from tests.support.monitored import WINDOW_BINS, SumOfSquares, simulate

UNITS = 5
WITHIN_S = 20.0


def windows_of(number: int, units: int = UNITS, seed: int = 1) -> np.ndarray:
    return np.minimum(simulate(units, number * WINDOW_BINS, seed), 1).reshape(number, WINDOW_BINS, units)


def philox() -> np.random.Generator:
    return np.random.Generator(np.random.Philox(0))


def until(live: LiveImportance, met: Callable[[ImportanceReport], bool]) -> ImportanceReport:
    end_s = time.monotonic() + WITHIN_S
    while not met(live.report()):
        assert time.monotonic() < end_s, live.failure
        time.sleep(0.002)
    return live.report()


class Gate(SumOfSquares):
    """Waits to be let through before every window, and tells that it has begun."""

    def __init__(self) -> None:
        self.begun, self.open = threading.Event(), threading.Event()

    def changes(self, window, unit, first, change, conditions=None):
        self.begun.set()
        assert self.open.wait(WITHIN_S)
        return super().changes(window, unit, first, change, conditions)


class Weighted(SumOfSquares):
    """Of what drives it: the change of the score is times the condition of the window's first bin."""

    def changes(self, window, unit, first, change, conditions=None):
        assert conditions is not None
        return conditions[0, 0] * super().changes(window, unit, first, change)


class Failing(SumOfSquares):
    def changes(self, window, unit, first, change, conditions=None):
        raise RuntimeError("out of memory")


def test_maps_are_those_of_exact_importance():
    windows = windows_of(12)
    expected = exact_importance(windows, SumOfSquares(), philox())
    with LiveImportance(SumOfSquares(), UNITS) as live:
        live.offer(windows[:5])
        live.offer(windows[5:])
        report = until(live, lambda report: report.maps == 12)
    sums = importance_sums(expected.maps, windows)
    np.testing.assert_allclose(report.by_unit, sums.units.mean)
    np.testing.assert_array_equal(report.map, expected.maps[-1])
    np.testing.assert_array_equal(report.window, windows[-1])
    assert report.mean == pytest.approx(expected.maps[windows > 0].mean())
    assert (report.skipped, report.capped) == (0, expected.capped)
    assert report.summary is not None
    assert report.summary.patterns


def test_maps_of_a_bundles_critic_are_those_of_exact_importance():
    critic, windows = Critic(load_bundle("retina"), "cpu"), windows_of(2, 50)
    expected = exact_importance(windows, critic, philox())
    with LiveImportance(critic, 50) as live:
        live.offer(windows)
        report = until(live, lambda report: report.maps == 2)
    assert live.failure is None
    assert report.map is not None
    np.testing.assert_allclose(report.map, expected.maps[1], rtol=1e-4, atol=1e-5)


def test_each_window_is_judged_by_what_drove_it():
    windows = windows_of(1).repeat(2, axis=0)
    conditions = np.ones((2, WINDOW_BINS, 1), np.float32)
    conditions[1] = 3
    maps = []
    with LiveImportance(Weighted(), UNITS) as live:
        for index in range(2):
            live.offer(windows[[index]], conditions[[index]])
            maps.append(until(live, lambda report, maps=index + 1: report.maps == maps).map)
    np.testing.assert_allclose(maps[1], 3 * maps[0])
    assert maps[0].max() > 0


def test_where_it_is_behind_the_oldest_give_way_and_are_counted():
    gate, windows = Gate(), windows_of(WAITING + 11)
    with LiveImportance(gate, UNITS) as live:
        live.offer(windows[:1])
        assert gate.begun.wait(WITHIN_S)
        live.offer(windows[1:])
        assert live.report().skipped == 10
        live.skip()
        assert live.report().skipped == 11
        gate.open.set()
        report = until(live, lambda report: report.maps == WAITING + 1)
    kept = np.concatenate([windows[:1], windows[11:]])
    expected = exact_importance(kept, SumOfSquares(), philox())
    np.testing.assert_allclose(report.by_unit, importance_sums(expected.maps, kept).units.mean)
    assert report.skipped == 11


def test_before_the_first_map_there_is_none():
    with LiveImportance(SumOfSquares(), UNITS) as live:
        report = live.report()
    assert (report.maps, report.summary, report.map, report.window) == (0, None, None, None)
    assert np.isnan(report.mean)
    np.testing.assert_array_equal(report.by_unit, np.zeros(UNITS))


def test_windows_without_a_spike_have_a_map_of_nothing():
    with LiveImportance(SumOfSquares(), UNITS) as live:
        live.offer(np.zeros((2, WINDOW_BINS, UNITS), np.uint8))
        report = until(live, lambda report: report.maps == 2)
    assert np.isnan(report.mean)
    np.testing.assert_array_equal(report.by_unit, np.zeros(UNITS))


def test_a_critic_that_fails_is_told_and_windows_are_taken_all_the_same():
    with LiveImportance(Failing(), UNITS) as live:
        live.offer(windows_of(1))
        until(live, lambda _: live.failure is not None)
        assert str(live.failure) == "out of memory"
        live.offer(windows_of(WAITING + 5))
        report = live.report()
    assert report.maps == 0
    assert report.skipped == 5


def test_it_ends_with_windows_still_waiting():
    gate = Gate()
    with LiveImportance(gate, UNITS) as live:
        live.offer(windows_of(WAITING))
        assert gate.begun.wait(WITHIN_S)
        gate.open.set()
    assert "spikeloop-importance" not in [each.name for each in threading.enumerate()]
    assert live.report().maps <= WAITING
