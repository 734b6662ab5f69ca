"""What is wrong with the stamps of a stream, and what to do about it."""

import math

import numpy as np

from spikeloop.models.arrays import Floats
from spikeloop.models.clocks import backward_steps_s

__all__ = ["ADVICE", "StampsCheck"]

STILL_S, STILL_BINS = 2.0, 12  # the longer of these is how long one stamp may come again and again
OFTEN = 0.01  # share of stamps that run backwards, from which on it is no single event, as a clock reset is
ADVICE = "let its sender stamp with local_clock(), or push without stamps"


class StampsCheck:
    """Judges whether stamps are numbers, and move forwards.

    Parameters
    ----------
    bin_size_s : float >= 0, s
        0 of an irregular stream.

    Attributes
    ----------
    stand : bool
        Whether the latest stamps are all the same, for two seconds or more (of slow streams, 12 bins).
    backwards : int
        Stamps that are earlier than the one before, by more than jitter.
    furthest_back_s : float, s
        The largest of these steps.
    """

    def __init__(self, bin_size_s: float) -> None:
        self._bin_size_s, self._still_s = bin_size_s, max(STILL_S, STILL_BINS * bin_size_s)
        self.stand = False
        self.backwards, self.furthest_back_s = 0, 0.0
        self._latest_s, self._since_s = math.nan, math.nan  # a stamp, and when it first came
        self._bins = self._no_numbers = 0

    def add(self, stamps_s: Floats, now_s: float) -> None:
        """Look at the stamps of the next samples.

        Parameters
        ----------
        stamps_s : array of shape (samples,), float64, s
            On the sender's clock.
        now_s : float, s
            The present, on a clock of this machine.
        """
        known_s = stamps_s[np.isfinite(stamps_s)]
        self._bins, self._no_numbers = self._bins + len(stamps_s), self._no_numbers + len(stamps_s) - len(known_s)
        if not len(known_s):
            return
        back_s = backward_steps_s(np.concatenate([[self._latest_s], known_s]), self._bin_size_s)
        self.backwards += len(back_s)
        self.furthest_back_s = max(self.furthest_back_s, float(back_s.max(initial=0.0)))
        if (known_s != self._latest_s).any():
            self._latest_s, self._since_s = float(known_s[-1]), now_s
        self.stand = now_s - self._since_s >= self._still_s

    def findings(self) -> tuple[str, ...]:
        """Say what is wrong and what to do, a sentence each."""
        found = []
        if self._no_numbers:
            share = f"{self._no_numbers} of {self._bins}" if self._no_numbers < self._bins else "all"
            found.append(
                f"stamps that are no numbers: {share} are NaN or infinite; these bins are placed by their number, so"
                f" that lost ones show only at the next stamp; {ADVICE}"
            )
        if self.stand:
            found.append(
                "stamps stand still: all that come are the same; bins are placed by their number, lost ones can't be"
                f" seen, and delays are left out; {ADVICE}"
            )
        if self.backwards > max(1, OFTEN * self._bins):
            found.append(f"{self.backwards_words()}; bins are taken in the order in which they came; {ADVICE}")
        return tuple(found)

    def backwards_words(self) -> str:
        """Say how many stamps are earlier than the one before."""
        return (
            f"stamps run backwards: {self.backwards} of {self._bins} are earlier than the one before, by up to"
            f" {self.furthest_back_s:.3g} s"
        )
