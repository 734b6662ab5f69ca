"""Results as JSON documents, JSON from elsewhere, and text for terminals and pages that is safe to show."""

import dataclasses
import json
import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["json_values", "parsed_json", "print_line", "printable"]

DEEPEST = 100  # levels of a document from elsewhere: deeper ones exceed the stack of whoever walks through them


def json_values(value: Any) -> Any:
    """Convert a result to what JSON holds.

    Parameters
    ----------
    value : dataclass, mapping, sequence, NumPy array or scalar, or any nesting of these

    Returns
    -------
    dict, list, str, int, float, bool or None
        Dataclasses and mappings become dictionaries with string keys; sequences and arrays become lists; NaN and
        infinity become None, because JSON has neither.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: json_values(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): json_values(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return json_values(value.tolist())
    if isinstance(value, list | tuple):
        return [json_values(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def parsed_json(text: str | bytes) -> Any:
    """Parse JSON from elsewhere.

    Parameters
    ----------
    text : str or bytes

    Returns
    -------
    dict, list, str, int, float, bool or None
        None also where it is no JSON, or has more than 100 levels.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if _is_within(DEEPEST, found) else None


def _is_within(levels: int, value: Any) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels > 0 and all(_is_within(levels - 1, entry) for entry in inner)


def print_line(console: "Console", text: str) -> None:
    """Print one line of plain text; do nothing where the console's reader has gone.

    Parameters
    ----------
    console : rich.console.Console
    text : str, printed as it is: brackets in it are not markup, and long lines are not cut
    """
    with suppress(OSError, SystemExit):  # rich exits where a pipe is broken
        console.print(text, markup=False, highlight=False, emoji=False, soft_wrap=True)


def printable(text: str) -> str:
    """Replace what would move a terminal's cursor or change its colours, in a text from elsewhere, by "?"."""
    return "".join(character if character.isprintable() else "?" for character in text)
