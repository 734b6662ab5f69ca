"""Which bin of a stream a segment begins with: by the stream's own start where that is known, else counted."""

import socket

from spikeloop.streamer.lsl.description import StreamDescription
from spikeloop.streamer.lsl.segments import Segment

__all__ = ["BinNumbers"]


class BinNumbers:
    """Numbers the bins of one run of a stream.

    A spikeloop stream of this machine has its own numbers, from 0 at its start, and anything else is counted from 0 at
    the first bin that came. Bins that were lost have numbers too.

    Parameters
    ----------
    description : StreamDescription
    """

    def __init__(self, description: StreamDescription) -> None:
        self._bin_size_s = description.bin_size_s
        same_clock = description.hostname == socket.gethostname()
        self._start_s = description.start_s if same_clock else None
        self._next, self._next_end_s = 0, float("nan")
        self._begun = False

    def first_of(self, segment: Segment) -> int:
        """Return the number of a segment's first bin; segments come in order."""
        end_s = float(segment.ends_s[0])
        if not self._begun:
            first = 0 if self._start_s is None else self._bin_at(end_s - self._start_s) - 1
        elif segment.follows:
            first = self._next
        else:
            first = self._next + self._bin_at(end_s - self._next_end_s)
        first = max(first, self._next)
        self._begun, self._next = True, first + len(segment.counts)
        self._next_end_s = float(segment.ends_s[-1]) + self._bin_size_s
        return first

    def ending_at(self, end_s: float) -> int | None:
        """Return the number of the bin that ends at this time; None before the first segment."""
        return self._next + self._bin_at(end_s - self._next_end_s) if self._begun else None

    def bin_of(self, time_s: float) -> float | None:
        """Return the bin that a time lies in, with the part of it that has passed; None before the first segment."""
        return self._next + 1 + (time_s - self._next_end_s) / self._bin_size_s if self._begun else None

    def _bin_at(self, since_s: float) -> int:
        return round(since_s / self._bin_size_s)
