"""The state of a monitor at one time, from which every output is made."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikeloop.streamer.lsl.description import StreamDescription
from spikeloop.streamer.lsl.spikes import Reception
from spikeloop.streamer.monitor.course import Course
from spikeloop.streamer.monitor.live_importance import ImportanceReport
from spikeloop.streamer.monitor.state import State

__all__ = ["MonitorReport"]


@dataclass(frozen=True, eq=False)
class MonitorReport:
    """Everything that a monitor knows at one time.

    Attributes
    ----------
    stream : StreamDescription
        Of the run that the latest bins came from.
    reception : Reception
        What arrived and what was lost.
    state : State
        Statistics, distances from the reference, alarms.
    window_bins : int
        Bins of the windows that statistics are of.
    half_life_s : float, s
        Of the exponential window.
    reference : str
        What the stream is compared with, in words; empty where it is compared with nothing.
    reference_statistics : dict of str to array
        The reference's values, by the keys of the table of statistics.
    notices : tuple of str
        What is missing and why, or what is still being prepared.
    importance : ImportanceReport or None
        None where there is no critic.
    course : Course
        The time course so far, a sequence of points, oldest first.
    watched_s : float, s
        Since the monitor began.
    cpu_cores : float
        Processor time of the monitor divided by time passed.
    not_compared : str
        Why E/F is not known yet, in a few words; empty where nothing stands against it.
    """

    stream: StreamDescription
    reception: Reception
    state: State
    window_bins: int
    half_life_s: float
    reference: str
    reference_statistics: Mapping[str, NDArray[np.float64]]
    notices: tuple[str, ...]
    importance: ImportanceReport | None
    course: Course
    watched_s: float
    cpu_cores: float
    not_compared: str = ""

    @property
    def bin_size_s(self) -> float:
        """The time that a bin really lasts, s: as declared, unless a foreign stream is known to have another rate."""
        rate_hz, interval_hz = self.reception.true_rate_hz, self.reception.true_rate_interval_hz
        if rate_hz is None or interval_hz is None or interval_hz[0] <= 1 / self.stream.bin_size_s <= interval_hz[1]:
            return self.stream.bin_size_s
        return 1 / rate_hz

    @property
    def mean_rate_hz(self) -> float:
        """Mean rate of a unit in the exponential window, Hz; NaN before the first window."""
        return float(self.state.recent["rates"].mean()) / self.bin_size_s if self.state.windows else math.nan

    @property
    def alarm_score(self) -> float:
        """Score of the alarm that is nearest to being raised, 0 to 1; NaN where no alarm is set."""
        scores = [np.max(of_kind) for of_kind in self.state.alarm_scores.values() if len(of_kind)]
        return float(np.max(scores)) if scores else math.nan
