"""Hold Ctrl-C back over what must not be left half-done: a library's loading, a training step, a replacement."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["hold_interrupts"]


@contextmanager
def hold_interrupts() -> Iterator[None]:
    """Inside, SIGINT and SIGTERM wait; on leaving, one that came is raised as KeyboardInterrupt.

    It takes the place of an error that was raised meanwhile: some libraries, interrupted while they load, raise
    one of their own.
    """
    if threading.current_thread() is not threading.main_thread():  # where no signal arrives anyway
        yield
        return
    came: list[int] = []
    handlers = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    held = {each: handler for each, handler in handlers.items() if callable(handler)}
    for each in held:
        signal.signal(each, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        for each, handler in held.items():
            signal.signal(each, handler)
        if came:
            raise KeyboardInterrupt
