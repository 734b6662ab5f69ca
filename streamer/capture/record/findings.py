"""What is odd about a recorded stream, said once: whose clock stamps it, and whether it holds what it says it does."""

from typing import Any

import numpy as np

from spikeloop.exporters.stream_names import SPIKES
from spikeloop.models.arrays import Floats
from spikeloop.models.measures.counts_check import CountsCheck, are_counts
from spikeloop.streamer.lsl.arrival import ArrivalCheck
from spikeloop.streamer.lsl.notices import other_clock_notice
from spikeloop.streamer.lsl.stamps_check import ADVICE, StampsCheck

__all__ = ["Findings"]

PLACED = (
    "the file has them as they were sent, and NWB files, Zarr folders and replays have its samples where they arrived"
)


class Findings:
    """Looks at the samples of one stream, as the monitor does.

    Parameters
    ----------
    kind : str
        Its type, as LSL has it; counts are expected of "Spikes".
    rate_hz : float >= 0, Hz
        Nominal; 0 of an irregular stream.
    are_numbers : bool
        Whether its values are.
    """

    def __init__(self, kind: str, rate_hz: float, are_numbers: bool) -> None:
        interval_s = 1 / rate_hz if rate_hz > 0 else 0.0
        self._arrival, self._stamps, self._regular = ArrivalCheck(), StampsCheck(interval_s), rate_hz > 0
        self._counts = CountsCheck(interval_s) if kind == SPIKES and self._regular and are_numbers else None
        self._newest: tuple[float, float] | None = None  # its stamp, and when it came, s
        self._said: dict[str, str] = {}  # by subject
        self._told = 0

    @property
    def other_clock(self) -> bool:
        """Whether the latest stamps are of another clock than LSL's."""
        return self._arrival.other_clock

    @property
    def sentences(self) -> tuple[str, ...]:
        """All that was found so far."""
        return tuple(self._said.values())

    def add(self, values: Any, stamps_s: Floats, now_s: float, offset_s: float | None) -> None:
        """Look at the next samples, which came now.

        Parameters
        ----------
        values : array of shape (samples, channels), or list of lists of str
        stamps_s : array of shape (samples,), s
        now_s : float, s
        offset_s : float, s, or None
            From the clock of the sender's computer to this one; None before it was measured.
        """
        self._stamps.add(stamps_s, now_s)
        known_s = stamps_s[np.isfinite(stamps_s)]
        if len(known_s):
            self._newest = float(known_s[-1]), now_s
            self.compare(offset_s)
        if self._regular and self._stamps.stand:
            self._say("stand", f"its stamps stand still: all that come are the same; {ADVICE}")
        if self._stamps.backwards > 1:
            self._say("back", f"its {self._stamps.backwards_words()}; samples are kept in the order in which they came")
        if self._counts is not None:
            self._counts.add(values, int((~are_counts(values).all(axis=1)).sum()), now_s)
            if self._counts.finding:
                self._say("counts", self._counts.finding)

    def compare(self, offset_s: float | None) -> None:
        """Compare the newest stamp with when it came, where it is known by how much clocks of computers differ."""
        if offset_s is None or self._newest is None:
            return
        newest_s, came_s = self._newest
        self._newest = None
        if self._arrival.add(newest_s + offset_s, came_s) is None:
            self._say("clock", other_clock_notice(-self._arrival.offset_s, PLACED))

    def news(self) -> list[str]:
        """Say what was found since the last time."""
        new = list(self._said.values())[self._told :]
        self._told = len(self._said)
        return new

    def _say(self, subject: str, sentence: str) -> None:
        if subject == "back":  # whose numbers grow
            self._said[subject] = sentence
        self._said.setdefault(subject, sentence)
