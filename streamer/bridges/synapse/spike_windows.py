"""Spikes at electrodes, counted in windows of whole milliseconds."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikeloop.streamer.bridges.synapse.signal_chain import SpikeNode
from spikeloop.streamer.broadband.templates import Template
from spikeloop.streamer.stream.step import Step

__all__ = ["SpikeWindow", "SpikeWindows"]

NOWHERE = -1  # the row of a unit that no electrode hears
NOTHING = np.zeros((2, 0), np.int64)


class SpikeWindow(NamedTuple):
    """Counts of a window.

    Attributes
    ----------
    number : int >= 0
        From the stream's start on.
    counts : array of shape (electrodes,), int64
        In the order of the node's electrodes.
    """

    number: int
    counts: NDArray[np.int64]


class SpikeWindows:
    """Counts each spike at the electrode that is nearest to its unit, from the end of the first step on.

    Windows that reach into steps that were left out have no counts, and are left out too.

    Parameters
    ----------
    node : SpikeNode
    templates : sequence of Template
        Of the units.
    start_s : float, s
        When window 0 begins, on the clock of the steps.
    """

    def __init__(self, node: SpikeNode, templates: Sequence[Template], start_s: float) -> None:
        self.node = node
        row_of = {electrode: row for row, electrode in enumerate(node.electrodes.places)}
        heard = [template.peak_uv >= node.threshold_uv for template in templates]
        rows = [row_of.get(template.peak_channel, NOWHERE) for template in templates]
        self._rows = np.where(heard, rows, NOWHERE)  # of each unit
        self._window_ns, self._start_s = node.window_ms * 1_000_000, start_s
        self._next: int | None = None  # window that is counted next
        self._next_bin: int | None = None  # of the next step, where none is left out
        self._waiting = NOTHING  # window and row of spikes that were not counted yet

    def of(self, step: Step) -> list[SpikeWindow]:
        """Count a step's spikes; returns the windows that end with it, or ended before it did."""
        if step.first_bin != self._next_bin:
            self._next, self._waiting = None, NOTHING
        self._next_bin = step.first_bin + len(step.counts)
        over, into_next_ns = divmod(int(self._since_ns(step.stamps_s[-1])), self._window_ns)  # windows that are over
        if self._next is None:
            self._next = over + (into_next_ns > 0)  # the first that begins now or later
        windows, rows = self._since_ns(step.event_stamps_s) // self._window_ns, self._rows[step.event_units]
        heard = (rows != NOWHERE) & (windows >= self._next)
        self._waiting = np.hstack([self._waiting, [windows[heard], rows[heard]]])
        windows, rows = self._waiting
        self._waiting = self._waiting[:, windows >= over]
        ended = range(self._next, over)
        self._next = max(self._next, over)
        return [SpikeWindow(number, self._count(rows[windows == number])) for number in ended]

    def _since_ns(self, stamps_s: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.rint((stamps_s - self._start_s) * 1e9).astype(np.int64)

    def _count(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.bincount(rows, minlength=len(self.node.electrodes.places))
