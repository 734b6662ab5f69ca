"""What a stream's connections have handed out, so that no sample comes twice where one is made anew."""

from collections import deque

import numpy as np

from spikeloop.models.arrays import Floats
from spikeloop.streamer.lsl.connection import Chunk, Connection

__all__ = ["HandedOut"]

LATEST = 2**15  # samples that can come again: half a minute at 1 kHz


class HandedOut:
    """The latest stamps of a run of a stream.

    While a connection is made anew, the old one may still bring what was on its way, and the new one brings some of
    it again, with the same stamps to the bit.
    """

    def __init__(self) -> None:
        self._stamps_s: deque[Floats] = deque()
        self._number = 0
        self._connection: Connection | None = None
        self._may_repeat = False

    def without_repeats(self, chunk: Chunk) -> Chunk:
        """Return a chunk without samples at its beginning that came by the connection before; note the rest."""
        if chunk.connection is not self._connection:
            self._turn_to(chunk.connection)
        if self._may_repeat and len(chunk.stamps_s):
            known = np.isin(chunk.stamps_s, np.concatenate([*self._stamps_s, np.empty(0)]))
            first = int(np.argmin(known)) if not known.all() else len(known)
            self._may_repeat = first == len(known)
            chunk = chunk._replace(values=chunk.values[first:], stamps_s=chunk.stamps_s[first:])
        self._note(chunk.stamps_s)
        return chunk

    def _turn_to(self, connection: Connection) -> None:
        before, self._connection = self._connection, connection
        self._may_repeat = before is not None and before.description.uid == connection.description.uid
        if not self._may_repeat:
            self._stamps_s.clear()
            self._number = 0

    def _note(self, stamps_s: Floats) -> None:
        if len(stamps_s):
            self._stamps_s.append(stamps_s)
            self._number += len(stamps_s)
        while self._number > LATEST and len(self._stamps_s) > 1:
            self._number -= len(self._stamps_s.popleft())
