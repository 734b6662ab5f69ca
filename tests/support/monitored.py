"""What tests of the monitor share: simulated counts, and reports of a monitor that watched them."""

from collections.abc import Callable

import numpy as np

from spikeloop.streamer.monitor.live_importance import ImportanceReport, LiveImportance
from spikeloop.streamer.monitor.report import MonitorReport

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
