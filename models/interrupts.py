"""Hold Ctrl-C back while something must not be left half-done: an import, a training step, a replacement of files."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["hold_interrupts"]


@contextmanager
def hold_interrupts() -> Iterator[None]:
    """Hold SIGINT and SIGTERM back inside the block; raise KeyboardInterrupt at its end if one arrived.

    KeyboardInterrupt replaces an error that was raised meanwhile: some libraries that are interrupted while they are
    imported raise one of their own.
    """
    if threading.current_thread() is not threading.main_thread():  # where no signal arrives anyway
        yield
        return
    arrived: list[int] = []
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    held = {number: handler for number, handler in handlers.items() if callable(handler)}
    for number in held:
        signal.signal(number, lambda number, frame: arrived.append(number))
    try:
        yield
    finally:
        for number, handler in held.items():
            signal.signal(number, handler)
        if arrived:
            raise KeyboardInterrupt
