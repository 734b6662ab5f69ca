"""Where a stream's steps come from: made ahead of time, or on demand where what drives them comes live."""

import asyncio
import os
import sys
import threading
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from types import TracebackType
from typing import NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from spikeloop.streamer.condition import ConditionFeed
from spikeloop.streamer.source import SpikeSource

__all__ = ["Driven", "LiveCondition", "OnDemand", "Prefetcher"]

AHEAD = 2  # chunks that wait, ready or in the making
CHUNK_S = 0.1  # at least: a hand-over between threads costs more than a slice
STEP_BACK = 10  # of Linux's niceness
SHORTEST_DETOUR_S = 1e-3  # work of less than that is not worth a thread


class Driven(NamedTuple):
    """Counts, (bins, units), and the conditions, (bins, channels), that drove them."""

    counts: NDArray[np.uint8]
    conditions: NDArray[np.float32]


class LiveCondition(Protocol):
    """What drives a stream and is not known ahead of time."""

    def at(self, ends_s: NDArray[np.float64]) -> NDArray[np.float32]:
        """The conditions, (bins, channels), of the bins that end at these times, of which the last is now."""
        ...


class Prefetcher:
    """Takes from a source in a thread of its own; an async context manager.

    Parameters
    ----------
    source : only this prefetcher may take from it
    feed : what drives it; known ahead of time
    step_bins : bins of a step
    """

    def __init__(self, source: SpikeSource, feed: ConditionFeed, step_bins: int) -> None:
        self._source, self._feed = source, feed
        self._step_bins = step_bins
        least_bins = max(source.run_bins, round(CHUNK_S / source.bin_size_s))
        self._chunk_bins = step_bins * max(1, -(-least_bins // step_bins))
        self._pending: deque[Future[Driven]] = deque()
        self._chunk: Driven | None = None
        self._next = 0

    async def __aenter__(self) -> Self:
        self._worker = ThreadPoolExecutor(1, "spikeloop-prefetch", initializer=_step_back)
        self._order()
        try:
            await asyncio.wrap_future(self._pending[0])
        except BaseException:
            await self._close()
            raise
        for _ in range(1, AHEAD):
            self._order()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def step(self, stamps_s: NDArray[np.float64]) -> Driven:  # noqa: ARG002
        """The next `step_bins` bins; raises what the source raised."""
        if self._chunk is None:
            pending = self._pending.popleft()
            self._order()
            self._chunk = pending.result() if pending.done() else await asyncio.wrap_future(pending)
            self._next = 0
        bins = slice(self._next, self._next + self._step_bins)
        step = Driven(self._chunk.counts[bins], self._chunk.conditions[bins])
        self._next = bins.stop
        if self._next >= self._chunk_bins:
            self._chunk = None
        return step

    async def _close(self) -> None:
        await asyncio.to_thread(self._worker.shutdown, cancel_futures=True)

    def _order(self) -> None:
        self._pending.append(self._worker.submit(self._take))

    def _take(self) -> Driven:
        conditions = self._feed.take(self._chunk_bins)
        return Driven(self._source.take(self._chunk_bins, conditions), conditions)


def _step_back() -> None:
    """Give this thread a lower priority, where that can be done for one: it works ahead, others are due."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.getpriority(os.PRIO_PROCESS, 0) + STEP_BACK)


class OnDemand:
    """Takes from a source what is due, by the latest condition; an async context manager.

    On the event loop where that is a matter of less than a millisecond, beside it else.
    """

    def __init__(self, source: SpikeSource, condition: LiveCondition) -> None:
        self._source, self._condition = source, condition
        self._bin_s = SHORTEST_DETOUR_S  # that a bin takes, as far as is known

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        pass

    def rehearse(self) -> None:
        """Get ready, where that is quick enough for the event loop: a step is due in a moment."""
        if self._bin_s < SHORTEST_DETOUR_S:
            self._source.rehearse()

    async def step(self, stamps_s: NDArray[np.float64]) -> Driven:
        """The bins that end at these times; raises what the source raised."""
        conditions = self._condition.at(stamps_s)
        if len(stamps_s) * self._bin_s >= SHORTEST_DETOUR_S:
            return await asyncio.to_thread(self._take, conditions)
        return self._take(conditions)

    def _take(self, conditions: NDArray[np.float32]) -> Driven:
        began = time.perf_counter()
        counts = self._source.take(len(conditions), conditions)
        self._bin_s += ((time.perf_counter() - began) / len(conditions) - self._bin_s) / 8
        return Driven(counts, conditions)
