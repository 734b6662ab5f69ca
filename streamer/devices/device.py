"""What a virtual device is, apart from its wire: messages come in, messages go out."""

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
    topic : below spikeloop/NAME/
    document : goes out as JSON
    """

    topic: str
    document: dict[str, Any]


class Device(Protocol):
    """What reacts to messages, and may act by itself; without a wire, so that a test can hand it messages.

    Attributes
    ----------
    topics : that it listens to, below spikeloop/NAME/
    tick_s : how often it acts by itself; None for never
    """

    @property
    def topics(self) -> tuple[str, ...]: ...

    @property
    def tick_s(self) -> float | None: ...

    def receive(self, topic: str, payload: bytes, now_s: float) -> Sequence[Outgoing]:
        """What it answers to a message, at once; `now_s` is any monotonic clock's."""
        ...

    def tick(self, now_s: float) -> Sequence[Outgoing]:
        """What it sends by itself."""
        ...

    def report(self) -> dict[str, Any]:
        """Its figures so far, fit for JSON."""
        ...


def document_of(payload: bytes) -> dict[str, Any] | None:
    """A message's JSON object; None where it is none."""
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def number_pair(value: object) -> tuple[float, float] | None:
    """Two numbers, as JSON has them; None for anything else, and for what is absurdly large or not finite."""
    match value:
        case [int() | float() as x, int() | float() as y] if abs(x) <= LARGEST and abs(y) <= LARGEST:
            return float(x), float(y)
    return None
