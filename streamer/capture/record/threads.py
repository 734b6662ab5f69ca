"""Threads for what may wait for long inside LSL, which aborts a process that ends while one is in it."""

import atexit
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Self, TypeVar

from spikeloop.models.errors import SpikeloopError
from spikeloop.models.interrupts import hold_interrupts

__all__ = ["Threads"]

LEAVING_S, ENDING_S = 2.0, 15.0  # to wait at most for threads when the context, and when the process ends
T = TypeVar("T")


class Threads:
    """Runs calls in threads of their own, which end soon after leaving the context, and before the process."""

    def __init__(self) -> None:
        self._running: list[threading.Thread] = []

    def __enter__(self) -> Self:
        atexit.register(self._wait, ENDING_S)
        return self

    def __exit__(self, *error: object) -> None:
        with hold_interrupts():
            self._wait(LEAVING_S)
        if not self._running:
            atexit.unregister(self._wait)

    def start(self, work: Callable[..., T], *arguments: object) -> "Future[T]":
        """Start a call; return what will have its result, or its error."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(work(*arguments))
            except (RuntimeError, SpikeloopError) as error:  # without what it was raised in, such as an open inlet
                future.set_exception(error.with_traceback(None))
            except BaseException as error:  # handed to who asks
                future.set_exception(error)

        self._running = [thread for thread in self._running if thread.is_alive()]
        self._running.append(threading.Thread(target=run, name="spikeloop-record", daemon=True))
        self._running[-1].start()
        return future

    def _wait(self, at_most_s: float) -> None:
        end_s = time.monotonic() + at_most_s
        for thread in self._running:
            thread.join(max(0.0, end_s - time.monotonic()))
        self._running = [thread for thread in self._running if thread.is_alive()]
