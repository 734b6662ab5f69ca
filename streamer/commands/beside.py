"""`stream --monitor`: a monitor in a process of its own, beside the stream and no longer than it."""

import json
import subprocess
import sys
import threading
from contextlib import suppress
from typing import Any, Self

__all__ = ["MonitorBeside"]

# Ends as by Ctrl-C, even where a shell has it ignored, when the stream closes its end of the pipe, or dies.
PROGRAM = """
import os
if hasattr(os, "nice"):  # from the start, as its imports take a second of processor
    os.nice(5)
import signal, sys, threading, _thread
signal.signal(signal.SIGINT, signal.default_int_handler)
threading.Thread(target=lambda: (sys.stdin.read(), _thread.interrupt_main()), daemon=True).start()
from spikeloop.streamer.commands.main import main
main()
"""
ENDS_WITHIN_S = 10.0


class MonitorBeside:
    """`spikeloop monitor NAME --wait ...`, from entering to leaving the context.

    Parameters
    ----------
    mqtt : URL of the broker that it tells its figures too

    Attributes
    ----------
    remark : the latest line that it told
    report : the JSON document that it ended with; None before, or where it failed
    """

    def __init__(self, stream: str, bundle: str, mqtt: str | None = None) -> None:
        self._command = [sys.executable, "-c", PROGRAM, "monitor", stream, "--wait", "--bundle", bundle, "--json"]
        self._command += ["--mqtt", mqtt] if mqtt is not None else []
        self.remark = "starting"
        self.report: dict[str, Any] | None = None

    def __enter__(self) -> Self:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            self._command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, errors="replace", start_new_session=True
        )
        self._listening = threading.Thread(target=self._listen, name="spikeloop-monitor-lines", daemon=True)
        self._printed = ""
        self._reading = threading.Thread(target=self._read, name="spikeloop-monitor-report", daemon=True)
        self._listening.start()
        self._reading.start()
        return self

    def __exit__(self, *error: object) -> None:
        process = self._process
        with suppress(OSError):
            assert process.stdin is not None
            process.stdin.close()
        try:
            process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._reading.join()
        self._listening.join()
        with suppress(ValueError):
            self.report = json.loads(self._printed)

    def _listen(self) -> None:
        assert self._process.stderr is not None
        for told in self._process.stderr:
            self.remark = told.strip() or self.remark

    def _read(self) -> None:
        assert self._process.stdout is not None
        self._printed = self._process.stdout.read()
