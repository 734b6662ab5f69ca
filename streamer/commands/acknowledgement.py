"""A line on stderr soon after Ctrl-C, where the command has not ended by then: it was heard, and ends."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from spikeloop.models.interrupts import heard_by

__all__ = ["acknowledged"]

SOON_S = 0.3  # after which most commands have ended
WORDS = "\nspikeloop: interrupted; ending what is under way\n"


@contextmanager
def acknowledged() -> Iterator[None]:
    """Acknowledge the first Ctrl-C, or signal like it, that does not end the block soon."""
    heard = threading.Event()
    ended = threading.Event()

    def acknowledge() -> None:
        if not heard.is_set():
            heard.set()
            threading.Thread(target=_say_unless, args=[ended], name="acknowledgement", daemon=True).start()

    with heard_by(acknowledge):
        try:
            yield
        finally:
            ended.set()


def _say_unless(ended: threading.Event) -> None:
    if not ended.wait(SOON_S):
        with suppress(OSError, ValueError):  # a terminal that was closed, or a stderr that was
            os.write(sys.stderr.fileno(), WORDS.encode())  # past a lock that the main thread may hold
