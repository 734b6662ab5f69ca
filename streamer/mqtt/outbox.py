"""What waits for the broker: a bounded queue that drops the oldest and counts it."""

import threading
from collections import deque
from typing import NamedTuple

__all__ = ["Outbox", "Outgoing"]


class Outgoing(NamedTuple):
    """A message on its way; `topic` is the last level."""

    topic: str
    payload: bytes


class Outbox:
    """Filled from any thread, emptied by one.

    Parameters
    ----------
    most_messages, most_bytes : int >= 1; that wait at a time

    Attributes
    ----------
    dropped : messages that gave way to later ones
    """

    def __init__(self, most_messages: int, most_bytes: int) -> None:
        self._most_messages, self._most_bytes = most_messages, most_bytes
        self._waiting: deque[Outgoing] = deque()
        self._bytes = self.dropped = 0
        self._lock = threading.Lock()  # held for less than a microsecond

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, message: Outgoing) -> None:
        """Add the latest."""
        with self._lock:
            self._waiting.append(message)
            self._bytes += len(message.payload)
            self._drop_what_is_too_much()

    def take(self) -> Outgoing | None:
        """The oldest, which is no longer in the queue; None where nothing waits."""
        with self._lock:
            if not self._waiting:
                return None
            message = self._waiting.popleft()
            self._bytes -= len(message.payload)
            return message

    def put_back(self, message: Outgoing) -> None:
        """The one taken last could not be sent: it is the oldest again."""
        with self._lock:
            self._waiting.appendleft(message)
            self._bytes += len(message.payload)
            self._drop_what_is_too_much()

    def drop_all(self) -> None:
        """Nothing more will be sent."""
        with self._lock:
            self.dropped += len(self._waiting)
            self._waiting.clear()
            self._bytes = 0

    def _drop_what_is_too_much(self) -> None:
        while len(self._waiting) > self._most_messages or self._bytes > self._most_bytes:
            self._bytes -= len(self._waiting.popleft().payload)
            self.dropped += 1
