"""A spikeloop command in a process of its own, with threads that read what it prints."""

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Self

__all__ = ["ChildCommand"]

# The command ends as by Ctrl-C, even where a shell ignores that, when this process closes its end of the pipe or dies;
# the terminal's own Ctrl-C does not reach it. Niceness counts from the start, as imports take a second of processor.
PROGRAM = """
import os, signal, sys, threading, _thread
if hasattr(os, "nice"):
    os.nice(NICENESS)
signal.signal(signal.SIGINT, signal.default_int_handler)
threading.Thread(target=lambda: (sys.stdin.read(), _thread.interrupt_main()), daemon=True).start()
from spikeloop.__main__ import main
main()
"""
ENDS_WITHIN_S = 10.0


class ChildCommand:
    """`spikeloop ARGUMENTS --json`, running from entering to leaving the context.

    Parameters
    ----------
    arguments : sequence of str
        The command and its options.
    niceness : int >= 0
        How far the process steps back behind others.

    Attributes
    ----------
    report : dict or None
        The JSON document that the command printed; None before its end, or where it failed.
    """

    def __init__(self, arguments: Sequence[str], niceness: int = 0) -> None:
        self._command = [sys.executable, "-c", f"NICENESS = {niceness}{PROGRAM}", *arguments, "--json"]
        self._line, self._printed = "starting", ""
        self.report: dict[str, Any] | None = None

    def __enter__(self) -> Self:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            self._command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, errors="replace", start_new_session=True
        )
        readers = {"lines": self._read_lines, "report": self._read_report}
        self._readers = [
            threading.Thread(target=reader, name=f"spikeloop-child-{name}", daemon=True)
            for name, reader in readers.items()
        ]
        for reader in self._readers:
            reader.start()
        return self

    def __exit__(self, *error: object) -> None:
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for reader in self._readers:
            reader.join()
        with suppress(ValueError):
            self.report = json.loads(self._printed)

    @property
    def ended(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    @property
    def remark(self) -> str:
        """The latest line that it printed for people; of a process that was killed, the signal."""
        code = self._process.poll()
        if code is None:
            return self._line
        self._readers[0].join()
        return self._line if code >= 0 else f"killed by signal {-code}"

    def _read_lines(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            for line in lines:
                self._line = line.strip() or self._line

    def _read_report(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as printed:
            self._printed = printed.read()
