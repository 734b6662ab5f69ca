"""Arrays in the folders that sorters and imaging pipelines leave: mapped into memory, never unpickled."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.errors import BadInputError, in_one_line
from spikeloop.models.memory import require_memory

__all__ = ["folder_of", "open_array", "readable_texts", "refuse_conditions", "small_text", "without_labelled"]

LARGEST_TEXT = 50 * 2**20  # bytes, of a table of units


def folder_of(path: Path, names: Sequence[str]) -> Path | None:
    """Return the folder that is meant: the path itself, or that of a file in it which has one of these names."""
    if path.is_dir():
        return path
    return path.parent if path.name.lower() in names and path.is_file() else None


def open_array(path: Path, dims: int | None = None, kinds: str = "iufb") -> NDArray[Any]:
    """Map an array of numbers into memory.

    Parameters
    ----------
    path : pathlib.Path
        Of a `.npy` file.
    dims : int, optional
        Axes that it must have; with 1, axes of length 1 don't count.
    kinds : str
        Of NumPy's types, that it may have; "V" is for structured ones.

    Raises
    ------
    BadInputError
        If the file is missing, pickled, incomplete, or holds something else.
    """
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(values, np.ndarray):
            raise ValueError("it is no single array")
    except Exception as error:  # NumPy raises several on damaged files
        raise BadInputError(f"{path}: not a readable .npy file ({in_one_line(error)}); is it complete?") from error
    require_memory(path.name, values.nbytes)
    if dims == 1 and values.size == max(values.shape, default=0):
        values = values.reshape(-1)
    if values.dtype.kind not in kinds or (dims is not None and values.ndim != dims):
        wanted = "numbers" if dims is None else f"an array of {dims} {'axis' if dims == 1 else 'axes'}"
        raise BadInputError(f"{path}: expected {wanted}, found {values.shape} of {values.dtype}")
    return values


def readable_texts(values: NDArray[Any], where: object) -> list[str]:
    """Return the texts of an array; BadInputError where they have letters that do not exist, as of a damaged file."""
    if values.dtype.kind == "U" and values.size:
        letters = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("="))).view(np.uint32)
        if letters.max(initial=0) > sys.maxunicode:
            raise BadInputError(f"{where}: expected texts, found letters that do not exist; is the file complete?")
    return [str(text) for text in values.tolist()]


def small_text(path: Path) -> str:
    """Read a text; "" of one that is missing or can't be one."""
    try:
        if path.stat().st_size > LARGEST_TEXT:
            return ""
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def without_labelled(
    unwanted: str, labels: Sequence[str] | None, names: Sequence[str], units: str | None
) -> tuple[list[int], str | None]:
    """Choose the units to hand on: all but those with a label, unless these are asked for.

    Parameters
    ----------
    unwanted : str
        The label, such as "noise".
    labels, names : sequence of str
        Of all units.
    units : str or None
        What was asked for; "all", the label itself, and names or numbers of such units ask for them.

    Returns
    -------
    kept : list of int
    done : str or None
        What was left out, for the history.
    """
    every = list(range(len(names)))
    if labels is None or (units or "").strip().lower() in ("all", unwanted):
        return every, None
    left_out = [number for number in every if labels[number].lower() == unwanted]
    asked = {part.strip() for part in (units or "").split(",")}
    called = {form for number in left_out for form in (names[number], names[number].rpartition(" ")[2])}
    if not left_out or len(left_out) == len(every) or asked & called:
        return every, None
    kept = [number for number in every if labels[number].lower() != unwanted]
    return kept, f"left out {len(left_out)} of {len(every)} units, labelled {unwanted} (--units all keeps them)"


def refuse_conditions(conditions: object, path: Path) -> None:
    """Raise BadInputError where conditions are asked of a folder that can't have any."""
    if conditions:
        raise BadInputError(
            f"--condition: expected none, as {path} has only spikes; attach them in Python, with with_conditions"
        )
