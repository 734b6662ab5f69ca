"""Where a stream's steps come from: made ahead of time, or on demand where what drives them comes live."""

import asyncio
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from spikeloop.streamer.conditions.drive import Drive
from spikeloop.streamer.stream.priority import step_back
from spikeloop.streamer.stream.source import SpikeSource
from spikeloop.streamer.stream.step import bin_end_s

__all__ = ["Driven", "OnDemand", "Prefetcher"]

AHEAD = 2  # chunks that wait, ready or in the making
CHUNK_S = 0.1  # at least: a hand-over between threads costs more than a slice
SHORTEST_DETOUR_S = 1e-3  # work of less than that is not worth a thread


class Driven(NamedTuple):
    """Counts, (bins, units), and the conditions, (bins, channels), that drove them."""

    counts: NDArray[np.uint8]
    conditions: NDArray[np.float32]


class Prefetcher:
    """Generates steps ahead of time in a thread of its own; an async context manager.

    Parameters
    ----------
    source : SpikeSource
        Only this prefetcher may ask it for bins.
    drive : Drive
        Drives the source; known ahead of time.
    step_bins : int >= 1
        Bins of a step.
    start_s : float, s
        When bin 0 begins.
    """

    def __init__(self, source: SpikeSource, drive: Drive, step_bins: int, start_s: float = 0.0) -> None:
        self._source, self._drive = source, drive
        self._step_bins, self._start_s, self._first_bin = step_bins, start_s, 0
        least_bins = max(source.run_bins, round(CHUNK_S / source.bin_size_s))
        self._chunk_bins = step_bins * max(1, -(-least_bins // step_bins))
        self._pending: deque[Future[Driven]] = deque()
        self._chunk: Driven | None = None
        self._next = 0

    async def __aenter__(self) -> Self:
        self._worker = ThreadPoolExecutor(1, "spikeloop-prefetch", initializer=step_back)
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
        """Return the next `step_bins` bins; raises what the source raised."""
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
        self._pending.append(self._worker.submit(self._generate))

    def _generate(self) -> Driven:
        bins = np.arange(self._first_bin, self._first_bin + self._chunk_bins)
        self._first_bin += self._chunk_bins
        conditions = self._drive.at(bin_end_s(self._start_s, self._source.bin_size_s, bins))
        return Driven(self._source.next(self._chunk_bins, conditions), conditions)


class OnDemand:
    """Generates a step when it is due, driven by the latest condition; an async context manager.

    Work of less than a millisecond is done on the event loop, longer work in a thread.
    """

    def __init__(self, source: SpikeSource, drive: Drive) -> None:
        self._source, self._drive = source, drive
        self._bin_s = SHORTEST_DETOUR_S  # running mean of what a bin costs

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        pass

    def warm_up(self) -> None:
        """Prepare for a step that is due in a moment, where that is quick enough for the event loop."""
        if self._bin_s < SHORTEST_DETOUR_S:
            self._source.warm_up()

    async def step(self, stamps_s: NDArray[np.float64]) -> Driven:
        """Return the bins that end at these times; raises what the source raised."""
        conditions = self._drive.at(stamps_s)
        if len(stamps_s) * self._bin_s >= SHORTEST_DETOUR_S:
            return await asyncio.to_thread(self._generate, conditions)
        return self._generate(conditions)

    def _generate(self, conditions: NDArray[np.float32]) -> Driven:
        began = time.perf_counter()
        counts = self._source.next(len(conditions), conditions)
        self._bin_s += ((time.perf_counter() - began) / len(conditions) - self._bin_s) / 8
        return Driven(counts, conditions)
