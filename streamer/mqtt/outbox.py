"""A bounded queue of messages that wait for the broker, which drops the oldest and counts them."""

import threading
from collections import deque
from typing import NamedTuple

__all__ = ["Outbox", "Outgoing"]


class Outgoing(NamedTuple):
    """A message to send; `topic` is the last level."""

    topic: str
    payload: bytes


class Outbox:
    """Filled from any thread, emptied by one.

    Parameters
    ----------
    most_messages, most_bytes : int >= 1
        That wait at a time.

    Attributes
    ----------
    dropped : int
        Messages that gave way to later ones.
    """

    def __init__(self, most_messages: int, most_bytes: int) -> None:
        self._most_messages, self._most_bytes = most_messages, most_bytes
        self._waiting: deque[Outgoing] = deque()
        self._bytes = self.dropped = 0
        self._lock = threading.Lock()  # held for less than a microsecond

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, message: Outgoing) -> None:
        """Append a message."""
        with self._lock:
            self._waiting.append(message)
            self._bytes += len(message.payload)
            self._drop_excess()

    def next(self) -> Outgoing | None:
        """Remove and return the oldest message; None where nothing waits."""
        with self._lock:
            if not self._waiting:
                return None
            message = self._waiting.popleft()
            self._bytes -= len(message.payload)
            return message

    def put_back(self, message: Outgoing) -> None:
        """Put back the message that `next` returned last and that could not be sent."""
        with self._lock:
            self._waiting.appendleft(message)
            self._bytes += len(message.payload)
            self._drop_excess()

    def drop_all(self) -> None:
        """Drop all that waits, as nothing more will be sent."""
        with self._lock:
            self.dropped += len(self._waiting)
            self._waiting.clear()
            self._bytes = 0

    def _drop_excess(self) -> None:
        while len(self._waiting) > self._most_messages or self._bytes > self._most_bytes:
            self._bytes -= len(self._waiting.popleft().payload)
            self.dropped += 1
