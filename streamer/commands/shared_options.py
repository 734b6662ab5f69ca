"""Options that many commands have: the level of messages, and limits for what is opened.

A limit holds for the whole process and, through its environment, for those that it starts.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import arg

from spikeloop.exporters.signatures import REQUIRE_SIGNATURE, trusted_keys
from spikeloop.models.memory import MAX_MEMORY, parse_size
from spikeloop.streamer.launch.logs import configure_logging

__all__ = ["SharedOption", "options_of"]

LogLevel = Literal["debug", "info", "warning", "error"]

# fmt: off
READING = (  # recordings
    "stream", "monitor", "replay", "web", "generate", "verify", "inspect", "convert", "train", "evaluate", "importance",
    "score-sorting", "decode", "decodesweep", "closedloop", "sweep", "falcon",
)
LOADING = (  # bundles
    "stream", "monitor", "record", "replay", "web", "models", "pull", "push", "generate", "verify", "export",
    "evaluate", "importance", "decode", "decodesweep", "closedloop", "sweep",
)
# fmt: on


@dataclass(frozen=True)
class SharedOption:
    """One option.

    Attributes
    ----------
    name : str
    help : str
    annotation : type
    default : object
    applied : callable
        Given the value, return a context in which the command runs.
    """

    name: str
    help: str
    annotation: Any
    default: Any
    applied: Callable[[Any], AbstractContextManager[Any]]


def options_of(command: str) -> tuple[SharedOption, ...]:
    """Return the shared options that a command has."""
    limits = ((MEMORY, READING), (SIGNATURE, LOADING))
    return (*(option for option, commands in limits if command in commands), LOG_LEVEL)


def _with_log_level(level: str) -> AbstractContextManager[Any]:
    configure_logging(level)
    return nullcontext()


@contextmanager
def _with_max_memory(size: str | None) -> Iterator[None]:
    if size is not None:
        parse_size(size, "--max-memory")
    with _in_environment(MAX_MEMORY, size):
        yield


@contextmanager
def _with_signatures(keys: str | None) -> Iterator[None]:
    if keys is not None:
        trusted_keys(keys)
        keys = str(Path(keys).resolve()) if Path(keys).exists() else keys  # a process may work in another folder
    with _in_environment(REQUIRE_SIGNATURE, keys):
        yield


@contextmanager
def _in_environment(variable: str, value: str | None) -> Iterator[None]:
    before = os.environ.get(variable)
    if value is not None:
        os.environ[variable] = value
    try:
        yield
    finally:
        os.environ.pop(variable, None)
        os.environ |= {} if before is None else {variable: before}


LOG_LEVEL = SharedOption(
    "log_level",
    "the least severe messages to print on stderr",
    Annotated[LogLevel, arg()],
    "warning",
    _with_log_level,
)
MEMORY = SharedOption(
    "max_memory",
    "the most memory that reading a recording may take, such as 8G",
    Annotated[str | None, arg(metavar="SIZE", help_behavior_hint="(default: 80 % of the memory that is free)")],
    None,
    _with_max_memory,
)
SIGNATURE = SharedOption(
    "require_signature",
    "refuse bundles that none of these keys signed: a public key of minisign, or a file of them",
    Annotated[str | None, arg(metavar="KEY", help_behavior_hint="")],
    None,
    _with_signatures,
)
