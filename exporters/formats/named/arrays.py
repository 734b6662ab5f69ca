"""Recordings from arrays that have names, as in NumPy archives and MATLAB files: which array is what."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.choices import Choices
from spikeloop.exporters.formats.found import Found, Item
from spikeloop.exporters.formats.named.counts import COUNT_KEYS, FLUORESCENCE_KEY, GENERIC_KEY, binned
from spikeloop.exporters.formats.named.generated import own_times_in, provenance_in
from spikeloop.exporters.formats.named.lazy_arrays import Entry, LazyArrays
from spikeloop.exporters.formats.named.series import series_in
from spikeloop.exporters.formats.named.spike_times import (
    AMBIGUOUS_TIME_KEYS,
    TIME_KEYS,
    is_times,
    looks_like_times,
    spike_trains,
)
from spikeloop.exporters.formats.named.texts import existing, text_in, texts_in
from spikeloop.models.errors import BadInputError

__all__ = ["find_in_arrays", "items_of_arrays"]

LOADED_TO_SEE = 2**22  # values of one axis, which distinguish times from anything else
MOST_LISTED = 400  # letters of a list, in a message
LABEL_KEYS = ("unit_labels", "quality", "unit_quality")


def items_of_arrays(arrays: Mapping[str, NDArray[Any]]) -> tuple[Item, ...]:
    """List arrays, and what each could be, without reading those that are large."""
    lazy = LazyArrays.of(arrays)
    return tuple(
        Item(key, _what(lazy, key, entry), entry.shape, str(entry.dtype), "" if entry.dtype.kind == "V" else entry.unit)
        for key, entry in lazy.entries.items()
    )


def _what(arrays: LazyArrays, key: str, entry: Entry) -> str:
    kind, short = entry.dtype.kind, key.rpartition(".")[2]
    if kind in "US":
        return "text"
    if kind == "V":
        return f"{entry.unit or 'object'} (not readable)"
    if kind == "O":
        return "spike times" if is_times(arrays, key) else "cells" if entry.size else "objects"
    if kind not in "buif":
        return "numbers"
    if is_times(arrays, key):
        return "spike times"
    if entry.size == max(entry.shape, default=1):
        rising = entry.size <= LOADED_TO_SEE and looks_like_times(arrays[key])
        return "spike times" if rising else "numbers" if entry.size <= 1 else "series"
    if len(entry.shape) in (2, 3):
        return "counts" if short in COUNT_KEYS else short if short == FLUORESCENCE_KEY else "counts or series"
    return "numbers"


def find_in_arrays(arrays: Mapping[str, NDArray[Any]], choices: Choices, path: Path) -> Found:
    """Find the spikes among named arrays, and what else `write_recording` writes beside them.

    Parameters
    ----------
    arrays : mapping of str to array
        Counts `spikes`, `counts` or `data` (or `fluorescence`), of shape (bins, units) or (repeats, bins, units), or
        cells of trials; or spike times and the unit of each, such as `spike_times` and `unit_ids`, or cells of spike
        times, a unit each. Beside them, where there are any: `bin_size_s`, `unit_names`, `name`, `origin`,
        `conditions` of shape (..., channels), `condition_names` and `condition_units`.
    choices : Choices
        `key`, `unit_key`, `trial_key` and `conditions` name other arrays.
    path : Path
        For names and messages.

    Raises
    ------
    BadInputError
        If there are no such arrays; lists those that there are.
    """
    lazy = LazyArrays.of(arrays)
    key = _spikes_key(lazy, choices, path)
    beside = lazy.beside(key)
    if choices.unit_key is not None or is_times(lazy, key):
        spikes, names, history = spike_trains(lazy, key, choices, path)
        units = len(spikes.trains)
    else:
        spikes, history = binned(beside, key, choices, path)
        spikes = replace(spikes, spike_times=own_times_in(lazy))
        given = texts_in(beside, "unit_names")
        names, units = None if given is None else tuple(given), None
    labels = next((texts for name in LABEL_KEYS if (texts := texts_in(beside, name))), None)
    return Found(
        spikes,
        names,
        tuple(labels) if labels is not None and len(labels) == (units or len(names or ())) else None,
        None,
        series_in(beside, spikes, choices, path, key),
        text_in(lazy, "name", path.stem),
        text_in(lazy, "origin", path.name),
        (*(texts_in(lazy, "history") or ()), *history),
        provenance=provenance_in(lazy),
    )


def _spikes_key(arrays: LazyArrays, choices: Choices, path: Path) -> str:
    if choices.key is not None:
        return existing(arrays, "--key", choices.key, path)
    known = (*(key for key in COUNT_KEYS if key != GENERIC_KEY), FLUORESCENCE_KEY)
    lower = {key.lower(): key for key in reversed(list(arrays))}
    ambiguous = [key for key in AMBIGUOUS_TIME_KEYS if key in lower and is_times(arrays, lower[key])]
    for wanted in (*known, *TIME_KEYS, *ambiguous):
        if wanted in lower:
            return lower[wanted]
    for wanted in (*known, *TIME_KEYS, GENERIC_KEY):
        if wanted == GENERIC_KEY and wanted in lower:
            return lower[wanted]
        inside = [key for name, key in lower.items() if name.endswith(f".{wanted}")]
        if len(inside) == 1:
            return inside[0]
    return _only_cells(arrays) or _refuse(arrays, path)


def _only_cells(arrays: LazyArrays) -> str | None:
    """Return the cells of spike times, where there is one such array."""
    cells = [key for key, entry in arrays.entries.items() if entry.dtype == object and is_times(arrays, key)]
    return cells[0] if len(cells) == 1 else None


def _refuse(arrays: LazyArrays, path: Path) -> str:
    items = items_of_arrays(arrays)
    candidates = _candidates(arrays, items)
    there_is = ", ".join(f"{item.path} {item.shape}" for item in items) or "none"
    unreadable = [f"{item.path} is a MATLAB {item.what}" for item in items if "not readable" in item.what]
    remedy = f"name yours with --key{f', e.g. --key {candidates[0]}' if candidates else ''}"
    remedy += f" (or {', '.join(candidates[1:4])})" if candidates[1:] else ""
    raise BadInputError(
        f"{path}: expected an array named {', '.join((*COUNT_KEYS, FLUORESCENCE_KEY))} or {TIME_KEYS[0]}; found"
        f" {there_is:.{MOST_LISTED}}; {'; '.join((*unreadable[:2], remedy))}"
    )


def _candidates(arrays: LazyArrays, items: tuple[Item, ...]) -> list[str]:
    """List what could be the spikes: spike times, and counts, which are 0 or more, of the most units first."""
    likely = [item for item in items if item.what in ("counts", "counts or series", "spike times")]
    sizes = {item.path: math.prod(item.shape) for item in likely}
    counts = [
        item
        for item in likely
        if sizes[item.path] > LOADED_TO_SEE or item.dtype == "object" or np.min(arrays[item.path], initial=0) >= 0
    ]
    return [item.path for item in sorted(counts, key=lambda item: -item.shape[-1])]
