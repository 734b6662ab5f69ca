"""Search the network for streams, and listen which of several sends."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from spikeloop.streamer.lsl.connection import Connection
from spikeloop.streamer.lsl.description import StreamDescription
from spikeloop.streamer.lsl.library import import_pylsl

if TYPE_CHECKING:
    import pylsl

__all__ = ["Listening", "Search"]

MOST_NAMESAKES = 4  # that are listened to at once


class Listening:
    """Listens to streams beside the one that is followed, to learn which of them sends.

    Parameters
    ----------
    connect : callable
        Connects to a stream; gives None where that can't be.
    """

    def __init__(self, connect: Callable[["pylsl.StreamInfo"], Connection | None]) -> None:
        self._connect = connect
        self._open: dict[str, Connection] = {}  # by uid

    def first_to_send(self, others: Sequence["pylsl.StreamInfo"]) -> Connection | None:
        """Return the connection to the first of these that sent, which is then no longer listened to."""
        for uid in set(self._open) - {info.uid() for info in others}:
            del self._open[uid]
        for info in others:
            if info.uid() not in self._open and len(self._open) < MOST_NAMESAKES:
                made = self._connect(info)
                if made is not None:
                    self._open[info.uid()] = made
        for uid, connection in self._open.items():
            if connection.inlet.samples_available():
                del self._open[uid]
                return connection
        return None

    def stop(self) -> None:
        """Listen to none of them any longer."""
        self._open.clear()


class Search:
    """A search of the network that goes on while it is kept.

    Parameters
    ----------
    forget_s : float > 0, s
        After which streams that do not answer are forgotten.
    stale_s : float > 0, s
        Of silence, after which a connection is made anew: it may be cut without LSL noticing.
    """

    def __init__(self, forget_s: float, stale_s: float) -> None:
        self.results = import_pylsl().ContinuousResolver(forget_after=forget_s).results
        self._forget_s, self._stale_s = forget_s, stale_s
        self._began_s = time.monotonic()

    def lasted_s(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._began_s

    def replacements(
        self, silent: StreamDescription, found: Sequence["pylsl.StreamInfo"], silence_s: float
    ) -> Sequence["pylsl.StreamInfo"]:
        """What may take the place of a stream that is silent: itself when stale, others when it no longer answers."""
        same = [info for info in found if info.uid() == silent.uid]
        if same:
            return same if silence_s >= self._stale_s + silent.step_s else []
        return found if self.lasted_s() >= self._forget_s else []  # before, its answer may be on the way
