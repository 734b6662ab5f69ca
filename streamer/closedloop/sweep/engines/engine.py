"""What every engine does."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Answers", "Engine", "Task"]


@dataclass(frozen=True)
class Task:
    """A cell to run.

    Attributes
    ----------
    place : int
        In the whole sweep, whatever of it is done.
    key, name : str
        Of the cell; the name is for messages.
    text : str
        What `run_task` gets.
    """

    place: int
    key: str
    name: str
    text: str


Answers = Generator[tuple[Task, str]]  # closing it ends what runs


class Engine(Protocol):
    """Runs tasks."""

    def run(self, tasks: Sequence[Task]) -> Answers:
        """Yield what `run_task` gives of each task, as they are done.

        Raises
        ------
        FailureError
            If the engine itself fails.
        """
        ...
