"""The fall of a spike's amplitude in a burst."""

import math

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats

__all__ = ["Adaptation"]

RECOVERY_S = 0.02  # time constant; our choice


class Adaptation:
    """Makes a unit's spikes smaller soon after its others, as inactivating sodium channels do.

    Each spike lowers its unit's amplitude by a share of what is left of it, and the amplitude recovers exponentially,
    within some tens of ms. So amplitudes fall along a burst, as Fee et al. (1996, J Neurophysiol 76:3823) and Quirk &
    Wilson (1999, J Neurosci Methods 94:41) measured in cortex and hippocampus.

    Parameters
    ----------
    units : int >= 1
    share : float from 0 to 0.9
        By how much a spike lowers the amplitude of another directly after it.
    """

    def __init__(self, units: int, share: float) -> None:
        self._kept = 1 - share
        self._latest_s, self._after = [-math.inf] * units, [1.0] * units

    def factors(self, event_units: NDArray[np.int32], event_times_s: Floats) -> Floats:
        """Compute the relative amplitude of the next spikes.

        Parameters
        ----------
        event_units : array of shape (spikes,), int32
        event_times_s : array of shape (spikes,), float64, s
            Ascending, and no earlier than those before.

        Returns
        -------
        array of shape (spikes,), float64
            1 after a long silence.
        """
        factors = np.empty(len(event_units))
        for number, (unit, at_s) in enumerate(zip(event_units.tolist(), event_times_s.tolist(), strict=True)):
            recovered = math.exp((self._latest_s[unit] - at_s) / RECOVERY_S)
            factor = 1 - (1 - self._after[unit]) * recovered
            self._latest_s[unit], self._after[unit] = at_s, factor * self._kept
            factors[number] = factor
        return factors
