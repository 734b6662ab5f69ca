"""Where a stream's steps come from: made ahead of time, or on demand where what drives them comes live."""

import asyncio
import math
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from spikeloop.streamer.conditions.drive import Drive
from spikeloop.streamer.stream.priority import step_back
from spikeloop.streamer.stream.source import SpikeSource
from spikeloop.streamer.stream.step import Step, beginning
from spikeloop.streamer.stream.timeline import Timeline

__all__ = ["OnDemand", "Prefetcher"]

AHEAD, AHEAD_S = 2, 0.2  # chunks, and their duration, that wait at least, ready or in the making
CHUNK_S = 0.4  # a thread that wakes up finds its caches cold, so that it does much at a time
CHUNK_VALUES = 2**18  # of many units fewer bins: fresh memory costs more than waking up
SHORTEST_DETOUR_S = 1e-3  # work of less than that is not worth a thread


class Prefetcher:
    """Generates steps ahead of time in a thread of its own; an async context manager.

    Parameters
    ----------
    source : SpikeSource
        Only this prefetcher may ask it for bins.
    drive : Drive
        Drives the source; known ahead of time.
    timeline : Timeline
    step_bins : int >= 1
        Bins of a step.
    """

    def __init__(self, source: SpikeSource, drive: Drive, timeline: Timeline, step_bins: int) -> None:
        self._source, self._drive, self._timeline = source, drive, timeline
        self._step_bins, self._first_bin = step_bins, 0
        wanted_bins = min(round(CHUNK_S / source.bin_size_s), CHUNK_VALUES // len(source.unit_names))
        self._chunk_bins = step_bins * max(1, -(-max(source.run_bins, wanted_bins) // step_bins))
        self._ahead = max(AHEAD, math.ceil(AHEAD_S / (self._chunk_bins * source.bin_size_s)))
        self._pending: deque[Future[list[Step]]] = deque()
        self._ready: deque[Step] = deque()

    async def __aenter__(self) -> Self:
        self._worker = ThreadPoolExecutor(1, "spikeloop-prefetch", initializer=step_back)
        self._order()
        try:
            await asyncio.wrap_future(self._pending[0])
        except BaseException:
            await self._close()
            raise
        for _ in range(1, self._ahead):
            self._order()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def step(self, first_bin: int, bins: int) -> Step:  # noqa: ARG002
        """Return the next step, of which at most so many bins are wanted; raises what the source raised."""
        if not self._ready:
            pending = self._pending.popleft()
            self._order()
            self._ready.extend(pending.result() if pending.done() else await asyncio.wrap_future(pending))
        return beginning(self._ready.popleft(), bins)

    async def _close(self) -> None:
        await asyncio.to_thread(self._worker.shutdown, cancel_futures=True)

    def _order(self) -> None:
        self._pending.append(self._worker.submit(self._generate))

    def _generate(self) -> list[Step]:
        first_bin, bins = self._first_bin, self._chunk_bins
        self._first_bin += bins
        conditions = self._drive.at(self._timeline.ends_s(first_bin, bins))
        return self._timeline.steps(first_bin, self._source.next(bins, conditions), conditions, self._step_bins)


class OnDemand:
    """Generates a step when it is due, driven by the latest condition; an async context manager.

    Work of less than a millisecond is done on the event loop, longer work in a thread.
    """

    def __init__(self, source: SpikeSource, drive: Drive, timeline: Timeline) -> None:
        self._source, self._drive, self._timeline = source, drive, timeline
        self._bin_s = SHORTEST_DETOUR_S  # running mean of what a bin costs

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        pass

    def warm_up(self) -> None:
        """Prepare for a step that is due in a moment, where that is quick enough for the event loop."""
        if self._bin_s < SHORTEST_DETOUR_S:
            self._source.warm_up()

    async def step(self, first_bin: int, bins: int) -> Step:
        """Return a step of the next bins, from this one on; raises what the source raised."""
        conditions = self._drive.at(self._timeline.ends_s(first_bin, bins))
        if bins * self._bin_s >= SHORTEST_DETOUR_S:
            return await asyncio.to_thread(self._generate, first_bin, conditions)
        return self._generate(first_bin, conditions)

    def _generate(self, first_bin: int, conditions: NDArray[np.float32]) -> Step:
        began = time.perf_counter()
        counts = self._source.next(len(conditions), conditions)
        self._bin_s += ((time.perf_counter() - began) / len(conditions) - self._bin_s) / 8
        return self._timeline.step(first_bin, counts, conditions)
