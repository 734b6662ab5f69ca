"""Checks of single arguments: numbers, choices, texts, paths. Each returns the value as a type of Python's own."""

import math
import operator
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from spikeloop.models.errors import BadInputError

__all__ = [
    "checked_callable",
    "checked_choice",
    "checked_finite",
    "checked_flag",
    "checked_number",
    "checked_path",
    "checked_text",
    "checked_whole",
    "is_number",
    "is_whole",
    "same_bin_size",
    "shown",
]

SAME_BIN = 1e-6  # relative difference of bin sizes that are the same


def is_number(value: Any) -> bool:
    """Return whether a value is a real number, of Python or NumPy."""
    try:
        no_number = isinstance(value, str | bytes | bytearray | bool | np.bool_) or np.ndim(value)
        return not no_number and float(value) is not None
    except (TypeError, ValueError, OverflowError):
        return False


def is_whole(value: Any) -> bool:
    """Return whether a value is a whole number, of Python or NumPy."""
    try:
        return not isinstance(value, bool | np.bool_) and operator.index(value) is not None
    except TypeError:
        return False


def shown(value: Any) -> str:
    """Return a value as an error message shows it, cut where it is long."""
    if is_number(value):
        return f"{value:g}" if isinstance(value, float) else f"{value!s:.80}"
    try:
        return f"{value!r:.80}"
    except Exception:  # a whole number of thousands of digits, or an object whose own `__repr__` fails
        return f"a value of type {type(value).__name__}"


def checked_whole(name: str, value: Any, low: int, high: int | None = None, hint: str = "") -> int:
    """Return a whole number from `low` to `high`; BadInputError for anything else."""
    if not (is_whole(value) and low <= operator.index(value) and (high is None or operator.index(value) <= high)):
        limits = f"of {low} or more" if high is None else f"from {low} to {high}"
        raise BadInputError(f"{name}: expected a whole number {limits}{hint}, found {shown(value)}")
    return operator.index(value)


def checked_number(name: str, value: Any, low: float | None = None, high: float = math.inf, unit: str = "") -> float:
    """Return a number from `low` to `high`, or any, NaN too, without `low`; BadInputError for anything else."""
    if not (is_number(value) and (low is None or low <= float(value) <= high)):
        expected = "a number" if low is None else f"{low:g} to {high:g}{unit and ' '}{unit}"
        raise BadInputError(f"{name}: expected {expected}, found {shown(value)}")
    return float(value)


def checked_finite(name: str, value: Any) -> float:
    """Return a finite number; BadInputError for anything else."""
    if not (is_number(value) and math.isfinite(value)):
        raise BadInputError(f"{name}: expected a number, found {shown(value)}")
    return float(value)


def checked_choice(name: str, value: Any, choices: Iterable[str]) -> str:
    """Return a text that is one of the choices; BadInputError for anything else."""
    *others, last = choices
    if not (isinstance(value, str) and value in (*others, last)):
        raise BadInputError(f"{name}: expected {', '.join(others)} or {last}, found {shown(value)}")
    return value


def checked_flag(name: str, value: Any) -> bool:
    """Return True or False; BadInputError for anything else, as "no" would be true."""
    if not isinstance(value, bool | np.bool_):
        raise BadInputError(f"{name}: expected True or False, found {shown(value)}")
    return bool(value)


def checked_text(name: str, value: Any) -> str:
    """Return a text; BadInputError for anything else."""
    if not isinstance(value, str):
        raise BadInputError(f"{name}: expected text, found {shown(value)}")
    return value


def checked_callable(name: str, value: Any) -> None:
    """Raise BadInputError for what can't be called."""
    if not callable(value):
        raise BadInputError(f"{name}: expected a function, found {shown(value)}")


def checked_path(name: str, value: Any) -> Path:
    """Return a path of a file or folder; BadInputError for anything else, and for one that no disk can hold."""
    if not (isinstance(value, str | os.PathLike) and isinstance(text := os.fspath(value), str)):
        raise BadInputError(f"{name}: expected a path, found {shown(value)}")
    if not text or "\0" in text:
        raise BadInputError(f"{name}: expected the path of a file or folder, found {text!r:.80}")
    return Path(text)


def same_bin_size(first_s: float, second_s: float) -> bool:
    """Return whether two bin sizes are the same but for rounding."""
    return math.isclose(first_s, second_s, rel_tol=SAME_BIN)
