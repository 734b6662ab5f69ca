"""Time as a parameter: the wall clock for streaming, a simulated one for tests and offline sessions."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

__all__ = ["Clock", "SimulatedClock", "WallClock"]

EVENT_LOOP_GRAIN_S = 0.002  # asyncio rounds its waits up to whole milliseconds, and a core that slept wakes late


class Clock(Protocol):
    """The time in seconds, and a wait for a time to come."""

    def now(self) -> float: ...

    async def sleep_until(self, time_s: float) -> None: ...


class WallClock:
    """Real time.

    Parameters
    ----------
    now : callable
        A monotonic clock in seconds; streams over LSL have LSL's.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now

    async def sleep_until(self, time_s: float) -> None:
        """Return at `time_s` to within the system's timer slack, or at once if it has passed; always yields once.

        The event loop alone would wake a millisecond or two late, so the last stretch is slept in the thread.
        """
        await asyncio.sleep(max(0.0, time_s - self.now() - EVENT_LOOP_GRAIN_S))
        rest = time_s - self.now()
        if rest > 0:
            time.sleep(rest)


class SimulatedClock:
    """Time that passes only where somebody waits for it; one waiter at a time.

    Attributes
    ----------
    time_s : float, s
        The present; a test may move it on to simulate a stall.
    """

    def __init__(self, time_s: float = 0.0) -> None:
        self.time_s = time_s

    def now(self) -> float:
        return self.time_s

    async def sleep_until(self, time_s: float) -> None:
        await asyncio.sleep(0)
        self.time_s = max(self.time_s, time_s)
