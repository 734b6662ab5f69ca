"""A program that reads many damaged files, watched for what it takes, so that a crash ends it and no test."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.places import REPOSITORY

__all__ = ["Outcome", "Reader"]

MOST_PROCESSOR_S = 10.0
LONGEST_S = 300.0  # where it only waits; other work may have the processor
MOST_MEMORY = 500 * 2**20  # beside four times the file


@dataclass(frozen=True)
class Outcome:
    """How reading one file ended.

    Attributes
    ----------
    what : str
        "read" or "refused"; or "traceback", "many lines", "slow", "hung", "died", "too much memory".
    text : str
        The recording's shape or the message.
    processor_s : float, s
        Of the processor, that it took.
    memory : int
        Bytes by which the program grew.
    """

    what: str
    text: str
    processor_s: float = 0.0
    memory: int = 0

    @property
    def sound(self) -> bool:
        """Whether it ended as it should."""
        return self.what in ("read", "refused")


class Reader:
    """Another program that reads one file after the other; started again where it ended."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str | None] = queue.Queue()

    def read(self, path: Path, choices: Mapping[str, Any]) -> Outcome:
        """List what is in a file or folder, read it with these choices, and say how that ended."""
        process = self._running()
        assert process.stdin is not None
        process.stdin.write(json.dumps([str(path), dict(choices)]) + "\n")
        process.stdin.flush()
        try:
            line = self._lines.get(timeout=LONGEST_S)
        except queue.Empty:
            self.close()
            return Outcome("hung", f"longer than {LONGEST_S:g} s")
        if line is None:
            code = process.wait()
            self.close()
            if code == -getattr(signal, "SIGPROF", 0):
                return Outcome("slow", f"more than {MOST_PROCESSOR_S:g} s of the processor", MOST_PROCESSOR_S)
            return Outcome("died", f"exit code {code}")
        outcome = Outcome(*json.loads(line))
        size = sum(file.stat().st_size for file in (path, *path.rglob("*")) if file.is_file())
        if outcome.memory > MOST_MEMORY + 4 * size:
            self.close()
            return Outcome("too much memory", f"{outcome.memory / 2**20:.0f} MB; {outcome.text}")
        return outcome

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", "tests.support.fuzzed"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                cwd=REPOSITORY,
                env=os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "PYTHONFAULTHANDLER": ""},
            )
            self._lines = queue.Queue()
            threading.Thread(target=self._listen, args=(self._process, self._lines), daemon=True).start()
            self._lines.get(timeout=LONGEST_S)  # it has imported what it needs
        return self._process

    @staticmethod
    def _listen(process: subprocess.Popen[str], lines: "queue.Queue[str | None]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    def close(self) -> None:
        """End the program."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _attempt(read: Callable[[], object]) -> tuple[str, str]:
    from spikeloop.models.errors import SpikeloopError

    try:
        return "read", repr(read())[:200]
    except SpikeloopError as error:
        return "refused" if "\n" not in str(error) else "many lines", str(error)[:300]
    except BaseException as error:
        import traceback

        return "traceback", f"{type(error).__name__}: {error!s:.200} {traceback.format_exc()[-1500:]}"


def _listed_and_read(path: Path, choices: Mapping[str, Any]) -> tuple[str, str]:
    from spikeloop.exporters.formats.read import read_recording
    from spikeloop.exporters.formats.registry import format_of

    def listed() -> object:
        found = format_of(path)
        return found.reader().items(path) if found else ()

    what, text = _attempt(listed)
    if what in ("read", "refused"):
        what, text = _attempt(lambda: read_recording(path, **choices).counts.shape)
    return what, text


def _processor_s() -> float:
    """Time of the processor that this program took, and those that it started."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def _most_memory(*, forget: bool = False) -> int:
    """Most bytes of memory so far; where the system can, since `forget`."""
    status = Path("/proc/self/status")
    if status.is_file():
        if forget:
            Path("/proc/self/clear_refs").write_text("5")
        return 1024 * int(status.read_text().partition("VmHWM:")[2].split()[0])
    try:
        import resource
    except ImportError:  # on Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _answer() -> None:
    """Read the files whose paths come in, line by line, and say how each ended."""
    from spikeloop.models.recordings.recording import from_counts

    _attempt(lambda: from_counts(np.zeros((2, 2)), 0.02))
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no answer
    answers.write("ready\n")
    answers.flush()
    limit = getattr(signal, "setitimer", lambda *_: None)
    if hasattr(signal, "SIGPROF"):
        signal.signal(signal.SIGPROF, signal.SIG_DFL)  # ends the program, even within a library
    for line in sys.stdin:
        path, choices = json.loads(line)
        began_s, before = _processor_s(), _most_memory(forget=True)
        limit(getattr(signal, "ITIMER_PROF", 0), MOST_PROCESSOR_S)
        what, text = _listed_and_read(Path(path), choices)
        limit(getattr(signal, "ITIMER_PROF", 0), 0)
        spent_s, taken = _processor_s() - began_s, _most_memory() - before
        what = "slow" if spent_s > MOST_PROCESSOR_S and what in ("read", "refused") else what
        answers.write(json.dumps([what, text, spent_s, taken]) + "\n")
        answers.flush()


if __name__ == "__main__":
    _answer()
