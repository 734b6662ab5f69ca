"""A virtual device apart from its connection: messages come in, messages go out."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["Device", "Outgoing", "document_of", "number_pair"]

LARGEST = 1e6


@dataclass(frozen=True)
class Outgoing:
    """A message to send.

    Attributes
    ----------
    topic : str
        Below spikeloop/NAME/.
    document : dict
        Sent as JSON.
    """

    topic: str
    document: dict[str, Any]


class Device(Protocol):
    """What reacts to messages, and may act by itself; without a connection, so that a test can hand it messages.

    Attributes
    ----------
    topics : tuple of str
        That it listens to, below spikeloop/NAME/.
    tick_s : float or None, s
        Interval at which it acts by itself; None for never.
    """

    @property
    def topics(self) -> tuple[str, ...]: ...

    @property
    def tick_s(self) -> float | None: ...

    def receive(self, topic: str, payload: bytes, now_s: float) -> Sequence[Outgoing]:
        """Answer a message at once; `now_s` is the time of any monotonic clock."""
        ...

    def tick(self, now_s: float) -> Sequence[Outgoing]:
        """Act by itself; returns what to send."""
        ...

    def report(self) -> dict[str, Any]:
        """Report its figures so far, fit for JSON."""
        ...


def document_of(payload: bytes) -> dict[str, Any] | None:
    """Parse a message's JSON object; None where it is none."""
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def number_pair(value: object) -> tuple[float, float] | None:
    """Check that a JSON value is two numbers; None for anything else, and for what is not finite or above 1e6."""
    match value:
        case [int() | float() as x, int() | float() as y] if abs(x) <= LARGEST and abs(y) <= LARGEST:
            return float(x), float(y)
    return None
