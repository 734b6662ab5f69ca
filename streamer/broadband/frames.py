"""A voltage in frames of a fixed number of samples, as acquisition software takes it."""

from collections.abc import Iterator

import numpy as np

from spikeloop.streamer.broadband.step_traces import Trace

__all__ = ["FRAME_S", "Frames", "frame_samples"]

FRAME_S = 0.01


def frame_samples(rate_hz: int) -> int:
    """Return the samples of 10 ms, at least 1."""
    return max(1, round(FRAME_S * rate_hz))


class Frames:
    """Cuts consecutive traces into frames; what is left waits for the next trace.

    Parameters
    ----------
    samples : int >= 1
        Of a frame.

    Attributes
    ----------
    left_out : int
        Samples that are in no frame: those of traces that were left out, and those before a gap that filled no frame.
    """

    def __init__(self, samples: int) -> None:
        self._samples = samples
        self._waiting: Trace | None = None
        self.left_out = 0

    def of(self, trace: Trace) -> Iterator[Trace]:
        """Yield the frames that a trace completes; after a gap they begin anew."""
        first, values = trace
        if (waiting := self._waiting) is not None:
            if waiting.first_sample + len(waiting.values) == first:
                first, values = waiting.first_sample, np.concatenate([waiting.values, values])
            else:
                self.left_out += first - waiting.first_sample
        whole = len(values) - len(values) % self._samples
        for begin in range(0, whole, self._samples):
            yield Trace(first + begin, values[begin : begin + self._samples])
        self._waiting = Trace(first + whole, values[whole:])

    def rest(self) -> Trace | None:
        """Return what fills no frame; None where nothing came."""
        waiting, self._waiting = self._waiting, None
        return waiting
