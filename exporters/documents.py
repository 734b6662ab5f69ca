"""Results as JSON documents, and text for terminals and pages that is safe to show."""

import dataclasses
import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["json_values", "print_line", "printable"]


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
