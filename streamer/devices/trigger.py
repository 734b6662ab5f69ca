"""Detect bursts: a number of spikes within a sliding window."""

import math

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError

__all__ = ["BurstTrigger", "spikes_for_rate"]


MOST_SPIKES = 100_000
LONGEST_S = 60.0
SAME_TIME_S = 1e-9  # times are whole microseconds, whose difference in floats is off by less
STEP_BACK_S = 0.001  # less is rounding


def spikes_for_rate(rate_hz: float, window_s: float) -> int:
    """Compute the fewest spikes, at least 1, whose mean rate over a window is at least this.

    Raises
    ------
    BadInputError
        If the rate is not above 0, or not finite.
    """
    if not 0 < rate_hz < math.inf:
        raise BadInputError(f"trigger: expected a rate above 0 Hz, found {rate_hz:g}")
    return max(1, math.ceil(rate_hz * window_s - SAME_TIME_S))


class BurstTrigger:
    """Fires when `spikes` spikes of the watched units lie within `window_s`: a burst, or a unit's rate threshold.

    The window slides with the spikes' own times, not with the messages they come in; a burst that spans two messages
    counts whole.

    Parameters
    ----------
    spikes : int >= 1
    window_s : float above 0 and up to 60, s
        From the first to the last of the spikes.
    units : tuple of int
        Indices of the units to watch; empty for the whole population.
    refractory_s : float above 0 and up to 60, s
        From one firing until the next may come.

    Raises
    ------
    BadInputError
        If a number is out of its range.
    """

    def __init__(self, spikes: int, window_s: float, units: tuple[int, ...] = (), refractory_s: float = 0.5) -> None:
        if not 1 <= spikes <= MOST_SPIKES:
            raise BadInputError(f"trigger: expected 1 to {MOST_SPIKES} spikes, found {spikes}")
        for name, length_s in (("window", window_s), ("refractory time", refractory_s)):
            if not 0 < length_s <= LONGEST_S:
                raise BadInputError(f"trigger: expected a {name} above 0 and up to {LONGEST_S:g} s, found {length_s:g}")
        if any(unit < 0 for unit in units):
            raise BadInputError(f"trigger: expected indices of units from 0, found {min(units)}")
        self.spikes, self.window_s, self.refractory_s = spikes, window_s, refractory_s
        self._units = np.array(units, np.uint32)
        self._latest_s = self._ready_s = -math.inf
        self._recent_s: Floats = np.zeros(0)  # the last spikes - 1, which the next may complete

    def feed(self, times_s: Floats, units: NDArray[np.uint32]) -> Floats:
        """Find the times at which it fires on the next spikes: those of the spikes that complete a burst.

        Parameters
        ----------
        times_s : array of shape (spikes,), float64, s, ascending
            After those before; a step back counts as another run of the stream, and the window begins anew.
        units : array of shape (spikes,), uint32

        Returns
        -------
        array of shape (firings,), float64, s
        """
        if not len(times_s):
            return np.zeros(0)
        if times_s[0] < self._latest_s - STEP_BACK_S:
            self._recent_s, self._ready_s = np.zeros(0), -math.inf
        self._latest_s = float(times_s[-1])
        watched_s = times_s[np.isin(units, self._units)] if len(self._units) else times_s
        joined_s = np.concatenate([self._recent_s, watched_s])
        last_s = joined_s[self.spikes - 1 :]
        within = last_s - joined_s[: len(last_s)] <= self.window_s + SAME_TIME_S
        self._recent_s = joined_s[len(joined_s) - min(self.spikes - 1, len(joined_s)) :]
        return self._apart(last_s[within])

    def _apart(self, bursts_s: Floats) -> Floats:
        """Those that don't fall into the refractory time after one before."""
        fired: list[float] = []
        while len(bursts_s := bursts_s[np.searchsorted(bursts_s, self._ready_s) :]):
            fired.append(float(bursts_s[0]))
            self._ready_s = fired[-1] + self.refractory_s
        return np.array(fired, np.float64)
