"""What may be changed while a stream runs: its gain, and whether its steps go out."""

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.scalars import checked_number
from spikeloop.streamer.stream.perturbations import Perturbations
from spikeloop.streamer.stream.step import SpikeSink, Step, multiplied

__all__ = ["Controls", "Gate"]

LARGEST_GAIN = 10.0
ROUNDING_S = 1e-6


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
    gain : float
        The gain that was asked for last.
    """

    def __init__(self, start_s: float, random: np.random.Generator) -> None:
        self._random, self._times = random, random.spawn(1)[0]  # apart, so that step sizes change nothing
        self._lock = threading.Lock()
        self._next_s = start_s
        self.gain = 1.0
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
            self.gain = gain
            return self._next_s

    def set_paused(self, paused: bool) -> float:
        """Keep steps back, or let them out again; returns when the first bin begins that this applies to."""
        with self._lock:
            self.paused = paused
            return self._next_s

    def apply(self, step: Step) -> Step:
        """Return the step as gain leaves it."""
        with self._lock:
            gain, self.lets_out = self.gain, not self.paused
            begin_s, self._next_s = self._next_s, float(step.stamps_s[-1])
        if gain == 1:
            return step
        if step.counts.dtype != np.uint8:
            return replace(step, counts=step.counts * gain)
        numbers = self._random.random(len(step.event_units)) < gain if gain < 1 else 1 + self._copies(step, gain)
        return multiplied(step, numbers.astype(np.intp), begin_s, self._times)

    def _copies(self, step: Step, gain: float) -> NDArray[np.int64]:
        most = int(np.ceil(gain - 1))
        return self._random.binomial(most, (gain - 1) / most, len(step.event_units))


class Gate:
    """A sink that hands steps on to others: not those that a pause keeps back, and later by an added latency.

    A step that is late goes out with the first one that is due when its latency has passed; whatever the latency, its
    stamps are its own.

    Parameters
    ----------
    controls : Controls
    sinks : iterable of SpikeSink
    perturbations : Perturbations, optional
        Have the latency; without them there is none.
    """

    def __init__(
        self, controls: Controls, sinks: Iterable[SpikeSink], perturbations: Perturbations | None = None
    ) -> None:
        self._controls, self._sinks, self._perturbations = controls, tuple(sinks), perturbations
        self._held: deque[Step] = deque()

    def push(self, step: Step) -> None:
        """Hand on what is due by the end of this step."""
        if self._controls.lets_out:
            self._held.append(step)
        latency_s = 0.0 if self._perturbations is None else self._perturbations.latency_ms / 1000
        self._hand_on(float(step.stamps_s[-1]) - latency_s)

    def flush(self) -> None:
        """Hand on what is still held, as at the stream's end."""
        self._hand_on(np.inf)

    def _hand_on(self, until_s: float) -> None:
        while self._held and self._held[0].stamps_s[-1] <= until_s + ROUNDING_S:
            step = self._held.popleft()
            for sink in self._sinks:
                sink.push(step)
