"""Honest timing of a stream: lateness, inference time, rate ratio, CPU use; in constant memory."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["Durations", "Health", "HealthReport"]


class Durations:
    """Quantiles of any number of durations, to 1 %, from a histogram of logarithmic bins (1 µs to 1000 s)."""

    SHORTEST_S, PER_FACTOR_E = 1e-6, 100

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._counts = np.zeros(1 + math.ceil(math.log(1e9) * self.PER_FACTOR_E), np.int64)

    def add(self, duration_s: float) -> None:
        self.longest_s = max(self.longest_s, duration_s)
        place = math.log(max(duration_s, self.SHORTEST_S) / self.SHORTEST_S) * self.PER_FACTOR_E
        self._counts[min(math.ceil(place), len(self._counts) - 1)] += 1

    def quantile_s(self, quantile: float) -> float:
        """Return the duration that this share (0 to 1) does not exceed; NaN where nothing was added."""
        total = int(self._counts.sum())
        if total == 0:
            return math.nan
        place = int(np.searchsorted(np.cumsum(self._counts), quantile * total))
        return min(self.SHORTEST_S * math.exp(place / self.PER_FACTOR_E), self.longest_s)


@dataclass(frozen=True)
class HealthReport:
    """How a stream ran.

    Attributes
    ----------
    bins, steps : int
        How many were due and passed on; those that a pause kept back count too.
    ratio : float
        Time streamed over time passed until the last step was passed on; 1 is real time.
    lateness_ms : dict of float, ms
        p50, p99 and max of a step's push after its deadline.
    late_steps : int
        Steps that were passed on after the next one was due.
    inference_ms : dict of float, ms
        p50 and p99 of a run of the generator.
    cpu_cores : float
        Processor time of the whole process over time passed.
    mean_rate_hz : float, Hz
        Of all units; of fluorescence, its mean over the bin size.
    """

    bins: int
    steps: int
    ratio: float
    lateness_ms: dict[str, float]
    late_steps: int
    inference_ms: dict[str, float]
    cpu_cores: float
    mean_rate_hz: float


class Health:
    """Collects a stream's figures while it runs.

    Parameters
    ----------
    bin_size_s : float, s
    units : int
    cpu_s : callable
        Processor time of the process, s; a parameter so that tests can set it.
    """

    def __init__(self, bin_size_s: float, units: int, cpu_s: Callable[[], float] = time.process_time) -> None:
        self.bin_size_s, self.units = bin_size_s, units
        self.bins = self.steps = self.late_steps = 0
        self.spikes = 0.0
        self.lateness, self.inference = Durations(), Durations()
        self._cpu_s = cpu_s
        self._cpu_began_s = cpu_s()
        self._start_s = self._last_push_s = math.nan

    def start(self, start_s: float) -> None:
        """Begin to measure: the stream's first bin begins."""
        self._start_s = self._last_push_s = start_s
        self._cpu_began_s = self._cpu_s()

    def step(self, bins: int, activity: float, due_s: float, pushed_s: float) -> None:
        """Count a step that was passed on or that a pause kept back; `activity` is its spikes, or sum of values."""
        lateness_s = max(0.0, pushed_s - due_s)
        self.lateness.add(lateness_s)
        self.late_steps += lateness_s >= bins * self.bin_size_s
        self.bins += bins
        self.steps += 1
        self.spikes += activity
        self._last_push_s = pushed_s

    def report(self) -> HealthReport:
        """Return the figures so far; NaN (in JSON: null) where nothing was measured."""
        passed_s = self._last_push_s - self._start_s
        streamed_s = self.bins * self.bin_size_s
        return HealthReport(
            bins=self.bins,
            steps=self.steps,
            ratio=_ratio(streamed_s, passed_s),
            lateness_ms={
                "p50": self.lateness.quantile_s(0.5) * 1000,
                "p99": self.lateness.quantile_s(0.99) * 1000,
                "max": self.lateness.longest_s * 1000 if self.steps else math.nan,
            },
            late_steps=self.late_steps,
            inference_ms={
                "p50": self.inference.quantile_s(0.5) * 1000,
                "p99": self.inference.quantile_s(0.99) * 1000,
            },
            cpu_cores=_ratio(self._cpu_s() - self._cpu_began_s, passed_s),
            mean_rate_hz=_ratio(self.spikes, streamed_s * self.units),
        )


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else math.nan
