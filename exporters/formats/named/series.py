"""Conditions among arrays that have names."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.choices import TIME_UNITS, Choices, split_unit
from spikeloop.exporters.formats.found import Binned, Series, SpikeTrains
from spikeloop.exporters.formats.named.lazy_arrays import LazyArrays
from spikeloop.exporters.formats.named.sample_times import Clock, clock_of, sample_times_s
from spikeloop.exporters.formats.named.texts import existing, texts_in
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.repeats import pad_repeats

__all__ = ["channel_names", "series_in"]

TIMES_OF_SAMPLES = ("timestamps", "times", "time", "ts", "t")  # of a series, beside it
GENERATED = "condition"  # what `generate` calls them, as `--condition file:` takes it
RANGES = ("low", "high", "rest", "cyclic")


def series_in(
    arrays: LazyArrays, spikes: SpikeTrains | Binned, choices: Choices, path: Path, spikes_key: str = ""
) -> tuple[Series, ...]:
    """Find the conditions that were asked for, or else those that are called so.

    Parameters
    ----------
    arrays : LazyArrays
        `beside` the spikes.
    spikes : SpikeTrains or Binned
        Whose bins say which axis of the conditions is that of the bins.
    choices : Choices
        `conditions`: names, each with the arrays that it stands for, such as "cursor", "cursor[1]" or "vx,vy".
    path : Path
        For messages.
    spikes_key : str
        Of the spikes; one that ends in a unit of time, such as spike_times_ms, may say that of the other times.

    Raises
    ------
    BadInputError
        If they aren't there, are no numbers, or have times that can't be those of the spikes.
    """
    if choices.conditions:
        clock = clock_of(spikes, spikes_key, choices)
        return tuple(_asked(arrays, spikes, name, key, clock, path) for name, key in choices.conditions.items())
    if "conditions" in arrays:
        return _called_so(arrays, "conditions", spikes, path)
    generated = GENERATED in arrays and "condition_names" in arrays
    return _called_so(arrays, GENERATED, spikes, path) if generated else ()


def _called_so(arrays: LazyArrays, key: str, spikes: SpikeTrains | Binned, path: Path) -> tuple[Series, ...]:
    values = _numbers(arrays[key], spikes, f"{path}: expected numbers in {key}")
    number = values.shape[-1]
    names = texts_in(arrays, "condition_names") or [f"condition {i}" for i in range(number)]
    units = texts_in(arrays, "condition_units") or [""] * len(names)
    if not len(names) == len(units) == number:
        raise BadInputError(
            f"{path}: expected a name and a unit for each of {number} conditions, found {len(names)} names and"
            f" {len(units)} units"
        )
    return (Series(values, None, tuple(names), tuple(units), _ranges(arrays, number)),)


def _ranges(arrays: LazyArrays, number: int) -> tuple[dict[str, Any], ...] | None:
    rows = {entry: arrays[key] for entry in RANGES if (key := f"condition_{entry}s") in arrays}
    if len(rows) < len(RANGES) or any(row.size != number or row.dtype.kind not in "buif" for row in rows.values()):
        return None
    flat = {entry: np.ravel(row) for entry, row in rows.items()}
    return tuple(
        {entry: bool(row[i]) if entry == "cyclic" else row[i].item() for entry, row in flat.items()}
        for i in range(number)
    )


def _asked(arrays: LazyArrays, spikes: SpikeTrains | Binned, asked: str, keys: str, clock: Clock, path: Path) -> Series:
    """Read one condition, of one array or of several side by side."""
    parts, times = [], None
    for key in [keys] if keys in arrays or "," not in keys else [part.strip() for part in keys.split(",")]:
        found, column = _resolved(arrays, key, path)
        values = _numbers(arrays[found], spikes, f"--condition: expected numbers in {found}")
        if column is not None:
            if column >= values.shape[-1]:
                raise BadInputError(f"--condition: {found} has {values.shape[-1]} columns, found column {column}")
            values = values[..., column : column + 1]
        times = _times_of(arrays, found, values, spikes, clock)
        if parts and values.shape[:-1] != parts[0].shape[:-1]:
            raise BadInputError(f"--condition: expected arrays of one length in {keys!r:.80}, found {values.shape}")
        parts.append(values)
    values = np.concatenate(parts, axis=-1)
    name, unit = split_unit(asked)
    names = channel_names(name, values.shape[-1])
    return Series(values, times, names, (unit or "",) * len(names))


def _resolved(arrays: LazyArrays, key: str, path: Path) -> tuple[str, int | None]:
    """Find the array, and the column of "cursor[1]"."""
    match = re.fullmatch(r"(.+)\[(\d{1,6})\]", key)
    if match is None or key in arrays:
        return existing(arrays, "--condition", key, path), None
    return existing(arrays, "--condition", match[1], path), int(match[2])


def _numbers(values: NDArray[Any], spikes: SpikeTrains | Binned, expected: str) -> NDArray[Any]:
    """Bring conditions to shape (..., bins, channels)."""
    if values.dtype == object:
        return _ragged(values, spikes, expected)
    if values.dtype.kind not in "buif" or not values.size:
        raise BadInputError(f"{expected}, found {values.shape} of {values.dtype}")
    values = np.atleast_1d(values)
    if values.ndim == 1:
        return values[:, np.newaxis]
    if isinstance(spikes, SpikeTrains):
        return values.T if values.ndim == 2 and values.shape[0] == 1 else values
    bins = _bins_of(spikes)
    if values.ndim == 3 and isinstance(spikes.values, np.ndarray) and spikes.values.ndim == 3:
        return values
    if values.ndim == 2 and isinstance(spikes.values, np.ndarray) and spikes.values.ndim == 3:
        if values.shape == spikes.values.shape[:2]:  # one channel: (trials, bins)
            return values[..., np.newaxis]
        bins *= len(spikes.values)
    return values.T if values.ndim == 2 and values.shape[1] == bins != values.shape[0] else values


def _bins_of(spikes: Binned) -> int:
    if isinstance(spikes.values, np.ndarray):
        return spikes.values.shape[-2]
    return max((trial.shape[-2] for trial in spikes.values), default=0)


def _ragged(cell: NDArray[Any], spikes: SpikeTrains | Binned, expected: str) -> NDArray[Any]:
    """Bring a cell of trials to one array, filled up with NaN."""
    trials = [np.asarray(part) for part in cell.ravel(order="F")]
    trials = [trial for trial in trials if trial.size]
    if not trials or any(trial.dtype.kind not in "buif" or trial.ndim > 2 for trial in trials):
        raise BadInputError(f"{expected}, one array for each trial, found {cell.size} cells of other things")
    lengths: Sequence[int] = [] if isinstance(spikes, SpikeTrains) else [part.shape[-2] for part in spikes.values]
    bins = lengths if len(lengths) == len(trials) else [0] * len(trials)
    trials = [
        trial.T if trial.ndim == 2 and trial.shape[1] == length != trial.shape[0] else trial.reshape(len(trial), -1)
        for trial, length in zip(trials, bins, strict=True)
    ]
    if len({trial.shape[1] for trial in trials}) != 1:
        raise BadInputError(f"{expected}, of as many channels in each trial, found {[t.shape for t in trials[:3]]}")
    return pad_repeats(trials, np.nan)


def _times_of(
    arrays: LazyArrays, key: str, values: NDArray[Any], spikes: SpikeTrains | Binned, clock: Clock
) -> NDArray[np.float64] | None:
    """Find the times of the samples of a series that does not have one sample a bin."""
    if values.ndim != 2 or (isinstance(spikes, Binned) and len(values) == _bins_of(spikes)):
        return None
    prefix = f"{key.rpartition('.')[0]}." if "." in key else ""
    own = [f"{key}_{name}" for name in TIMES_OF_SAMPLES]
    names = (*own, *(f"{prefix}{name}" for name in TIMES_OF_SAMPLES))
    for name in (*names, *(f"{name}_{unit}" for name in names for unit in TIME_UNITS)):
        if name in arrays and arrays.entries[name].size == len(values) and arrays[name].dtype.kind in "iuf":
            return sample_times_s(np.ravel(arrays[name]), name, clock)
    return None


def channel_names(name: str, channels: int) -> tuple[str, ...]:
    """Name the channels of one series: "velocity", or "velocity x" and "velocity y", or "emg 0", "emg 1", ..."""
    if channels == 1:
        return (name,)
    letters = "xyz" if channels <= 3 else ""
    return tuple(f"{name} {letter}" for letter in letters[:channels] or map(str, range(channels)))
