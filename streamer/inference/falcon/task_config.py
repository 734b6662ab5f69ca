"""What a FALCON decoder receives about its task: channels, outputs, bins, and the tags of sessions.

The attributes are those of `falcon_challenge.config.FalconConfig` 1.0.2. Where a decoder's file imported that package,
the configuration is of its class, and the task of its enumeration, as decoders compare them.
"""

import enum
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from spikeloop.models.errors import BadInputError

__all__ = ["TASKS", "FalconConfig", "FalconTask", "default_tag", "hydra_or_stand_in", "task_config", "task_of"]


class FalconTask(enum.Enum):
    """The tasks of the challenge that are decoded bin by bin."""

    h1 = "falcon_h1_7d"
    m1 = "falcon_m1_finger"
    m2 = "falcon_m2_reach"


@dataclass
class FalconConfig:
    """A task's configuration.

    Attributes
    ----------
    task : FalconTask
    bin_size_ms : int or float, ms
    """

    task: FalconTask = FalconTask.m2
    bin_size_ms: float = 20

    def hash_dataset(self, handle: str | Path) -> str:
        """Return the tag of a session, as a decoder's parameters have it: here the file's name without its ending."""
        return handle.stem if isinstance(handle, Path) else handle


TASKS = {"h1": (176, 7), "m1": (64, 16), "m2": (96, 2)}  # channels and outputs, by the names of tasks
TAGS = {"h1": "S0_set_1_eval", "m1": "L_20120924_held_in_eval", "m2": "sub-MonkeyNRun1_20201019_held_in_eval"}


def task_of(units: int, columns: int) -> str:
    """Name the task of so many channels and outputs; of others m2, whose outputs are two velocities."""
    return next((name for name, sizes in TASKS.items() if sizes == (units, columns)), "m2")


def default_tag(task: str) -> Path:
    """Return the file of a task's first held-in session, as the challenge names it."""
    return Path(f"{TAGS[task]}.nwb")


def task_config(task: str, units: int, columns: int, bin_size_s: float) -> Any:
    """Make a task's configuration for a stream.

    Parameters
    ----------
    task : str
        A key of `TASKS`.
    units, columns : int
        Of the stream, and of what is decoded; these need not be the task's.
    bin_size_s : float > 0, s
        Of the stream.

    Raises
    ------
    BadInputError
        If there is no such task.
    """
    if task not in TASKS:
        raise BadInputError(f"--decoder: expected ?task= of {', '.join(TASKS)}, found {task!r:.40}")
    theirs: Any = sys.modules.get("falcon_challenge.config", sys.modules[__name__])
    sizes = {"n_channels": units, "out_dim": columns}  # over the properties of the class
    bin_size_ms = round(1000 * bin_size_s, 6)
    whole = int(bin_size_ms) if bin_size_ms == int(bin_size_ms) else bin_size_ms
    return type("StreamConfig", (theirs.FalconConfig,), sizes)(task=theirs.FalconTask[task], bin_size_ms=whole)


@contextmanager
def hydra_or_stand_in() -> Iterator[None]:
    """Meanwhile `falcon_challenge.config` can be imported, with or without Hydra.

    It registers its configuration there when it is imported, and needs it for nothing else.
    """
    if find_spec("hydra") is not None:
        yield
        return
    stand_ins = {name: ModuleType(name) for name in _OF_HYDRA}
    for name, attribute in _OF_HYDRA.items():
        if attribute is not None:
            setattr(stand_ins[name], attribute, _Registry)
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name in stand_ins:
            sys.modules.pop(name, None)


class _Registry:
    """In place of Hydra's classes."""

    @classmethod
    def instance(cls) -> "_Registry":
        return cls()

    def store(self, **settings: object) -> None:
        """Keep nothing."""


_OF_HYDRA = {
    "hydra": None,
    "hydra.core": None,
    "hydra.core.config_store": "ConfigStore",
    "hydra.core.config_search_path": "ConfigSearchPath",
    "hydra.plugins": None,
    "hydra.plugins.search_path_plugin": "SearchPathPlugin",
}
