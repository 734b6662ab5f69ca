"""What a decoder's process prints: the beginning is passed on, the end is kept, and a flood is stopped."""

import re
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import IO

__all__ = ["ProcessOutput"]

PASSED_ON, KEPT = 1 << 16, 1 << 13  # bytes
CHUNK = 1 << 16
FRAME = re.compile(r'File "(?P<file>[^"\n]*)", line (?P<line>\d+) in (?P<function>\S+)')


class ProcessOutput:
    """Reads what a process prints until it ends, in a thread of its own.

    Parameters
    ----------
    name : str
        The decoder's.
    printed : binary file
        The reading end of the pipe.
    most : float
        Bytes in all, after which `on_flood` is called once.
    on_flood : callable

    Attributes
    ----------
    flooded : bool
    """

    def __init__(self, name: str, printed: IO[bytes], most: float, on_flood: Callable[[], None]) -> None:
        self.flooded = False
        self._name, self._printed, self._most, self._on_flood = name, printed, most, on_flood
        self._bytes, self._tail = 0, b""
        self._thread = threading.Thread(target=self._read, name="spikeloop-decoder-output", daemon=True)
        self._thread.start()

    def join(self, timeout_s: float) -> None:
        """Wait for the end of it; a process that the decoder started may keep it open."""
        self._thread.join(timeout_s)

    @property
    def crashed_in(self) -> str:
        """Where the decoder was when Python found that its process was crashing, in words; empty where it didn't."""
        _, crashed, frames = self._tail.decode(errors="replace").rpartition("(most recent call first)")
        found = FRAME.search(frames) if crashed else None
        return f", in {found['function']} ({found['file']}, line {found['line']})" if found else ""

    def _read(self) -> None:
        with self._printed as printed, suppress(OSError, ValueError):
            while chunk := printed.read1(CHUNK):  # pyright: ignore[reportAttributeAccessIssue]
                self._pass_on(chunk[: max(0, PASSED_ON - self._bytes)])
                self._tail = (self._tail + chunk)[-KEPT:]
                before, self._bytes = self._bytes, self._bytes + len(chunk)
                if before <= PASSED_ON < self._bytes:
                    self._pass_on(f"\n({self._name} prints more, which is not shown)\n".encode())
                if before <= self._most < self._bytes:
                    self.flooded = True
                    self._on_flood()

    def _pass_on(self, chunk: bytes) -> None:
        if chunk and sys.stderr is not None:  # it is None where it was closed before Python began
            with suppress(OSError, ValueError):  # a terminal that is gone
                sys.stderr.write(chunk.decode(errors="replace"))
                sys.stderr.flush()
