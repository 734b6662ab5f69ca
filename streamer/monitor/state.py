"""The state of a monitored stream: running statistics, deviations from a reference, and alarms."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats
from spikeloop.models.drift.alarm import Alarm, DriftAlarm
from spikeloop.models.measures.running import RunningStatistics, WindowCutter
from spikeloop.streamer.lsl.segments import Segment
from spikeloop.streamer.monitor.reference import Deviation, Reference, deviations

__all__ = ["Arrived", "Monitor", "State", "TimedAlarm"]


KEPT_ALARMS = 100


@dataclass(frozen=True)
class TimedAlarm:
    """A drift alarm with its times.

    Attributes
    ----------
    kind : str
        "unit lost", "rate down", "rate up" or "correlations".
    unit : str
        The unit's name; empty for the population.
    at_s : float, s
        End of the bin that raised it, on LSL's clock.
    since_s : float, s
        About when the drift began, on LSL's clock.
    persists : bool
        Whether it was raised before and did not end.
    """

    kind: str
    unit: str
    at_s: float
    since_s: float
    persists: bool

    def __str__(self) -> str:
        return f"{self.kind}{f': {self.unit}' if self.unit else ''}{' (persists)' if self.persists else ''}"


@dataclass(frozen=True, eq=False)
class State:
    """Statistics, distances from the reference, and alarms of a stream at one time.

    Attributes
    ----------
    bins : int
        Bins that were counted, whether in whole windows or not.
    windows : int
        Whole windows since the start.
    dropped_bins : int
        Bins of windows that a gap cut short.
    recent, total : dict of str to array
        Statistics by key, of an exponential window and since the start; empty before the first window.
    effective_windows : float
        Number of equally weighted windows that give as much information as the exponential window.
    recent_deviations, total_deviations : tuple of Deviation
        Distances from the reference; empty where there is none.
    alarm_scores : dict of str to array
        By kind of alarm, how near each unit is to raising it, 0 to 1.
    alarms : tuple of TimedAlarm
        The latest, oldest first.
    alarms_raised : int
        Number since the start.
    """

    bins: int
    windows: int
    dropped_bins: int
    recent: Mapping[str, Floats]
    total: Mapping[str, Floats]
    effective_windows: float
    recent_deviations: tuple[Deviation, ...]
    total_deviations: tuple[Deviation, ...]
    alarm_scores: Mapping[str, Floats]
    alarms: tuple[TimedAlarm, ...]
    alarms_raised: int

    @property
    def mean_ratio(self) -> float:
        """Mean E/F over statistics of the exponential window; NaN where there is no reference."""
        ratios = [deviation.ratio for deviation in self.recent_deviations if np.isfinite(deviation.ratio)]
        return float(np.mean(ratios)) if ratios else float("nan")


class Arrived(NamedTuple):
    """Whole windows, (windows, bins, units), and the ends of their bins, (windows, bins), on LSL's clock."""

    windows: NDArray[Any]
    ends_s: Floats


class Monitor:
    """The statistics and alarms of a stream as it arrives; it has no clock, no thread and no wire.

    Parameters
    ----------
    unit_names : tuple of str
    bin_size_s : float > 0, s
    window_bins : int >= 2
        Length of the windows that the stream is cut into, as the reference was.
    half_life_s : float > 0, s
        Of the exponential window.
    """

    def __init__(self, unit_names: tuple[str, ...], bin_size_s: float, window_bins: int, half_life_s: float) -> None:
        self.unit_names, self.bin_size_s, self.window_bins = unit_names, bin_size_s, window_bins
        self.half_life_windows = half_life_s / (window_bins * bin_size_s)
        units = len(unit_names)
        self._cutter, self._ends = WindowCutter(window_bins, units), WindowCutter(window_bins, 1)
        self._recent = RunningStatistics(window_bins, units, self.half_life_windows)
        self._total = RunningStatistics(window_bins, units)
        self._bins = self._dropped = self._raised = 0
        self._alarms: deque[TimedAlarm] = deque(maxlen=KEPT_ALARMS)
        self.reference: Reference | None = None
        self._drift: DriftAlarm | None = None
        self._watched = 0  # bins that the alarm saw

    def compare_with(self, reference: Reference) -> None:
        """Compare with this reference from now on, and raise alarms."""
        self.reference = reference
        self._drift = DriftAlarm(reference.drift) if reference.drift is not None else None
        self._watched = 0

    def add(self, segments: Iterable[Segment]) -> Arrived:
        """Count what arrived, and return the windows that it completed."""
        windows = [np.empty((0, self.window_bins, len(self.unit_names)), np.uint8)]
        ends_s = [np.empty((0, self.window_bins))]
        for segment in segments:
            if not segment.follows:
                self._dropped += self._cutter.drop()
                self._ends.drop()
            self._bins += len(segment.counts)
            windows.append(self._cutter.cut(segment.counts))
            ends_s.append(self._ends.cut(segment.ends_s[:, np.newaxis])[..., 0])
            self._watch(segment)
        arrived = Arrived(np.concatenate(windows), np.concatenate(ends_s))
        self._recent.add(arrived.windows)
        self._total.add(arrived.windows)
        return arrived

    def state(self) -> State:
        """Compute the state at this time."""
        seen = self._total.windows
        recent, total = (self._recent.statistics(), self._total.statistics()) if seen else ({}, {})
        effective = self._recent.effective_windows
        compared = self.reference if seen else None
        return State(
            bins=self._bins,
            windows=seen,
            dropped_bins=self._dropped,
            recent=recent,
            total=total,
            effective_windows=effective,
            recent_deviations=deviations(recent, effective, compared) if compared else (),
            total_deviations=deviations(total, seen, compared) if compared else (),
            alarm_scores=self._drift.scores if self._drift is not None else {},
            alarms=tuple(self._alarms),
            alarms_raised=self._raised,
        )

    def _watch(self, segment: Segment) -> None:
        if self._drift is None:
            return
        raised = self._drift.add(segment.counts, contiguous=segment.follows)
        self._watched += len(segment.counts)
        for alarm in raised:
            self._alarms.append(self._timed(alarm, float(segment.ends_s[-1])))
            self._raised += 1

    def _timed(self, alarm: Alarm, newest_s: float) -> TimedAlarm:
        at_s = newest_s - (self._watched - 1 - alarm.bin) * self.bin_size_s
        since_s = at_s - (alarm.bin - alarm.since_bin) * self.bin_size_s
        unit = self.unit_names[alarm.unit] if alarm.unit is not None else ""
        return TimedAlarm(alarm.kind, unit, at_s, since_s, alarm.persists)
