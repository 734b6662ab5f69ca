"""What may be changed while a stream runs: its gain, and whether its steps go out."""

import threading
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from spikeloop.models.scalars import checked_number
from spikeloop.streamer.stream.step import SpikeSink, Step, event_bins, with_events

__all__ = ["Controls", "Gate"]

LARGEST_GAIN = 10.0


class Controls:
    """Gain and pause, changed from any thread and in force from the next step on; a `Transform`.

    Gain multiplies spikes on average: below 1 each is kept with that probability, above 1 each gets copies at random
    times in its bin, their number binomial. Fluorescence is multiplied as it is.

    Parameters
    ----------
    start_s : float, s
        When bin 0 begins.
    random : numpy.random.Generator
        Of what gain does; used by these controls alone.

    Attributes
    ----------
    paused : bool
        Whether a pause was asked for last.
    lets_out : bool
        Whether the step that was due last goes out.
    """

    def __init__(self, start_s: float, random: np.random.Generator) -> None:
        self._random, self._times = random, random.spawn(1)[0]  # apart, so that step sizes change nothing
        self._lock = threading.Lock()
        self._next_s = start_s
        self._gain = 1.0
        self.paused, self.lets_out = False, True

    def set_gain(self, gain: float) -> float:
        """Change the gain.

        Parameters
        ----------
        gain : float from 0 to 10

        Returns
        -------
        float, s
            When the first bin begins that has this gain.

        Raises
        ------
        BadInputError
            If it is out of range.
        """
        gain = checked_number("gain", gain, 0, LARGEST_GAIN)
        with self._lock:
            self._gain = gain
            return self._next_s

    def set_paused(self, paused: bool) -> float:
        """Keep steps back, or let them out again; returns when the first bin begins that this applies to."""
        with self._lock:
            self.paused = paused
            return self._next_s

    def apply(self, step: Step) -> Step:
        """Return the step as gain leaves it."""
        with self._lock:
            gain, self.lets_out = self._gain, not self.paused
            begin_s, self._next_s = self._next_s, float(step.stamps_s[-1])
        if gain == 1:
            return step
        if step.counts.dtype != np.uint8:
            return replace(step, counts=step.counts * gain)
        return self._thin(step, gain) if gain < 1 else self._copy(step, gain, begin_s)

    def _thin(self, step: Step, gain: float) -> Step:
        kept = self._random.random(len(step.event_units)) < gain
        return with_events(step, event_bins(step)[kept], step.event_units[kept], step.event_stamps_s[kept])

    def _copy(self, step: Step, gain: float, begin_s: float) -> Step:
        most = int(np.ceil(gain - 1))
        copies = self._random.binomial(most, (gain - 1) / most, len(step.event_units))
        bins = event_bins(step)
        copied = bins.repeat(copies)
        begins_s = np.concatenate([[begin_s], step.stamps_s[:-1]])
        times_s = begins_s[copied] + self._times.random(len(copied)) * (step.stamps_s - begins_s)[copied]
        return with_events(
            step,
            np.concatenate([bins, copied]),
            np.concatenate([step.event_units, step.event_units.repeat(copies)]),
            np.concatenate([step.event_stamps_s, times_s]),
        )


class Gate:
    """A sink that hands steps on to others, but for those that a pause keeps back."""

    def __init__(self, controls: Controls, sinks: Iterable[SpikeSink]) -> None:
        self._controls, self._sinks = controls, tuple(sinks)

    def push(self, step: Step) -> None:
        if self._controls.lets_out:
            for sink in self._sinks:
                sink.push(step)
