"""The priority of a thread that works ahead or beside, while others are due."""

import os
import sys
import threading
from contextlib import suppress

__all__ = ["step_back"]

STEP_BACK = 10  # of Linux's niceness


def step_back() -> None:
    """Give this thread, and those that it starts, a lower priority, where that can be done for one thread."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.getpriority(os.PRIO_PROCESS, 0) + STEP_BACK)
