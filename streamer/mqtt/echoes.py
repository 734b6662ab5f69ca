"""Measure round trips: from a step that goes out to a device's echo of it."""

from collections.abc import Callable

from spikeloop.streamer.stream.health import Durations

__all__ = ["Echoes"]

AWAITED = 4096  # of the latest messages


class Echoes:
    """Measures how long echoes take; messages are noted on one thread, and echoes on another.

    Parameters
    ----------
    now : callable
        Returns seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._sent_s = [0.0] * AWAITED
        self._sent = 0
        self._durations = Durations()

    def sent(self, sequence: int) -> None:
        """Note that the message of this sequence, the next one, goes out."""
        self._sent_s[sequence % AWAITED] = self._now()
        self._sent = sequence + 1

    def echoed(self, sequence: int) -> str | None:
        """Note a device's answer; returns why it is no echo, or None."""
        behind = (self._sent - sequence) & 0xFFFFFFFF  # as sequences travel
        if not 1 <= behind <= AWAITED:
            return f"expected the sequence of one of the last {AWAITED} messages, found {sequence}"
        self._durations.add(self._now() - self._sent_s[sequence % AWAITED])
        return None

    def quantiles_ms(self) -> dict[str, float] | None:
        """Compute p50 and p99 of all so far; None before the first."""
        if not self._durations.longest_s:
            return None
        return {name: self._durations.quantile_s(q) * 1e3 for name, q in (("p50", 0.5), ("p99", 0.99))}
