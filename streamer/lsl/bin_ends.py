"""When the bins of a stream ended, where stamps do not tell."""

import math

import numpy as np

from spikeloop.models.arrays import Floats
from spikeloop.models.clocks import OTHER_CLOCK_S

__all__ = ["BinEnds"]

LATE_S = 5.0  # between the present and what numbers say, from which on the time of arrival says more


class BinEnds:
    """Dates the bins of one run of a stream.

    Parameters
    ----------
    bin_size_s : float > 0, s
    """

    def __init__(self, bin_size_s: float) -> None:
        self._bin_size_s = bin_size_s
        self._latest_s = math.nan

    def date(self, ends_s: Floats, now_s: float, stand: bool) -> Floats:
        """Date the next bins: by their stamps; without one that can be true, by their number from the bin before.

        Parameters
        ----------
        ends_s : array of shape (bins,), float64, s
            Their stamps, on this machine's clock.
        now_s : float, s
            The present, on the same clock.
        stand : bool
            Whether stamps stand still, so that none can be true.
        """
        count = len(ends_s)
        if not count:
            return ends_s
        known = (np.abs(ends_s - now_s) <= OTHER_CLOCK_S + count * self._bin_size_s) & (not stand)
        numbers = np.arange(count)
        before = np.maximum.accumulate(np.where(known, numbers, -1))
        from_start_s = self._begin_s(ends_s, known, now_s) + self._bin_size_s * (numbers + 1)
        dated_s = np.where(before < 0, from_start_s, ends_s[before] + self._bin_size_s * (numbers - before))
        self._latest_s = float(dated_s[-1])
        return dated_s

    def _begin_s(self, ends_s: Floats, known: np.ndarray, now_s: float) -> float:
        """When the bin before these ended."""
        count, first = len(ends_s), int(known.argmax())
        if known.any():
            from_first_s = float(ends_s[first]) - (first + 1) * self._bin_size_s
            return from_first_s if math.isnan(self._latest_s) else self._latest_s
        lasted_s = count * self._bin_size_s
        on_time = abs(self._latest_s + lasted_s - now_s) <= LATE_S + lasted_s  # not where there was none before
        return self._latest_s if on_time else now_s - lasted_s
