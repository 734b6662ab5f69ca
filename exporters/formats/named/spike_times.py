"""Spike times among arrays that have names: a time and a unit for each spike, a row a unit, or cells."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.choices import TIME_UNITS, Choices, per_second
from spikeloop.exporters.formats.found import SpikeTrains
from spikeloop.exporters.formats.named.cells_of_times import Leaf, leaves_of, look_like_trains, trains_of_cells
from spikeloop.exporters.formats.named.lazy_arrays import LazyArrays
from spikeloop.exporters.formats.named.texts import existing, number_in, texts_in
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.spike_times import trains_of
from spikeloop.models.recordings.trial_ids import trials_of_ids

__all__ = [
    "AMBIGUOUS_TIME_KEYS",
    "TIME_KEYS",
    "is_times",
    "looks_like_times",
    "scale_of_key",
    "spike_trains",
    "unit_key_of",
]

TIME_KEYS = (
    *("spike_times", "spiketimes", "spike_time", "spike_times_s", "spike_time_s", "spike_times_ms", "spike_time_ms"),
    *("spike_timestamps", "spiketimestamps", "spike_ts", "spike_samples", "spk_times", "spktimes", "spiketrains"),
)
AMBIGUOUS_TIME_KEYS = ("times", "timestamps", "ts", "time")  # of spikes only where something says whose they are
UNIT_KEYS = (
    *("unit_ids", "unit_id", "unit", "units", "neuron_ids", "neuron_id", "neuron", "neurons"),
    *("spike_clusters", "spike_units", "spike_unit", "clusters", "cluster_ids", "cluster_id", "cluster", "clu", "ids"),
)
TRIAL_KEYS = ("trial_ids", "trials", "trial", "trial_id", "spike_trials")
NAME_KEYS = ("unit_names", "unitnames", "neuron_names", "channel_names")
NAME_KEYS_INSIDE = (*NAME_KEYS, "names", "name", "labels", "label")
START_KEYS, STOP_KEYS = ("tmin", "start_s", "t_start"), ("tmax", "stop_s", "t_stop")
LOOKS_LIKE_TIMES = 1000  # values that never fall, of one axis


def scale_of_key(key: str) -> float | None:
    """Read the unit of time off a key that ends in one, such as spike_time_ms."""
    return TIME_UNITS.get(key.lower().rpartition("_")[2])


def looks_like_times(values: NDArray[Any]) -> bool:
    """Say whether a row of numbers never falls, as sorted spike times or numbers of samples do."""
    row = np.ravel(values)
    if row.dtype.kind not in "iuf" or row.size < LOOKS_LIKE_TIMES or max(row.shape) != row.size:
        return False
    return bool((np.diff(row.astype(np.float64)) >= 0).all() and row[-1] > 255)


def unit_key_of(arrays: LazyArrays, key: str) -> str | None:
    """Return the array that names the unit of each spike of another, where there is one of a known name."""
    return _one_of(arrays.beside(key), UNIT_KEYS, arrays.entries[key].size)


def is_times(arrays: LazyArrays, key: str) -> bool:
    """Say whether an array holds spike times, by its name, by what is beside it, or as cells of rising numbers."""
    short = key.lower().rpartition(".")[2]
    if arrays.entries[key].dtype == object:
        return look_like_trains(leaves_of(arrays[key]), short in (*TIME_KEYS, *AMBIGUOUS_TIME_KEYS))
    if short in AMBIGUOUS_TIME_KEYS:
        return unit_key_of(arrays, key) is not None
    return short in TIME_KEYS


def spike_trains(
    arrays: LazyArrays, key: str, choices: Choices, path: Path
) -> tuple[SpikeTrains, tuple[str, ...] | None, list[str]]:
    """Read spike times; also names of units where the file has any, and what was done.

    Parameters
    ----------
    arrays : LazyArrays
    key : str
        Of the times: cells; a row a unit, padded with NaN; or one time for each spike, with the unit of each beside.
    choices : Choices
        `unit_key`, `trial_key`, `time_unit`, `axes`.
    path : Path
        For messages.

    Raises
    ------
    BadInputError
        If the unit of each spike isn't known, or the unit of time isn't.
    """
    beside, values, history = arrays.beside(key), arrays[key], []
    given = _names_in(beside, "." in key)
    if values.dtype == object:
        leaves = leaves_of(values)
        assert leaves is not None
        spikes, names, history = trains_of_cells(
            key, values, leaves, choices.axes, None if given is None else len(given)
        )
    elif choices.unit_key is None and unit_key_of(arrays, key) is None and (rows := _rows_of(values)) is not None:
        spikes, names, history = SpikeTrains(rows), None, [f"took each of {len(rows)} rows of {key} for a unit"]
    else:
        spikes, names, history = _flat_trains(beside, key, choices, path)
    spikes = _in_seconds(beside, key, spikes, choices, path)
    return spikes, given if given is not None and len(given) == len(spikes.trains) else names, history


def _names_in(beside: LazyArrays, inside: bool) -> tuple[str, ...] | None:
    for name in NAME_KEYS_INSIDE if inside else NAME_KEYS:
        if name in beside and (texts := texts_in(beside, name)):
            return tuple(texts)
    return None


def _rows_of(values: NDArray[Any]) -> list[NDArray[Any]] | None:
    """Read times that are laid out a row, or a column, a unit, filled up with NaN."""
    if values.ndim != 2 or min(values.shape) < 2 or values.dtype.kind != "f":
        return None
    for rows in (values, values.T):
        kept = [np.asarray(row[~np.isnan(row)], np.float64) for row in rows]
        if look_like_trains([Leaf("", row) for row in kept]):
            return kept
    return None


def _flat_trains(
    beside: LazyArrays, key: str, choices: Choices, path: Path
) -> tuple[SpikeTrains, tuple[str, ...], list[str]]:
    """Read a time, a unit and, where there is one, a trial for each spike."""
    times = np.ravel(beside[key])
    if times.dtype.kind not in "iuf":
        raise BadInputError(f"{path}: expected spike times in {key}, found {times.size} values of type {times.dtype}")
    unit_key = choices.unit_key or _one_of(beside, UNIT_KEYS, times.size)
    if unit_key is None:
        raise BadInputError(
            f"{path}: {key} are times; expected the unit of each of them in an array such as {UNIT_KEYS[0]}, found"
            f" {', '.join(beside):.400}; name it with --unit-key"
        )
    units = _as_ids(np.ravel(beside[existing(beside, "--unit-key", unit_key, path)]), unit_key, path)
    trial_key = choices.trial_key or _one_of(beside, TRIAL_KEYS, times.size)
    trains, names = trains_of(times, units, path.name)
    if trial_key is None:
        return SpikeTrains(trains), names, []
    numbers = _as_ids(np.ravel(beside[existing(beside, "--trial-key", trial_key, path)]), trial_key, path)
    if numbers.shape != times.shape:
        raise BadInputError(f"{path}: expected a trial for each of {times.size} spikes, found {numbers.size}")
    which, number, numbering = trials_of_ids(numbers)
    trials = [trial.astype(np.int64) for trial in trains_of(which, units, path.name)[0]]
    return SpikeTrains(trains, trials, trials=number), names, [f"{trial_key} {numbering}"] if numbering else []


def _in_seconds(beside: LazyArrays, key: str, spikes: SpikeTrains, choices: Choices, path: Path) -> SpikeTrains:
    """Bring times into seconds, but those of a chosen unit, which `assemble` does; and find start and stop."""
    if choices.time_unit:
        scale, trains = per_second(choices.time_unit), spikes.trains
    else:
        scale = scale_of_key(key) or _scale_of_seconds(spikes.trains, key, path)
        trains = spikes.trains if scale == 1 else [np.asarray(train, np.float64) / scale for train in spikes.trains]
    start = _end_s(beside, START_KEYS, scale) if spikes.start_s is None else spikes.start_s / scale
    stop = _end_s(beside, STOP_KEYS, scale) if spikes.stop_s is None else spikes.stop_s / scale
    if start is not None and stop is not None and start >= stop:
        start = stop = None
    return replace(spikes, trains=trains, start_s=start, stop_s=stop)


def _end_s(arrays: LazyArrays, keys: tuple[str, ...], scale: float) -> float | None:
    """Read a start or stop, in the unit that its key ends in, or else in that of the spikes."""
    for key in keys:
        found = number_in(arrays, key)
        if found is not None:
            return found / (scale_of_key(key) or scale)
    return None


def _scale_of_seconds(trains: Any, key: str, path: Path) -> float:
    """Make sure that times can be seconds: numbers of samples, and milliseconds, are whole."""
    filled = [train for train in trains if len(train)]
    if sum(map(len, filled)) > 1 and not any(np.any(np.asarray(train) % 1) for train in filled):
        raise BadInputError(
            f"{path}: expected times in seconds in {key}, found whole numbers up to"
            f" {max(np.max(train) for train in filled):g}; say what they are: --time-unit ms, or the sampling rate of"
            " numbers of samples, --time-unit '30000 Hz'"
        )
    return 1.0


def _one_of(arrays: LazyArrays, keys: tuple[str, ...], size: int) -> str | None:
    lower = {key.lower(): key for key in arrays}
    return next((lower[key] for key in keys if key in lower and arrays.entries[lower[key]].size == size), None)


def _as_ids(values: NDArray[Any], key: str, path: Path) -> NDArray[Any]:
    if values.dtype.kind == "f" and np.isfinite(values).all() and (values % 1 == 0).all():
        return values.astype(np.int64)
    if values.dtype.kind == "S":
        return np.char.decode(values, "utf-8", "replace")
    if values.dtype.kind == "O" and (texts := texts_in({key: values}, key)) is not None:
        return np.array(texts)
    if values.dtype.kind == "b":
        return values.astype(np.int64)
    if values.dtype.kind not in "iuU":
        raise BadInputError(f"{path}: expected whole numbers or text in {key}, found {values.dtype}")
    return values
