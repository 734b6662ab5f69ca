"""Cells of trials in MATLAB files: a trial without counts is left out of the conditions too, and vice versa."""

import re
from pathlib import Path

import numpy as np

from spikeloop.exporters.formats.choices import Choices
from spikeloop.exporters.formats.named.counts import COUNT_KEYS, FLUORESCENCE_KEY
from spikeloop.exporters.formats.named.lazy_arrays import Entry, LazyArrays
from spikeloop.exporters.formats.named.spike_times import is_times
from spikeloop.exporters.formats.named.texts import existing
from spikeloop.models.errors import BadInputError

__all__ = ["with_trials_paired"]

CALLED_SO = "conditions"


def with_trials_paired(arrays: LazyArrays, choices: Choices, path: Path) -> LazyArrays:
    """Leave trials out of the cells of counts and of conditions where one of them is empty.

    Parameters
    ----------
    arrays : LazyArrays
    choices : Choices
        `key` and `conditions` name the cells.
    path : Path
        For messages.

    Raises
    ------
    BadInputError
        If there are other numbers of cells.
    """
    key = _counts_in(arrays, choices, path)
    if key is None:
        return arrays
    cells = {name: arrays[name] for name in (key, *_conditions_in(arrays, key, choices, path))}
    odd = next((name for name, cell in cells.items() if cell.size != cells[key].size), None)
    if odd is not None:
        raise BadInputError(
            f"{path}: expected a cell of {odd} for each of {cells[key].size} trials of {key}, found {cells[odd].size}"
        )
    rows = {name: list(cell.ravel(order="F")) for name, cell in cells.items()}
    kept = [all(np.size(row[trial]) for row in rows.values()) for trial in range(cells[key].size)]
    if all(kept) or not any(kept):
        return arrays
    entries = dict(arrays.entries)
    for name, row in rows.items():
        entries[name] = Entry.of(_cell([part for part, keep in zip(row, kept, strict=True) if keep]))
    entries["history"] = Entry.of(
        np.array([*_history(arrays), f"left out {kept.count(False)} of {len(kept)} trials, of which cells are empty"])
    )
    return LazyArrays(entries)


def _counts_in(arrays: LazyArrays, choices: Choices, path: Path) -> str | None:
    """Return the cells of counts, one for each trial; None where the spikes are anything else."""
    if choices.unit_key is not None:
        return None
    known = (*COUNT_KEYS, FLUORESCENCE_KEY)
    if choices.key is not None:
        key = existing(arrays, "--key", choices.key, path)
    else:
        lower = {name.lower(): name for name in reversed(list(arrays))}
        ending = [name for text, name in lower.items() if text.rpartition(".")[2] in known]
        key = next((lower[name] for name in known if name in lower), ending[0] if len(ending) == 1 else None)
    if key is None or arrays.entries[key].dtype != object or arrays.entries[key].size < 2 or is_times(arrays, key):
        return None
    return key


def _conditions_in(arrays: LazyArrays, key: str, choices: Choices, path: Path) -> list[str]:
    """Return those conditions that are cells."""
    beside = arrays.beside(key)
    asked = [part for keys in choices.conditions.values() for part in ([keys] if keys in beside else keys.split(","))]
    found = []
    for text in asked or [CALLED_SO] * (CALLED_SO in beside):
        name = text.strip() if text.strip() in beside else re.sub(r"\[\d{1,6}\]$", "", text.strip())
        name = existing(beside, "--condition", name, path)
        inside = f"{key.rpartition('.')[0]}.{name}"
        name = name if name in arrays else inside
        if arrays.entries[name].dtype == object and name not in found:
            found.append(name)
    return found


def _cell(parts: list[object]) -> np.ndarray:
    cell = np.empty(len(parts), object)
    for number, part in enumerate(parts):
        cell[number] = part
    return cell


def _history(arrays: LazyArrays) -> list[str]:
    texts = arrays["history"] if "history" in arrays else np.empty(0, str)
    return [str(text) for text in np.ravel(texts)] if texts.dtype.kind == "U" else []
