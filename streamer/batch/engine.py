"""What every engine does: runs tasks somewhere, each by a function of this package that takes and gives text."""

import json
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Protocol

from spikeloop.exporters.documents import parsed_json

__all__ = ["Answers", "Engine", "Task", "Work", "could_not_run", "failure_of"]

FAILED = "could not run"  # the key of an answer that is no result

Work = Callable[[str], str]  # of a module, so that another process finds it by its name


@dataclass(frozen=True)
class Task:
    """A piece of work.

    Attributes
    ----------
    place : int
        In the whole, whatever of it is done.
    key, name : str
        What it depends on, in short; the name is for messages.
    text : str
        What the work gets.
    """

    place: int
    key: str
    name: str
    text: str


Answers = Generator[tuple[Task, str]]  # closing it ends what runs


class Engine(Protocol):
    """Runs tasks."""

    def run(self, work: Work, tasks: Sequence[Task]) -> Answers:
        """Yield what the work gives of each task, as they are done.

        Parameters
        ----------
        work : callable (str) -> str
            A function of a module; what it can't do, it says by `could_not_run`.
        tasks : sequence of Task

        Raises
        ------
        FailureError
            If the engine itself fails.
        """
        ...


def could_not_run(reason: str) -> str:
    """Return the answer that says why there is no result of a task."""
    return json.dumps({FAILED: reason})


def failure_of(answer: str) -> str | None:
    """Return why there is no result of a task; None where there is one."""
    found = parsed_json(answer)
    return str(found[FAILED]) if isinstance(found, dict) and FAILED in found else None
