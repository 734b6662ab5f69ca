"""The clock of spikeloop's own streams, whose stamps are exact: a bin that is missing is found at once."""

import math

import numpy as np

from spikeloop.models.arrays import Floats
from spikeloop.streamer.lsl.clock_model import RESET_S, Placed

__all__ = ["ExactClock"]

FOLLOW_S = 5.0  # in which the expected stamps adapt to those that come


class ExactClock:
    """Expects where the next bins end, from the stamps so far, all on the sender's clock.

    A stamp is a jump where it is off the expected one by more than half a bin. The grid then continues from that
    stamp; where the next stamp returns to the old grid, the one between was a stray, and nothing was lost before it.

    Parameters
    ----------
    bin_size_s : float > 0, s
    """

    def __init__(self, bin_size_s: float) -> None:
        self._bin_size_s = bin_size_s
        self._tolerance_s = bin_size_s / 2
        self._last_s = math.nan  # where the latest bin should have ended
        self._heard_s = math.nan  # when samples came last, on this machine's clock
        self._resets, self._was_reset = 0, False  # the latter: at the latest jump
        self._before_s, self._lost_bins = math.nan, 0  # the same before the latest jump, and what that jumped over

    def place(self, stamps_s: Floats, now_s: float = math.nan) -> Placed:
        """Find which of the next samples are jumps and how many bins are missing; at once, whatever the time.

        Parameters
        ----------
        stamps_s : array of shape (samples,), float64, s
            On the sender's clock.
        now_s : float, s
            The present; without it a clock that was reset can't be distinguished from bins that were lost.
        """
        jumps, lost_bins = np.zeros(len(stamps_s), np.bool_), 0
        resets, passed_s = self._resets, now_s - self._heard_s
        first = 0
        while first < len(stamps_s):
            rest_s = stamps_s[first:]
            off_s = rest_s - (self._last_s + self._bin_size_s * np.arange(1, len(rest_s) + 1))
            off_s[~np.isfinite(rest_s)] = 0.0
            far = np.flatnonzero(~(np.abs(off_s) <= self._tolerance_s))  # NaN, the first, is far
            kept = int(far[0]) if len(far) else len(rest_s)
            if kept:
                went_s = kept * self._bin_size_s
                self._last_s += went_s - math.expm1(-went_s / FOLLOW_S) * float(off_s[:kept].mean())
                self._before_s = math.nan
            if len(far):
                lost_bins += self._jump(float(rest_s[kept]), passed_s)
                jumps[first + kept] = True
            first += kept + 1
        self._heard_s = now_s if len(stamps_s) else self._heard_s
        return Placed(jumps, lost_bins, self._resets - resets)

    def flush(self) -> Placed:
        """Place what waits, which nothing does."""
        return Placed(np.empty(0, np.bool_))

    def _jump(self, stamp_s: float, passed_s: float) -> int:
        """Continue from a stamp off the grid; returns how many bins more, or fewer, were lost than was assumed."""
        before_s, stamped, wrong = self._last_s, 1, 0
        if abs(stamp_s - self._before_s) < abs(self._last_s - self._before_s):  # back from a stray
            before_s, stamped, wrong = self._before_s, 2, self._lost_bins
            self._resets -= self._was_reset
        self._before_s = self._last_s if stamped == 1 else math.nan
        self._last_s = stamp_s
        gap = (stamp_s - before_s) / self._bin_size_s
        self._was_reset = stamp_s - before_s > passed_s + RESET_S
        self._resets += self._was_reset
        self._lost_bins = max(0, round(gap) - stamped) if math.isfinite(gap) and not self._was_reset else 0
        return self._lost_bins - wrong
