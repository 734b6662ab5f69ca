"""Hold Ctrl-C back while native libraries load: some turn it into an error of their own, or half-load."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["hold_interrupts"]


@contextmanager
def hold_interrupts() -> Iterator[None]:
    """Inside, SIGINT and SIGTERM wait; on leaving, one that came is raised as KeyboardInterrupt."""
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
