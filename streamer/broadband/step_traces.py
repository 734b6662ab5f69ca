"""The voltage trace of a stream, step by step."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikeloop.streamer.broadband.traces import Synthesiser
from spikeloop.streamer.stream.step import Step

__all__ = ["StepTraces", "Trace"]


class Trace(NamedTuple):
    """Consecutive samples; sample i is the voltage at i / rate since the stream's start.

    Attributes
    ----------
    first_sample : int
    values : array of shape (samples, channels), int16
    """

    first_sample: int
    values: NDArray[np.int16]


class StepTraces:
    """Turns steps into traces; they lag behind by 0.7 ms, in which the next step's spikes may begin.

    Parameters
    ----------
    synthesiser : Synthesiser
        Used by this object alone.
    bin_size_s : float > 0, s
        Of the stream.
    start_s : float, s
        When bin 0 begins, on the clock of the steps.
    """

    def __init__(self, synthesiser: Synthesiser, bin_size_s: float, start_s: float) -> None:
        self._synthesiser, self._bin_size_s, self._start_s = synthesiser, bin_size_s, start_s
        self._before = synthesiser.amplifier.before
        self._end = 0

    def of(self, step: Step) -> Trace:
        """Make the trace of a step's bins, 0.7 ms earlier; steps may be left out, but come in order."""
        first = max(0, self._edge(step.first_bin) - self._before)
        self._end = self._edge(step.first_bin + len(step.counts))
        samples = max(0, self._end - self._before - first)
        times_s = step.event_stamps_s - self._start_s
        return Trace(first, self._synthesiser.block(first, samples, step.event_units, times_s))

    def rest(self) -> Trace:
        """Make the last samples of the latest step, where no other follows."""
        first = max(0, self._end - self._before)
        none = np.zeros(0)
        return Trace(first, self._synthesiser.block(first, self._end - first, none.astype(np.int32), none))

    def _edge(self, bins: int) -> int:
        """The sample with which bin number `bins` begins."""
        return int(self._synthesiser.amplifier.sample_of(bins * self._bin_size_s))
