"""One of several processes of a Slurm job, or of its array: each runs its share, in a folder that all of them see."""

import re
from collections.abc import Mapping, Sequence

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.batch.engine import Answers, Task, Work

__all__ = ["ShareEngine", "share_engine", "slurm_engine"]

SHARE = re.compile(r"(\d{1,6})/(\d{1,6})", re.ASCII)


class ShareEngine:
    """Runs every so many tasks, in this process.

    Parameters
    ----------
    first, every : int
        The task at place `first`, and each `every` places after it.
    """

    def __init__(self, first: int, every: int) -> None:
        self.first, self.every = first, every

    def run(self, work: Work, tasks: Sequence[Task]) -> Answers:
        """Run this process's share; see `Engine`."""
        for task in tasks:
            if task.place % self.every == self.first:
                yield task, work(task.text)


def share_engine(text: str) -> ShareEngine:
    """Return the share that a text gives this process, as I/N: that of process I of N, counted from 0.

    Raises
    ------
    BadInputError
        If it gives none.
    """
    found = SHARE.fullmatch(text)
    first, every = (int(number) for number in found.groups()) if found else (0, 0)
    if not first < every:
        raise BadInputError(f"--engine slurm:I/N: expected a share from 0/N to N-1/N, such as 0/8, found {text!r:.40}")
    return ShareEngine(first, every)


def slurm_engine(environment: Mapping[str, str]) -> ShareEngine:
    """Return the share that Slurm's variables give this process: of an array's tasks, each with its own processes.

    Raises
    ------
    BadInputError
        If it runs in no job of Slurm.
    """
    if "SLURM_JOB_ID" not in environment:
        raise BadInputError(
            "--engine slurm: expected to run in a job, as by `srun -n 8 spikeloop sweep ...`, found no SLURM_JOB_ID"
        )

    def number(name: str, default: int) -> int:
        return int(environment.get(f"SLURM_{name}", default))

    processes, jobs = number("NTASKS", 1), number("ARRAY_TASK_COUNT", 1)
    job = (number("ARRAY_TASK_ID", 0) - number("ARRAY_TASK_MIN", 0)) // number("ARRAY_TASK_STEP", 1)
    return ShareEngine(job * processes + number("PROCID", 0), jobs * processes)
