"""Ctrl-C, and what ends a program like it; held back while something must not be left half-done."""

import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["ENDING", "hold_interrupts", "interrupt_at_any_end", "interrupted_within"]

NAMES = ("SIGTERM", "SIGHUP")  # a polite kill; a terminal that was closed
ENDING = tuple(getattr(signal, name) for name in NAMES if hasattr(signal, name))  # Windows lacks the latter
ARRIVALS: list[socket.socket] = []  # the end to read from, and the one that the number of each signal is written to


def interrupt_at_any_end() -> None:
    """Let the signals of `ENDING` do what Ctrl-C does when they arrive; but not one that nohup has ignored.

    That is to raise KeyboardInterrupt at once, or, where asyncio runs, to cancel its main task between two callbacks.
    From then on `interrupted_within` hears of them, too.
    """
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _as_ctrl_c)
    _note_arrivals()


def _note_arrivals() -> None:
    """Have the number of each signal written to a socket as it arrives, whatever the main thread is busy with."""
    if ARRIVALS or threading.current_thread() is not threading.main_thread():
        return
    read, written = socket.socketpair()
    written.setblocking(False)
    before = signal.set_wakeup_fd(written.fileno(), warn_on_full_buffer=False)
    if before == -1:
        ARRIVALS.extend((read, written))
    else:  # somebody else's, such as an event loop's
        signal.set_wakeup_fd(before)


def interrupted_within(seconds: float) -> bool:
    """Wait in a thread beside the main one for SIGINT or those of `ENDING`; at most so long.

    Compiled code that keeps the main thread busy also keeps its handlers from being called; this hears of a signal all
    the same, once `interrupt_at_any_end` was called. For one thread alone.

    Parameters
    ----------
    seconds : float > 0, s

    Returns
    -------
    bool
        Whether one arrived.
    """
    if not ARRIVALS:
        time.sleep(seconds)
        return False
    ARRIVALS[0].settimeout(seconds)
    try:
        numbers = ARRIVALS[0].recv(4096)
    except OSError:  # none in time
        return False
    return any(number in (signal.SIGINT, *ENDING) for number in numbers)


@contextmanager
def hold_interrupts() -> Iterator[None]:
    """Hold SIGINT and those of `ENDING` back inside the block; raise KeyboardInterrupt at its end if one arrived.

    KeyboardInterrupt replaces an error that was raised meanwhile: some libraries that are interrupted while they are
    imported raise one of their own.
    """
    if threading.current_thread() is not threading.main_thread():  # where no signal arrives anyway
        yield
        return
    arrived: list[int] = []
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, *ENDING)}
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


def _as_ctrl_c(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler):  # a background shell has its children ignore Ctrl-C
        handler = signal.default_int_handler
    handler(signal.SIGINT, frame)
