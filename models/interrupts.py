"""Ctrl-C, and what ends a program like it; held back while something must not be left half-done."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = [
    "ENDING",
    "exit_when_interrupted",
    "heard_by",
    "hold_interrupts",
    "interrupt_at_any_end",
    "interrupted_within",
]

NAMES = ("SIGTERM", "SIGHUP")  # a polite kill; a terminal that was closed
ENDING = tuple(getattr(signal, name) for name in NAMES if hasattr(signal, name))  # Windows lacks the latter
LISTENER: list[threading.Thread] = []  # the one that hears of signals, once there is one
HEARERS: list[Callable[[], None]] = []  # that it calls
ARRIVED = threading.Condition()
COUNT = [0]  # signals that arrived
SEEN = threading.local()  # how many of them a thread knows of


def interrupt_at_any_end() -> None:
    """Let the signals of `ENDING` do what Ctrl-C does when they arrive; but not one that nohup has ignored.

    That is to raise KeyboardInterrupt at once, or, where asyncio runs, to cancel its main task between two callbacks.
    From then on `heard_by` and `interrupted_within` hear of them, too.
    """
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _as_ctrl_c)
    _listen()


def _listen() -> None:
    """Have a thread read the number of each signal from a socket as it arrives, whatever the main one is busy with."""
    if LISTENER or threading.current_thread() is not threading.main_thread():
        return
    from socket import socketpair  # late: until this file is imported, nothing handles Ctrl-C

    read, written = socketpair()
    written.setblocking(False)
    before = signal.set_wakeup_fd(written.fileno(), warn_on_full_buffer=False)
    if before == -1:
        LISTENER.append(threading.Thread(target=_hear, args=[read.recv, written], name="signals", daemon=True))
        LISTENER[0].start()
    else:  # somebody else's, such as an event loop's
        signal.set_wakeup_fd(before)


def _hear(receive: Callable[[int], bytes], written: object) -> None:  # noqa: ARG001  (which lives as long as the thread)
    while numbers := receive(4096):
        if any(number in (signal.SIGINT, *ENDING) for number in numbers):
            with ARRIVED:
                COUNT[0] += 1
                ARRIVED.notify_all()
            for hear in HEARERS:
                hear()


@contextmanager
def heard_by(hear: Callable[[], None]) -> Iterator[None]:
    """Have a function called, in a thread of its own, as soon as SIGINT or one of `ENDING` arrives inside the block.

    Compiled code that keeps the main thread busy also keeps its handlers from being called; this is called all the
    same, once `interrupt_at_any_end` was.
    """
    HEARERS.append(hear)
    try:
        yield
    finally:
        HEARERS.remove(hear)


def interrupted_within(seconds: float) -> bool:
    """Wait in a thread beside the main one for SIGINT or those of `ENDING`; at most so long.

    Parameters
    ----------
    seconds : float > 0, s

    Returns
    -------
    bool
        Whether one arrived since this thread waited before.
    """
    with ARRIVED:
        before = getattr(SEEN, "count", COUNT[0])
        ARRIVED.wait_for(lambda: COUNT[0] > before, seconds)
        SEEN.count = COUNT[0]
        return COUNT[0] > before


@contextmanager
def hold_interrupts() -> Iterator[list[int]]:
    """Hold SIGINT and those of `ENDING` back inside the block; raise KeyboardInterrupt at its end if one arrived.

    KeyboardInterrupt replaces an error that was raised meanwhile: some libraries that are interrupted while they are
    imported raise one of their own.

    Yields
    ------
    list of int
        The numbers of those that have arrived so far.
    """
    arrived: list[int] = []
    try:
        with _handled_by(lambda number, frame: arrived.append(number)):
            yield arrived
    finally:
        if arrived:
            raise KeyboardInterrupt


@contextmanager
def exit_when_interrupted(code: int) -> Iterator[None]:
    """End the process at once, without cleaning up, where SIGINT or one of `ENDING` arrives inside the block.

    For the import of libraries before anything is open: many seconds on a busy machine, in which some of them would
    raise an error of their own.
    """
    with _handled_by(lambda number, frame: os._exit(code)):
        yield


@contextmanager
def _handled_by(handle: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Have SIGINT and those of `ENDING`, but ignored ones, handled by a function inside the block."""
    if threading.current_thread() is not threading.main_thread():  # where no signal arrives anyway
        yield
        return
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, *ENDING)}
    held = {number: handler for number, handler in handlers.items() if callable(handler)}
    for number in held:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in held.items():
            signal.signal(number, handler)


def _as_ctrl_c(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler):  # a background shell has its children ignore Ctrl-C
        handler = signal.default_int_handler
    handler(signal.SIGINT, frame)
