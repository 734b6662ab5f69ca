"""The command that gives a result again, from the values of its options."""

import dataclasses
import inspect
import shlex
from collections.abc import Callable, Iterator, Mapping
from typing import Any

__all__ = ["as_typed"]

OUTPUTS = ("json", "report", "plot", "html", "snapshot", "save")  # options that change no result


def as_typed(command: Callable[..., Any], given: Mapping[str, Any]) -> str:
    """Return the command with every option that is not as by default, and the seed.

    Parameters
    ----------
    command : callable
        A command's function.
    given : mapping of str to any
        The values of its parameters, by name; what else is in it is not looked at.
    """
    words = ["spikeloop", command.__name__.replace("_", "-")]
    for name, parameter in inspect.signature(command).parameters.items():
        value = given[name]
        if name in OUTPUTS or (value == parameter.default and name != "seed"):
            continue
        words += _words(name, value, parameter.kind is not inspect.Parameter.KEYWORD_ONLY)
    return shlex.join(words)


def _words(name: str, value: Any, positional: bool) -> Iterator[str]:
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            if (own := getattr(value, field.name)) != field.default:
                yield from _words(field.name, own, positional=False)
        return
    values = list(map(str, value)) if isinstance(value, list | tuple) else [] if value is True else [str(value)]
    yield from values if positional else [f"--{name.replace('_', '-')}", *values]
