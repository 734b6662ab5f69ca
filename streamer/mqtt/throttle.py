"""An event loop that limits how many packets a second it reads, so that a flood waits at its sender."""

import asyncio
from collections.abc import Callable
from typing import Any

__all__ = ["ThrottledLoop"]

RATE_HZ = 2000.0  # of reads in the long run; with what follows from each they take a sixth of a core
BURST = 200  # reads at once after a quiet while
PAUSE_S = 0.01  # in which nothing is read; then the sender's TCP window fills


class ThrottledLoop(asyncio.SelectorEventLoop):
    """Pauses the readers that are added to it when they read too often; writers and timers go on.

    aiomqtt reads one packet at a time, whenever its socket is ready, and can't be asked to wait.
    """

    def __init__(self) -> None:
        super().__init__()
        self._allowed, self._filled_s = float(BURST), self.time()
        self._paused: dict[int, asyncio.TimerHandle] = {}

    def add_reader(self, fd: Any, callback: Callable[..., Any], *args: Any) -> None:
        """As of any event loop; `fd` is an int."""
        super().add_reader(fd, self._read, fd, callback, args)

    def remove_reader(self, fd: Any) -> bool:
        """As of any event loop; `fd` is an int."""
        paused = self._paused.pop(fd, None)
        if paused is not None:
            paused.cancel()
        return super().remove_reader(fd) or paused is not None

    def _read(self, fd: int, callback: Callable[..., Any], args: tuple[Any, ...]) -> None:
        now_s = self.time()
        self._allowed = min(BURST, self._allowed + (now_s - self._filled_s) * RATE_HZ)
        self._filled_s = now_s
        if self._allowed >= 1:
            self._allowed -= 1
            callback(*args)
        else:
            super().remove_reader(fd)
            self._paused[fd] = self.call_later(PAUSE_S, self._resume, fd, callback, args)

    def _resume(self, fd: int, callback: Callable[..., Any], args: tuple[Any, ...]) -> None:
        del self._paused[fd]
        self.add_reader(fd, callback, *args)
