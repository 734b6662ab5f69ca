"""Whether the stamps of a live stream are of LSL's clock, by when its samples arrive."""

import math

from spikeloop.models.clocks import OTHER_CLOCK_S

__all__ = ["ArrivalCheck"]


class ArrivalCheck:
    """Compares stamps with the times at which their samples arrive.

    A stream whose stamps were of LSL's clock and did not jump since is late, and not of another clock.

    Attributes
    ----------
    other_clock : bool
        Whether the latest stamps are of another clock.
    offset_s : float, s
        From that clock to this machine's; 0 where they are of LSL's clock.
    """

    def __init__(self) -> None:
        self.other_clock, self.offset_s = False, 0.0
        self._latest_s = math.nan

    def add(self, newest_s: float, now_s: float) -> float | None:
        """Look at the newest sample that came.

        Parameters
        ----------
        newest_s : float, s
            Its stamp, on this machine's clock as far as LSL knows.
        now_s : float, s
            The present.

        Returns
        -------
        float or None, s
            From its stamp to the present; None where its stamp is of another clock.
        """
        goes_on = abs(newest_s - self._latest_s) <= OTHER_CLOCK_S  # not after nothing, which is NaN
        self._latest_s, delay_s = newest_s, now_s - newest_s
        if abs(delay_s) > OTHER_CLOCK_S and (self.other_clock or not goes_on):
            if abs(delay_s - self.offset_s) > OTHER_CLOCK_S:
                self.offset_s = delay_s
            self.other_clock = True
            return None
        self.other_clock, self.offset_s = False, 0.0
        return delay_s
