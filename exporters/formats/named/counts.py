"""Spike counts, or fluorescence, among arrays that have names."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.assembly.counting_memory import COUNTS, memory_of_counts
from spikeloop.exporters.formats.choices import Choices
from spikeloop.exporters.formats.found import Binned
from spikeloop.exporters.formats.named.lazy_arrays import LazyArrays
from spikeloop.exporters.formats.named.spike_times import looks_like_times
from spikeloop.exporters.formats.named.texts import stated_bin_size_s, texts_in
from spikeloop.models.errors import BadInputError
from spikeloop.models.memory import require_memory

__all__ = ["COUNT_KEYS", "FLUORESCENCE_KEY", "GENERIC_KEY", "binned", "with_axes_in_order"]

GENERIC_KEY = "data"  # also of images or raw signals: of spikes only where no other name is there
COUNT_KEYS = ("spikes", "counts", GENERIC_KEY)
FLUORESCENCE_KEY = "fluorescence"


def binned(arrays: LazyArrays, key: str, choices: Choices, path: Path) -> tuple[Binned, list[str]]:
    """Read counts; also what was done.

    Parameters
    ----------
    arrays : LazyArrays
        `beside` the counts.
    key : str
        Of the counts.
    choices : Choices
        `axes`, `bin_size_s`.
    path : Path
        For messages.

    Raises
    ------
    BadInputError
        If they can't be counts.
    """
    entry = arrays.entries[key]
    if entry.dtype.kind != "O":
        entry.check()
        require_memory(COUNTS, memory_of_counts(entry.size, entry.dtype))
    values = arrays[key]
    signal: Literal["spikes", "fluorescence"] = "fluorescence" if _short(key) == FLUORESCENCE_KEY else "spikes"
    size = stated_bin_size_s(arrays, path, choices)
    if values.dtype.kind == "O":
        trials, history = _in_order(_ragged(values, key, path), key, choices)
        return Binned(trials, size, None, signal), history
    if values.dtype.kind not in "buif":
        raise BadInputError(f"{path}: expected whole spike counts in {key}, found values of type {values.dtype}")
    if max(values.shape, default=0) == values.size and looks_like_times(values):
        raise BadInputError(
            f"{path}: {key} is a row of {values.size} numbers that never fall, up to {np.ravel(values)[-1]:g}: these"
            f" look like spike times or numbers of samples; say so with --key {key} --unit-key ARRAY, and"
            " --time-unit '30000 Hz' for samples"
        )
    history, names = [], texts_in(arrays, "unit_names")
    single = values.ndim in (1, 2) and values.size > 1 and values.size == max(values.shape)
    of_many_units = names is not None and values.ndim == 2 and values.shape[1] == len(names)
    if single and not of_many_units and choices.axes is None:
        values, history = values.reshape(-1, 1), [f"took {key}, which is a single row, for one unit"]
    _check_names(arrays, key, values, choices, path)
    ordered = with_axes_in_order(values, choices)
    starts = np.ravel(arrays["starts_s"]) if "starts_s" in arrays else np.empty(0)
    trials = len(ordered) if ordered.ndim == 3 else 1
    starts_s = starts if starts.dtype.kind in "fiu" and starts.shape == (trials,) else None
    lengths = np.ravel(arrays["lengths"]) if "lengths" in arrays else np.empty(0)
    if ordered.ndim == 3 and lengths.shape == (len(ordered),) and lengths.dtype.kind in "iu":
        if lengths.min() < 0 or lengths.max() > ordered.shape[1]:
            raise BadInputError(
                f"{path}: expected lengths from 0 to {ordered.shape[1]} bins, as {key} has, found {lengths.min()} to"
                f" {lengths.max()}; is the file damaged? mend the array lengths, or take it out"
            )
        cut = [trial[:length] for trial, length in zip(ordered, lengths.tolist(), strict=True)]
        return Binned(cut, size, starts_s, signal), history
    return Binned(ordered, size, starts_s, signal), history


def _short(key: str) -> str:
    return key.rpartition(".")[2].lower()


def _check_names(arrays: LazyArrays, key: str, values: NDArray[Any], choices: Choices, path: Path) -> None:
    """Refuse counts of which another axis than the last has as many entries as there are names of units."""
    names = texts_in(arrays, "unit_names")
    if names is None or choices.axes is not None or values.ndim not in (2, 3) or values.shape[-1] == len(names):
        return
    fitting = [axis for axis, length in enumerate(values.shape[:-1]) if length == len(names)]
    if len(fitting) == 1:
        others = ["trials", "bins"][3 - values.ndim :]
        order = [others.pop(0) if axis != fitting[0] else "units" for axis in range(values.ndim)]
        if values.ndim == 3 and fitting[0] == 0:
            order = ["units", "bins", "trials"]  # as MATLAB users have it
        raise BadInputError(
            f"{path}: expected a name for each unit on the last axis of {key} {values.shape}, found {len(names)} names,"
            f" as many as on axis {fitting[0]}; say the order with --axes {','.join(order)}"
        )


def _ragged(values: NDArray[Any], key: str, path: Path) -> list[NDArray[Any]]:
    """Read an array of arrays: one of shape (bins, units), or (units, bins), for each trial."""
    if not values.size:
        raise BadInputError(
            f"{path}: {key} was saved as Python objects, which are never loaded, as they could run any code; save it as"
            " numbers: of trials that differ in length, pad the short ones with NaN"
        )
    parts = list(values.ravel(order="F"))
    if len(parts) == 1 and isinstance(parts[0], np.ndarray) and parts[0].dtype == object:
        return _ragged(parts[0], key, path)
    trials = [part for part in parts if isinstance(part, np.ndarray)]
    if len(trials) < len(parts) or any(trial.ndim != 2 or trial.dtype.kind not in "buif" for trial in trials):
        kinds = ", ".join(
            f"{part.shape} of {part.dtype}" if isinstance(part, np.ndarray) else "a struct" for part in parts[:3]
        )
        raise BadInputError(
            f"{path}: expected arrays of shape (bins, units), one for each trial, or the spike times of each unit, in"
            f" {key}, found {kinds}"
        )
    return trials


def _in_order(trials: list[NDArray[Any]], key: str, choices: Choices) -> tuple[list[NDArray[Any]], list[str]]:
    """Leave empty trials out, and find the axis of the units, which is as long in each trial."""
    filled = [trial for trial in trials if trial.size]
    history = [f"left out {len(trials) - len(filled)} empty trials"] if len(filled) < len(trials) else []
    if choices.axes is None and filled:
        if len({trial.shape for trial in filled}) == len({trial.shape[0] for trial in filled}) == 1:
            pass  # nothing distinguishes the axes
        elif len({trial.shape[0] for trial in filled}) == 1 < len({trial.shape[1] for trial in filled}):
            return [trial.T for trial in filled], [
                *history,
                f"took the first axis of each trial of {key} for the units, as only that one is as long in each",
            ]
    if len(filled) > 1 and all(min(trial.shape) == 1 for trial in filled) and len({t.shape for t in filled}) == 1:
        columns = np.concatenate([trial.reshape(-1, 1) for trial in filled], axis=1)
        return [columns], [*history, f"took each of {len(filled)} cells of {key} for the counts of a unit"]
    return [with_axes_in_order(trial, choices) for trial in filled], history


def with_axes_in_order(values: NDArray[Any], choices: Choices) -> NDArray[Any]:
    """Bring the axes into the order trials, bins, units."""
    if choices.axes is None:
        return values
    axes = choices.axes if len(choices.axes) == values.ndim else tuple(a for a in choices.axes if a != "trials")
    if len(axes) != values.ndim or "bins" not in axes:
        raise BadInputError(f"--axes: expected {values.ndim} axes for an array of shape {values.shape}, found {axes}")
    return np.transpose(values, [axes.index(axis) for axis in ("trials", "bins", "units") if axis in axes])
