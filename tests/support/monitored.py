"""What tests of the monitor share: simulated counts, and reports of a monitor that watched them."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np

from spikeloop.streamer.lsl.description import StreamDescription
from spikeloop.streamer.lsl.segments import Segment
from spikeloop.streamer.lsl.spikes import Reception
from spikeloop.streamer.monitor.course import Course, Point
from spikeloop.streamer.monitor.live_importance import ImportanceReport, LiveImportance
from spikeloop.streamer.monitor.reference import Reference, refer_to_sample
from spikeloop.streamer.monitor.report import MonitorReport
from spikeloop.streamer.monitor.state import Monitor

BIN_SIZE_S, WINDOW_BINS, HALF_LIFE_S = 0.02, 32, 20.0
STEP_BINS = 50
START_S = 1000.0
MakeReport = Callable[..., MonitorReport]


def simulate(units: int, bins: int, seed: int) -> np.ndarray:
    """Poisson units of different rates that share a common drive, (bins, units)."""
    random = np.random.Generator(np.random.Philox(seed))
    expected = np.linspace(0.05, 0.4, units) * random.gamma(4.0, 0.25, size=(bins, 1))
    return random.poisson(expected).astype(np.uint8)


class SumOfSquares:
    """A critic: the squared population count, summed over bins."""

    def score(self, windows, conditions=None):
        return (windows.sum(axis=2) ** 2).sum(axis=1)

    def changes(self, window, unit, first, change, conditions=None):
        population = window.sum(axis=1)
        return ((population + change) ** 2 - population**2).sum(axis=1)

    def effects(self, windows, conditions=None):
        raise NotImplementedError


def map_windows(windows: np.ndarray) -> ImportanceReport:
    with LiveImportance(SumOfSquares(), windows.shape[2]) as live:
        live.offer(windows)
        while live.report().maps < len(windows):
            assert live.failure is None
    return live.report()


@cache
def reference_to(units: int) -> Reference:
    """A reference from six minutes of so many units."""
    half_life_windows = HALF_LIFE_S / (WINDOW_BINS * BIN_SIZE_S)
    sample = simulate(units, 18000, seed=1)
    return refer_to_sample("a sample", sample, BIN_SIZE_S, WINDOW_BINS, half_life_windows, 0.1)


def watched(
    units: int = 6,
    bins: int = 6000,
    *,
    names: tuple[str, ...] | None = None,
    name: str = "retina",
    refer: bool = True,
    lost: int | None = None,
    importance: bool = True,
    notices: tuple[str, ...] = (),
) -> MonitorReport:
    """Make a report on so many bins; `lost` takes a unit's spikes away in the second half.

    Parameters: units, bins, names (of units), name (of the stream), refer, lost, importance, notices.
    """
    counts = simulate(units, bins, seed=2)
    if lost is not None:
        counts[bins // 2 :, lost] = 0
    names = names or tuple(f"unit {i}" for i in range(units))
    monitor = Monitor(names, BIN_SIZE_S, WINDOW_BINS, HALF_LIFE_S)
    if refer:
        monitor.compare_with(reference_to(units))
    ends_s = START_S + BIN_SIZE_S * np.arange(1, bins + 1, dtype=np.float64)
    course, mapped = Course(), [np.empty((0, WINDOW_BINS, units))]
    for first in range(0, bins, STEP_BINS):
        segment = slice(first, first + STEP_BINS)
        mapped.append(monitor.add([Segment(counts[segment], ends_s[segment], follows=first > 0)]).windows[:1])
        if first % (10 * STEP_BINS) == 0 and monitor.state().windows:
            state = monitor.state()
            scores = [scores.max() for scores in state.alarm_scores.values()]
            rate_hz = state.recent["rates"].mean() / BIN_SIZE_S
            at_s = ends_s[segment][-1] - START_S
            course = course.added(Point(at_s, rate_hz, state.mean_ratio, max(scores, default=np.nan)))
    stream = StreamDescription(name, "Spikes", names, BIN_SIZE_S, "host", "uid", bundle="retina", sha256="ab" * 32)
    reception = Reception("live", bins, gaps=2, lost_bins=34, invalid_bins=5, delay_ms=21.4, longest_delay_ms=99)
    return MonitorReport(
        stream=stream,
        reception=replace(reception, true_rate_hz=50.0, true_rate_interval_hz=(49.9, 50.1)),
        state=monitor.state(),
        window_bins=WINDOW_BINS,
        half_life_s=HALF_LIFE_S,
        reference="a sample" if refer else "",
        reference_statistics=reference_to(units).statistics if refer else {},
        notices=notices,
        importance=map_windows(np.concatenate(mapped)[-3:]) if importance else None,
        course=course,
        watched_s=bins * BIN_SIZE_S,
        cpu_cores=0.031,
    )
