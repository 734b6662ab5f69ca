"""Counts that one thread pulled from a stream, for a monitor in another thread that pulls them once more."""

import threading
from collections import deque
from dataclasses import replace

from spikeloop.streamer.lsl.description import StreamDescription
from spikeloop.streamer.lsl.segments import Segment
from spikeloop.streamer.lsl.spikes import Reception

__all__ = ["SharedSpikes"]

MOST_SEGMENTS = 1000


class SharedSpikes:
    """Counts that wait for a monitor; of too many, the oldest are dropped.

    Attributes
    ----------
    description : StreamDescription or None
        Of the stream, as of `LslSpikes`.
    dropped_bins : int
        Bins that the monitor was too slow for.
    """

    def __init__(self) -> None:
        self.description: StreamDescription | None = None
        self.dropped_bins = 0
        self._reception = Reception("absent")
        self._waiting: deque[Segment] = deque()
        self._lock = threading.Lock()

    def offer(self, segments: tuple[Segment, ...], description: StreamDescription | None, reception: Reception) -> None:
        """Keep segments until they are pulled, and the latest of what is known of their stream."""
        with self._lock:
            self.description, self._reception = description, reception
            self._waiting.extend(segments)
            if len(self._waiting) <= MOST_SEGMENTS:
                return
            while len(self._waiting) > MOST_SEGMENTS:
                self.dropped_bins += len(self._waiting.popleft().counts)
            self._waiting[0] = replace(self._waiting[0], follows=False)

    def pull(self) -> tuple[Segment, ...]:
        """Return what was offered since."""
        with self._lock:
            arrived = tuple(self._waiting)
            self._waiting.clear()
        return arrived

    def report(self) -> Reception:
        """Return the latest figures, as of `LslSpikes`."""
        return self._reception
