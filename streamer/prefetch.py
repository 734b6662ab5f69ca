"""Keep spikes ready ahead of time, so that inference never holds up the event loop."""

import asyncio
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from spikeloop.streamer.source import SpikeSource

__all__ = ["Prefetcher"]

AHEAD = 2  # chunks that wait, ready or in the making
CHUNK_S = 0.1  # at least: a hand-over between threads costs more than a slice


class Prefetcher:
    """Takes from a source in a thread of its own; an async context manager.

    Parameters
    ----------
    source : only this prefetcher may take from it
    step_bins : bins of a step
    """

    def __init__(self, source: SpikeSource, step_bins: int) -> None:
        self._source = source
        self._step_bins = step_bins
        least_bins = max(source.run_bins, round(CHUNK_S / source.bin_size_s))
        self._chunk_bins = step_bins * max(1, -(-least_bins // step_bins))
        self._pending: deque[Future[NDArray[np.uint8]]] = deque()
        self._chunk: NDArray[np.uint8] = np.empty((0, len(source.unit_names)), np.uint8)

    async def __aenter__(self) -> Self:
        self._worker = ThreadPoolExecutor(1, "spikeloop-prefetch")
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

    async def step(self) -> NDArray[np.uint8]:
        """The next step, (step_bins, units); raises what the source raised."""
        if not len(self._chunk):
            pending = self._pending.popleft()
            self._order()
            self._chunk = pending.result() if pending.done() else await asyncio.wrap_future(pending)
        step, self._chunk = self._chunk[: self._step_bins], self._chunk[self._step_bins :]
        return step

    async def _close(self) -> None:
        await asyncio.to_thread(self._worker.shutdown, cancel_futures=True)

    def _order(self) -> None:
        self._pending.append(self._worker.submit(self._source.take, self._chunk_bins))
