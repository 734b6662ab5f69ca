"""What tests of stimulation share: independent units, a sink that keeps steps, and what holds of every step."""

import numpy as np

from spikeloop.streamer.stream.step import Step, event_bins

BIN_S, START_S = 0.001, 1000.1
UNITS = 8


class Poisson:
    """Independent units at a rate, the same whatever number of bins is taken at a time."""

    unit_names, run_bins, dtype = tuple(map(str, range(UNITS))), 1, np.dtype(np.uint8)

    def __init__(self, rate_hz: float, bin_size_s: float = BIN_S) -> None:
        self.bin_size_s = bin_size_s
        self._mean, self._random = rate_hz * bin_size_s, np.random.Generator(np.random.Philox(5))

    def warm_up(self) -> None:
        pass

    def next(self, bins, conditions=None):
        return np.array([self._random.poisson(self._mean, UNITS) for _ in range(bins)]).astype(np.uint8)


class Kept:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def push(self, step) -> None:
        self.steps.append(step)

    def joined(self, field: str) -> np.ndarray:
        return np.concatenate([getattr(step, field) for step in self.steps])

    def whole(self) -> Step:
        fields = ("counts", "conditions", "stamps_s", "event_units", "event_stamps_s")
        return Step(0, *map(self.joined, fields))


def assert_sound(step: Step, bin_size_s: float = BIN_S) -> None:
    """Counts are those of the events, which are in order, each inside a bin of the step."""
    assert np.all(np.diff(step.event_stamps_s) >= 0)
    edges = np.concatenate([[step.stamps_s[0] - bin_size_s], step.stamps_s])
    binned = np.zeros(step.counts.shape, int)
    bins = event_bins(step)
    assert np.all(edges[bins] - 1e-9 <= step.event_stamps_s)
    assert np.all(step.event_stamps_s <= edges[bins + 1] + 1e-9)
    np.add.at(binned, (bins, step.event_units), 1)
    np.testing.assert_array_equal(binned, step.counts)
