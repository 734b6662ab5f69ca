"""Spikes of units too far away to be sorted, which make up the background of a recording."""

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.streamer.broadband.probe import Probe

__all__ = ["FarSpikes", "place_far_units"]

NEAREST_UM, FURTHEST_UM = 100.0, 200.0  # beyond those that can be separated (Henze et al. 2000), within our reach
RATES_HZ = (0.5, 5.0)  # the range of their rates, evenly in the logarithm; our choice
CHUNK_S = 0.1  # drawn at once


def place_far_units(probe: Probe, units: int, random: np.random.Generator) -> Floats:
    """Draw positions, (units, 3), in µm, each 100 to 200 µm from a channel, and from none less."""
    from scipy.spatial import KDTree  # late, as it takes half a second

    contacts = KDTree(np.pad(probe.positions_um, ((0, 0), (0, 1))))
    found = np.zeros((0, 3))
    while len(found) < units:
        around = contacts.data[random.integers(0, probe.channels, units)]
        direction = random.standard_normal((units, 3))
        direction[:, 2] = np.abs(direction[:, 2])
        distance_um = np.cbrt(random.uniform(NEAREST_UM**3, FURTHEST_UM**3, (units, 1)))  # evenly in space
        drawn = around + distance_um * direction / np.linalg.norm(direction, axis=1, keepdims=True)
        nearest_um, _ = contacts.query(drawn)
        found = np.concatenate([found, drawn[nearest_um >= NEAREST_UM]])
    return found[:units]


class FarSpikes:
    """Poisson spikes of units at rates of their own, the same whatever the size of the blocks that ask for them.

    Parameters
    ----------
    units : int >= 1
    rate_hz : int, Hz
        Of samples.
    seed : int
    """

    def __init__(self, units: int, rate_hz: int, seed: int) -> None:
        low, high = np.log(RATES_HZ)
        self.rates_hz = np.exp(random_stream(seed, Purpose.FAR_SPIKES).uniform(low, high, units))
        self._chunk = round(CHUNK_S * rate_hz)
        self._expected = self.rates_hz * self._chunk / rate_hz
        self._seed, self._next = seed, 0

    def until(self, first_sample: int, end: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Draw the spikes that were not handed out yet, up to a sample or somewhat beyond.

        Parameters
        ----------
        first_sample : int
            What came before is left out.
        end : int

        Returns
        -------
        units, samples : arrays of shape (spikes,), int64
            `units` counted from 0.
        """
        self._next = max(self._next, first_sample // self._chunk)
        units, samples = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        while self._next * self._chunk < end:
            random = random_stream(self._seed, Purpose.FAR_SPIKES, self._next + 1)
            fired = np.repeat(np.arange(len(self._expected)), random.poisson(self._expected))
            units.append(fired)
            samples.append(self._next * self._chunk + random.integers(0, self._chunk, len(fired)))
            self._next += 1
        return np.concatenate(units), np.concatenate(samples)
