"""Processes that a benchmark measures: started, watched, and never left behind."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["SPIKELOOP", "arrivals", "busy", "cpu_s", "ended", "python", "report", "running", "stream_on_a_terminal"]

HERE = Path(__file__).parent
SPIKELOOP = ("-c", "from spikeloop.__main__ import main; main()")


@contextmanager
def running() -> Iterator[list[subprocess.Popen[str]]]:
    """A list for processes; those that still run at the end are killed."""
    processes: list[subprocess.Popen[str]] = []
    try:
        yield processes
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
            process.wait()


def python(*arguments: object) -> subprocess.Popen[str]:
    """Start a Python program of this folder, or `-c PROGRAM`."""
    return subprocess.Popen([sys.executable, *map(str, arguments)], stdout=subprocess.PIPE, text=True)


def stream_on_a_terminal(
    *arguments: object, command: str = "stream", checkout: Path = HERE.parent
) -> subprocess.Popen[str]:
    """Start `spikeloop stream ARGUMENTS --json` with its live status on a terminal, as a user would see it.

    Another command that has a live status may take the place of `stream`, and another checkout that of this one.
    """
    master, terminal = os.openpty()
    process = subprocess.Popen(
        [sys.executable, *SPIKELOOP, command, *map(str, arguments), "--json"],
        stdout=subprocess.PIPE,
        stderr=terminal,
        text=True,
        cwd=checkout,
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30", "PYTHONPATH": str(checkout)},
    )
    os.close(terminal)
    threading.Thread(target=_drain, args=(master,), daemon=True).start()
    return process


def _drain(master: int) -> None:
    try:
        while os.read(master, 2**16):
            pass
    except OSError:  # the other end closed
        os.close(master)


def report(process: subprocess.Popen[str], well: tuple[int, ...] = (0,)) -> dict[str, Any]:
    """The JSON document that a process ends with, with one of these exit codes."""
    printed = process.communicate()[0]
    if process.returncode not in well:
        raise SystemExit(f"{process.args} failed with exit code {process.returncode}")
    return json.loads(printed)


def ended(process: subprocess.Popen[str]) -> None:
    """Wait for a process to end well."""
    if process.wait():
        raise SystemExit(f"{process.args} failed with exit code {process.returncode}")


def arrivals(path: Path) -> dict[str, np.ndarray]:
    """What an inlet noted: `arrivals`, `stamps` and `counts` (samples) of each pull."""
    with np.load(path) as archive:
        return {key: archive[key] for key in archive.files}


def busy() -> str:
    """How busy the machine was in the last quarter of an hour, for a note."""
    return (
        f"Load average at the end: {os.getloadavg()[2]:.1f} on {os.cpu_count()} cores."
        if hasattr(os, "getloadavg")
        else ""
    )


def cpu_s(pid: int) -> float:
    """Processor time of a process so far, where /proc has it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
