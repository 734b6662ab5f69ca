"""The laboratory: all programs of the roster, with their network, their disk and their date."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import pylsl

from tests.soak.bin_log import read_log
from tests.soak.calendar import Calendar
from tests.soak.disk import SmallDisk
from tests.soak.network import Network
from tests.soak.program import Life, Program, python
from tests.soak.roster import BUNDLES, INLETS, roster
from tests.soak.schedule import RESOLUTION_S
from tests.support.places import REPOSITORY

__all__ = ["PATIENCE_S", "Lab"]

PATIENCE_S = 120.0  # for what must happen, on however busy a machine
LOOK_EVERY_S, SAMPLE_EVERY_S, START_AGAIN_AFTER_S = 0.1, 2.0, 5.0
ON_THEIR_WAY_S = 1.0  # the last bins
LATEST = 50  # rows of a log


class Lab:
    """All programs, running from entering to leaving the context.

    Parameters
    ----------
    folder : pathlib.Path
        For all that they write.
    seed : int >= 0
        Of the streams' spikes.

    Attributes
    ----------
    programs : dict of Program
        By name.
    network : Network
    disk : SmallDisk
        Of the recorder that may die.
    calendar : Calendar
        The date of spikeloop's commands.
    names : dict of str
        Of the streams, by their kinds.
    port : int
        Of the broker.
    troubles : list of str
        What did not happen in time.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed = folder, seed
        self.now: Callable[[], float] = pylsl.local_clock
        self.network, self.disk, self.calendar = Network(folder), SmallDisk(folder / "disk"), Calendar(folder)
        self.names = {kind: f"soak-{self.now():.0f}-{kind}" for kind in BUNDLES}
        self.programs: dict[str, Program] = {}
        self.troubles: list[str] = []
        self._sampled_s = 0.0

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            for part in (self.network, self.disk, self.calendar):
                opened.enter_context(part)
            entries, self.port = roster(self.network, self.names, self.seed, self.folder, self.disk.folder)
            for entry in entries:
                environment = self.calendar.environment if entry.ours else {}
                program = Program(
                    entry.name, entry.command, entry.host, self.folder, self.now, mortal=entry.mortal,
                    ours=entry.ours,
                    environment=environment,
                )  # fmt: skip
                self.programs[entry.name] = opened.enter_context(program)
                if entry.name == "broker":
                    self.wait_for_broker()
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._opened.close()

    def mortals(self) -> list[Program]:
        """Programs that may be killed."""
        return [program for program in self.programs.values() if program.mortal]

    def lives(self) -> Iterator[tuple[Program, Life]]:
        """Every life of every program."""
        for program in self.programs.values():
            for life in program.lives:
                yield program, life

    def sleep(self, seconds: float) -> None:
        """Let time pass; meanwhile start again what ended by itself, and note memory."""
        end_s = time.monotonic() + seconds
        while True:
            self._look()
            left_s = end_s - time.monotonic()
            if left_s <= 0:
                return
            time.sleep(min(LOOK_EVERY_S, left_s))

    def wait_for(self, reached: Callable[[], object], what: str) -> bool:
        """Wait for something to happen; where it does not in time, note that."""
        end_s = time.monotonic() + PATIENCE_S
        while not reached():
            if time.monotonic() > end_s:
                self.troubles.append(f"waited {PATIENCE_S:g} s in vain for {what}")
                return False
            self.sleep(LOOK_EVERY_S)
        return True

    def wait_for_broker(self) -> None:
        """Wait until the broker listens."""
        host = self.network.near
        command = [*host.prefix, *python("port", host.address, self.port, PATIENCE_S)]
        if subprocess.run(list(map(str, command)), cwd=REPOSITORY, capture_output=True, check=False).returncode:
            self.troubles.append(f"waited {PATIENCE_S:g} s in vain for the broker to listen")

    def settle(self) -> None:
        """Wait until bins of both streams come promptly, one after the other, however busy the machine is."""
        for kind in BUNDLES:
            since_s = self.now()
            self.wait_for(lambda kind=kind, since_s=since_s: self._is_prompt(kind, since_s), f"prompt bins of {kind}")

    def finish(self) -> None:
        """End all programs: senders first, then who listens, when these had time for what was on its way."""
        for program in self.programs.values():
            program.go_on()
        for stream in (self.programs[f"stream-{kind}"] for kind in BUNDLES):
            if stream.is_alive:
                stream.end()
        time.sleep(ON_THEIR_WAY_S)
        for program in reversed(self.programs.values()):
            if program.is_alive:
                program.end()

    def _look(self) -> None:
        for program in self.programs.values():
            if not program.is_alive and not program.life.end:
                assert program.life.ended_s is not None
                if self.now() - program.life.ended_s >= START_AGAIN_AFTER_S:
                    program.start()
        if time.monotonic() >= self._sampled_s + SAMPLE_EVERY_S:
            self._sampled_s = time.monotonic()
            for program in self.programs.values():
                program.sample()

    def _is_prompt(self, kind: str, since_s: float) -> bool:
        """Whether a bin has come promptly since then."""
        log = read_log(self.folder / INLETS[kind])
        if not log:
            return False
        run, rows = log[-1]
        rows = rows[-LATEST:]
        delays_s = rows["arrived_s"] - (run.start_s + (rows["bin"] + 1) * run.bin_size_s)
        return bool((delays_s[rows["arrived_s"] > since_s] < RESOLUTION_S).any())
