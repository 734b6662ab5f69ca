"""A program of the laboratory: started, stopped for a while, ended, killed and started again; never left behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

import psutil

from tests.soak.flatness import Figures
from tests.soak.network import Host
from tests.support.places import REPOSITORY

__all__ = ["Life", "Program", "python", "spikeloop"]

ENDS_WITHIN_S = 120.0
WELL = (0, 130)  # exit codes of what was asked to end
DIES_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL")
PRIORITY = -10  # of the laboratory's sessions, so that it is undisturbed by what else the machine does


@dataclass
class Life:
    """One life of a program, from its start to its end; times on LSL's clock.

    Attributes
    ----------
    number : int
        1 for the first.
    printed, said : pathlib.Path
        What it printed on stdout, and on stderr.
    began_s, ended_s : float, s, or None
    code : int or None
        Exit code, negative for a signal; None while it runs.
    end : str
        What somebody did to end it: "asked", "killed" or "made to fail"; empty where nobody did.
    until_s : float, s, or None
        When that was.
    figures : list of Figures
    """

    number: int
    printed: Path
    said: Path
    began_s: float
    ended_s: float | None = None
    code: int | None = None
    end: str = ""
    until_s: float | None = None
    figures: list[Figures] = field(default_factory=list)

    @property
    def report(self) -> dict[str, Any]:
        """The JSON document that it printed at its end; empty where it did not."""
        try:
            return json.loads(self.printed.read_text())
        except ValueError:
            return {}

    @property
    def last_words(self) -> str:
        """Its last line on stderr."""
        lines = self.said.read_text(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "nothing")


class Program:
    """A program that runs from entering to leaving the context, in lives that follow each other.

    Parameters
    ----------
    name : str
        Unique in the laboratory.
    command : callable of int to sequence of str
        Returns the command of the life of this number.
    host : Host
        Where it runs.
    folder : pathlib.Path
        For what it prints.
    now : callable
        LSL's clock, s.
    mortal : bool
        Whether faults may kill it; memory is followed over the whole soak of those that are not.
    ours : bool
        Whether it is a command of spikeloop.
    environment : dict of str
        Beside the host's.
    """

    def __init__(
        self,
        name: str,
        command: Callable[[int], Sequence[object]],
        host: Host,
        folder: Path,
        now: Callable[[], float],
        *,
        mortal: bool = False,
        ours: bool = False,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.name, self.host, self.mortal, self.ours = name, host, mortal, ours
        self._command, self._folder, self._now = command, folder, now
        self.environment = os.environ | host.environment | (environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._watched: psutil.Process | None = None
        self.lives: list[Life] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.is_alive:
            self.kill()

    @property
    def life(self) -> Life:
        """The present life, or the latest."""
        return self.lives[-1]

    @property
    def pid(self) -> int:
        """Of the present life."""
        assert self._process is not None
        return self._process.pid

    @property
    def status(self) -> str:
        """As the system names it, such as "stopped"."""
        return psutil.Process(self.pid).status()

    @property
    def is_alive(self) -> bool:
        """Whether it runs; notes its end where it does not."""
        if self._process is None:
            return False
        code = self._process.poll()
        if code is None:
            return True
        if self.life.code is None:
            self.life.code, self.life.ended_s = code, self._now()
        return False

    def start(self) -> None:
        """Begin a life."""
        number = len(self.lives) + 1
        files = [self._folder / f"{self.name}.{number}.{kind}" for kind in ("out", "err")]
        tether = DIES_WITH_PARENT if shutil.which(DIES_WITH_PARENT[0]) else ()
        command = [*self.host.prefix, *tether, *map(str, self._command(number))]
        self.lives.append(Life(number, *files, began_s=self._now()))
        with files[0].open("wb") as printed, files[1].open("wb") as said:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=printed, stderr=said, env=self.environment, cwd=REPOSITORY,
                start_new_session=True,
            )  # fmt: skip
        with suppress(OSError):  # not Linux, or not root
            Path(f"/proc/{self._process.pid}/autogroup").write_text(str(PRIORITY))
        with suppress(psutil.Error):
            self._watched = psutil.Process(self._process.pid)

    def kill(self) -> None:
        """End it at once, without a farewell."""
        self.note_end("killed")
        self._signal(signal.SIGKILL)
        self.wait_for_end()

    def end(self) -> Life:
        """Ask it to end, and wait for it; kill it where it does not."""
        self.note_end("asked")
        self._signal(signal.SIGTERM)
        self.wait_for_end()
        return self.life

    def note_end(self, how: Literal["asked", "killed", "made to fail"]) -> None:
        """Note that its end is wanted from now on."""
        self.life.end, self.life.until_s = how, self._now()

    def stand_still(self) -> None:
        """Let it get no processor."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it run again."""
        self._signal(signal.SIGCONT)

    def wait_for_end(self) -> None:
        """Wait for its end; where that does not come, kill it, which its exit code shows."""
        assert self._process is not None
        try:
            self._process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert not self.is_alive

    def sample(self) -> None:
        """Note its memory, descriptors and threads."""
        with suppress(psutil.Error, AttributeError):
            assert self._watched is not None
            with self._watched.oneshot():
                memory, descriptors = self._watched.memory_info().rss, self._watched.num_fds()
                figures = Figures(self._now(), memory, descriptors, self._watched.num_threads())
            self.life.figures.append(figures)

    def failures(self) -> list[str]:
        """Say of each life that ended as it should not, how."""
        return [
            f"{self.name} ended with {_words(life)} though nobody asked it to; its last line: {life.last_words:.300}"
            if not life.end
            else f"{self.name} was asked to end and ended with {_words(life)}; its last line: {life.last_words:.300}"
            for life in self.lives
            if life.code is not None and (not life.end or (life.end == "asked" and not _ended_well(life)))
        ]

    def _signal(self, number: int) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)


def python(module: str, *arguments: object) -> list[object]:
    """Return the command of a program of `tests.soak.programs`."""
    return [sys.executable, "-m", f"tests.soak.programs.{module}", *arguments]


def spikeloop(*arguments: object) -> list[object]:
    """Return the command of `spikeloop ARGUMENTS`."""
    return [sys.executable, "-m", "spikeloop", *arguments]


def _words(life: Life) -> str:
    return f"signal {-life.code}" if life.code is not None and life.code < 0 else f"exit code {life.code}"


def _ended_well(life: Life) -> bool:
    return life.code in (*WELL, -signal.SIGTERM)
