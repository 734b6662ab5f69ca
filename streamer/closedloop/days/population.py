"""A bundle's population as its channels record it on a day of a drift."""

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.bundle import Bundle
from spikeloop.models.arrays import Counts, Floats
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.streamer.closedloop.days.drift import SILENT, DayState
from spikeloop.streamer.closedloop.experiment.brain import VelocityEncoding
from spikeloop.streamer.inference.bin_engine import BinEngine
from spikeloop.streamer.inference.runtime import Device
from spikeloop.streamer.stream.source import StreamSource

__all__ = ["DIRECTIONS", "DriftingPopulation"]

DIRECTIONS = 12  # into which the intended velocity is turned; a unit between two of them has its spikes of both


class DriftingPopulation:
    """A bundle's population on a day.

    A unit whose preferred direction is turned answers as the model answers to a velocity that is turned the other way:
    the model runs in several copies at once, of the same random numbers, so that units keep what they share. A gain
    below 1 leaves out spikes at random, one above repeats some.

    Parameters
    ----------
    bundle : Bundle
        Driven by velocity.
    device : {"auto", "cpu", "cuda"}

    Raises
    ------
    BadInputError, FailureError
        As of `VelocityEncoding` and `BinEngine`.
    """

    def __init__(self, bundle: Bundle, device: Device = "auto") -> None:
        self._encoding = VelocityEncoding(bundle)
        self._bundle = bundle
        self._device: Device = device
        self.unit_names, self.bin_size_s = bundle.card.unit_names, bundle.card.bin_size_s

    def begin_day(self, state: DayState, seed: int) -> None:
        """Begin a day, from the model's first state on; all spikes of the day follow from the seed."""
        self._state = state
        turns = state.turn_rad / (2 * np.pi / DIRECTIONS)
        below = np.floor(turns)
        self._share_above = turns - below
        sides = [(below + side).astype(np.int64) % DIRECTIONS for side in (0, 1)]
        used = np.unique(np.concatenate([sides[0], sides[1][self._share_above > 0]]))
        place = np.zeros(DIRECTIONS, np.int64)
        place[used] = np.arange(len(used))
        self._below, self._above = place[sides[0]], place[sides[1]]
        angles = used * (2 * np.pi / DIRECTIONS)
        cosines, sines = np.cos(angles), np.sin(angles)
        self._turns = np.array([[cosines, sines], [-sines, cosines]]).transpose(2, 0, 1)  # each the other way
        self._source = StreamSource(BinEngine(self._bundle, self._device, len(used)), seed)
        self._random = random_stream(seed, Purpose.DRIFTED_COUNTS)
        self._whole_gain = np.floor(state.gain).astype(np.int64)

    def respond(self, velocity_cm_s: Floats, position_cm: Floats) -> Counts:
        """Counts (channels,) of the next bin."""
        state = self._state
        conditions = np.array([self._encoding.conditions(turn @ velocity_cm_s, position_cm) for turn in self._turns])
        of_copies = self._source.next_copies(conditions[np.newaxis])[0]
        above = self._random.random(len(state.unit)) < self._share_above
        counts = of_copies[np.where(above, self._above, self._below), state.unit].astype(np.int64)
        counts[state.unit == SILENT] = 0
        return self._recorded(counts)

    def _recorded(self, counts: NDArray[np.int64]) -> Counts:
        state = self._state
        scaled = counts * self._whole_gain + self._random.binomial(counts, state.gain - self._whole_gain)
        return scaled + self._random.poisson(state.noise_hz * self.bin_size_s)
