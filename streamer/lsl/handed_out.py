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
        self._is_first = False  # whether the next sample is the first of a connection that was made anew
        self._repeats_s = np.empty(0)  # stamps that would be repeats if they came next, in this order

    def without_repeats(self, chunk: Chunk) -> Chunk:
        """Return a chunk without samples at its beginning that came by the connection before; note the rest."""
        if chunk.connection is not self._connection:
            self._turn_to(chunk.connection)
        if self._is_first and len(chunk.stamps_s):
            self._repeats_s, self._is_first = self._from(chunk.stamps_s[0]), False
        if len(self._repeats_s):
            chunk = self._drop_repeats(chunk)
        self._note(chunk.stamps_s)
        return chunk

    def _turn_to(self, connection: Connection) -> None:
        before, self._connection = self._connection, connection
        self._repeats_s = np.empty(0)
        self._is_first = before is not None and before.description.uid == connection.description.uid
        if not self._is_first:
            self._stamps_s.clear()
            self._number = 0

    def _from(self, stamp_s: float) -> Floats:
        """Return what was handed out from the latest sample with this stamp on; stamps may stand still."""
        latest = np.concatenate([*self._stamps_s, np.empty(0)])
        places = np.flatnonzero(latest == stamp_s)
        return latest[places[-1] :] if len(places) else latest[:0]

    def _drop_repeats(self, chunk: Chunk) -> Chunk:
        compared = min(len(chunk.stamps_s), len(self._repeats_s))
        other = np.flatnonzero(chunk.stamps_s[:compared] != self._repeats_s[:compared])
        dropped = int(other[0]) if len(other) else compared
        self._repeats_s = self._repeats_s[dropped:] if dropped == len(chunk.stamps_s) else np.empty(0)
        return chunk._replace(values=chunk.values[dropped:], stamps_s=chunk.stamps_s[dropped:])

    def _note(self, stamps_s: Floats) -> None:
        if len(stamps_s):
            self._stamps_s.append(stamps_s)
            self._number += len(stamps_s)
        while self._number > LATEST and len(self._stamps_s) > 1:
            self._number -= len(self._stamps_s.popleft())
