"""What a population on a CL1 really did, for a file beside what a program found."""

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.whole_file import whole_file
from spikeloop.streamer.bridges.cl_population import AMPLIFIER, ClPopulation

__all__ = ["ClTruth"]


class ClTruth:
    """Gathers the true spikes and pulses, and when frame 0 was.

    Parameters
    ----------
    population : ClPopulation
        Whose spikes they are.
    timed : bool
        Whether frames are made at their time; else frame 0 has none.
    """

    def __init__(self, population: ClPopulation, timed: bool) -> None:
        self._population, self._timed = population, timed
        self._frames: list[NDArray[np.int64]] = []
        self._units: list[NDArray[np.int32]] = []
        self._pulses: list[tuple[int, int]] = []
        self._start_s = math.inf

    def spikes(self, frames: NDArray[np.int64], units: NDArray[np.int32]) -> None:
        """Add spikes, (spikes,), that follow the others."""
        if len(frames):
            self._frames.append(frames)
            self._units.append(units)

    def pulse(self, frame: int, channel: int) -> None:
        """Add a pulse that began at a frame."""
        self._pulses.append((frame, channel))

    def time(self, frame: int, now_s: float) -> None:
        """Say that a frame is made now, which is at its time or, where something stalls, later."""
        self._start_s = min(self._start_s, now_s - frame / AMPLIFIER.rate_hz)

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all; FailureError where the disk refuses.

        It holds `spike_times`, s, and `unit_ids`, as readers of recordings find them; `samples`, `rate_hz`,
        `unit_names`, `channels` (of units), `pulses` of shape (pulses, 2), and `lsl_start_s`.
        """
        samples = np.concatenate([np.zeros(0, np.int64), *self._frames])
        with whole_file(path) as file:
            np.savez(
                file,
                samples=samples,
                spike_times=samples / AMPLIFIER.rate_hz,
                unit_ids=np.concatenate([np.zeros(0, np.int32), *self._units]),
                rate_hz=AMPLIFIER.rate_hz,
                unit_names=np.array(self._population.unit_names),
                channels=self._population.unit_channels,
                pulses=np.array(self._pulses, np.int64).reshape(-1, 2),
                lsl_start_s=self._start_s if self._timed and self._frames else math.nan,
            )
