"""What a decoder's process started, wherever it went: found by a mark in its environment, and ended.

A process that left the group and the session of the one that started it is found nowhere else. It keeps its environment
unless it was started with another one; it can be read on Linux only.
"""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

__all__ = ["end_marked", "mark_variable"]

PROCESSES = Path("/proc")
ROUNDS, PAUSE_S = 200, 0.005  # of looking for those that were started meanwhile, and of waiting until all have ended


def mark_variable(mark: str) -> str:
    """Return the name of the variable by which a process is marked; one that has several marks has several of them."""
    return f"SPIKELOOP_DECODER_{mark}"


def end_marked(mark: str) -> None:
    """Kill every process with a mark but this one; where environments can't be read, none.

    Parameters
    ----------
    mark : str
        Letters and digits.
    """
    for _ in range(ROUNDS):
        found = [process for process in _marked(mark) if process != os.getpid()]
        if not found:
            return
        for process in found:
            with suppress(OSError):
                os.kill(process, signal.SIGKILL)
        time.sleep(PAUSE_S)


def _marked(mark: str) -> Iterator[int]:
    variable = f"{mark_variable(mark)}=".encode()
    if not PROCESSES.is_dir():
        return
    for folder in PROCESSES.iterdir():
        if folder.name.isdecimal():
            with suppress(OSError):  # of one that has ended, or is another user's
                if variable in (folder / "environ").read_bytes():
                    yield int(folder.name)
