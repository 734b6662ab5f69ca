"""Texts, single numbers and keys among arrays that have names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.choices import Choices
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.checks import LONGEST_BIN_S, SHORTEST_BIN_S

__all__ = ["existing", "number_in", "stated_bin_size_s", "text_in", "texts_in"]

MOST_LISTED = 400  # letters of a list of keys, in a message


def existing(arrays: Mapping[str, NDArray[Any]], option: str, key: str, path: Path) -> str:
    """Return the key that was asked for, or the only one that ends in it; BadInputError lists those that there are."""
    if key in arrays:
        return key
    for wanted, candidates in ((key, arrays), (key.lower(), {name.lower(): name for name in arrays})):
        ending = [name for name in candidates if name == wanted or name.endswith(f".{wanted}")]
        if len(ending) == 1:
            return ending[0] if candidates is arrays else candidates[ending[0]]  # pyright: ignore[reportReturnType]
    there_are = f"{', '.join(arrays) or 'no array':.{MOST_LISTED}}"
    raise BadInputError(f"{option}: expected one of {there_are} in {path}, found {key!r:.60}")


def text_in(arrays: Mapping[str, NDArray[Any]], key: str, default: str) -> str:
    """Read one text; files written elsewhere may have another thing under its name."""
    texts = texts_in(arrays, key)
    return texts[0] if texts is not None and len(texts) == 1 and arrays[key].dtype.kind in "USO" else default


def texts_in(arrays: Mapping[str, NDArray[Any]], key: str) -> list[str] | None:
    """Read a list of text, of byte strings or of numbers; None where there is none, or of other objects."""
    if key not in arrays:
        return None
    value = np.ravel(arrays[key])
    if value.dtype.kind == "O":
        parts = [np.ravel(part) for part in value]
        if not all(part.size <= 1 or part.dtype.kind == "U" for part in parts):
            return None
        value = np.array([part[0] if part.size else "" for part in parts], dtype=object)
    elif value.dtype.kind not in "biufUS":
        return None
    return [text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text) for text in value.tolist()]


def number_in(arrays: Mapping[str, NDArray[Any]], key: str) -> float | None:
    """Read a single finite number; None where there is none."""
    value = arrays.get(key)
    sound = value is not None and value.size == 1 and value.dtype.kind in "fiu" and np.isfinite(value).all()
    return float(np.ravel(value)[0]) if value is not None and sound else None


def stated_bin_size_s(arrays: Mapping[str, NDArray[Any]], path: Path, choices: Choices) -> float | None:
    """Read the bin size that a file states, s; None where it states none, or no sound one and another was chosen."""
    if "bin_size_s" not in arrays:
        return None
    stated = arrays["bin_size_s"]
    is_number = stated.size == 1 and stated.dtype.kind in "fiu"
    if not is_number or not SHORTEST_BIN_S <= float(np.ravel(stated)[0]) <= LONGEST_BIN_S:
        if choices.bin_size_s is not None:
            return None
        raise BadInputError(
            f"{path}: expected bin_size_s to be one number of seconds from {SHORTEST_BIN_S:g} to"
            f" {LONGEST_BIN_S:g}, found {stated!r:.60}; give --bin-size-ms (in Python,"
            " bin_size_s)"
        )
    return float(np.ravel(stated)[0])
