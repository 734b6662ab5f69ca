"""From the counts of a file, or its fluorescence, to a recording."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.assembly.counting_memory import COUNTS, memory_of_counts
from spikeloop.exporters.formats.choices import MOST_BINS, Choices
from spikeloop.exporters.formats.found import Binned, Found
from spikeloop.models.errors import BadInputError
from spikeloop.models.memory import require_memory
from spikeloop.models.recordings.checks import checked_bin_size
from spikeloop.models.recordings.recording import Recording, from_counts, from_fluorescence
from spikeloop.models.recordings.repeats import lengths_of, pad_repeats
from spikeloop.models.recordings.timed_spikes import fits_counts

__all__ = ["joined_bins", "recording_of_bins"]

WHOLE = 1e-6  # how far a count may be from a whole number, relative to 1 and to the count
SAME_SIZE = 0.01  # of one bin of the file: bins of 33.3 ms are those of 1/30 s, whose size is kept
LEAST_TO_BE_RATES = 20  # filled bins, all of them multiples of a rate of one spike a bin


def recording_of_bins(found: Found, spikes: Binned, choices: Choices) -> tuple[Recording, NDArray[np.bool_]]:
    """Make a recording of counts, or of fluorescence, that are binned already; and say which bins were recorded.

    Raises
    ------
    BadInputError
        If the size of the bins is not known, or the values are neither counts nor rates.
    """
    size = choices.bin_size_s if spikes.bin_size_s is None else spikes.bin_size_s
    if size is None:
        raise BadInputError(
            f"{found.name}: no bin_size_s in the file; give the bin size, e.g. --bin-size-ms 20 (in Python,"
            " bin_size_s=0.02)"
        )
    size = checked_bin_size(size, found.name)
    require_memory(COUNTS, _memory_of(spikes.values))
    values, lengths = _padded(spikes.values)
    values, recorded, history = _without_nan(values, lengths, found.name)
    if spikes.signal == "fluorescence":
        recording = from_fluorescence(values, size, found.unit_names, found.name, found.origin)
    else:
        counts, how = _whole_counts(values, size)
        recording = from_counts(counts, size, found.unit_names, found.name, found.origin)
        history += how
    starts = spikes.starts_s
    times = spikes.spike_times
    unfit = times is not None and (starts is None or not fits_counts(times, recording.counts))
    if unfit:
        history.append("left out the spikes' own times, as they are not those of its counts")
    recording = replace(
        recording,
        lengths=lengths_of(lengths),
        starts_s=None if starts is None else tuple(np.asarray(starts, np.float64).tolist()),
        history=tuple(history),
        spike_times=None if unfit else times,
        unfit_times=unfit,
    )
    return recording, recorded


def _memory_of(values: NDArray[Any] | Sequence[NDArray[Any]]) -> float:
    """Return the bytes that turning values into counts takes; those of trials are padded to the longest one first."""
    if isinstance(values, np.ndarray):
        return memory_of_counts(values.size, values.dtype)
    if not len(values):
        return 0
    padded = max(map(len, values)) * sum(trial.shape[-1] for trial in values)
    return memory_of_counts(padded, values[0].dtype) + padded * values[0].dtype.itemsize


def joined_bins(spikes: Binned, choices: Choices, name: str) -> int:
    """Return how many bins of the file make one of the chosen size; BadInputError where these are not whole."""
    if spikes.bin_size_s is None or choices.bin_size_s is None:
        return 1
    ratio = choices.bin_size_s / checked_bin_size(spikes.bin_size_s, name)
    if not 0.5 < ratio <= MOST_BINS or abs(ratio - round(ratio)) > SAME_SIZE:
        raise BadInputError(
            f"{name}: its counts are in bins of {spikes.bin_size_s * 1000:g} ms; expected --bin-size-ms (bin_size_s) to"
            f" be a multiple of that, found {choices.bin_size_s * 1000:g} ms"
        )
    return round(ratio)


def _padded(values: NDArray[Any] | Sequence[NDArray[Any]]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Give values an axis of trials, and find the bins of each trial. A trial ends where only rows of NaN follow."""
    if not isinstance(values, np.ndarray):
        lengths = np.array([len(trial) for trial in values])
        return pad_repeats(values), lengths
    values = values[np.newaxis] if values.ndim == 2 else values
    lengths = np.full(len(values), values.shape[1] if values.ndim == 3 else 0)
    if values.ndim == 3 and values.dtype.kind == "f" and values.size and np.isnan(values[:, -1]).all(axis=-1).any():
        nothing: NDArray[np.bool_] = np.asarray(np.isnan(values).all(axis=2))
        lengths = np.where(nothing.all(axis=1), 0, values.shape[1] - np.argmin(nothing[:, ::-1], axis=1))
    return values, lengths


def _without_nan(
    values: NDArray[Any], lengths: NDArray[np.int64], name: str
) -> tuple[NDArray[Any], NDArray[np.bool_], list[str]]:
    """Replace NaN by 0, where whole bins have it; and say which bins were recorded."""
    recorded = np.arange(values.shape[1]) < lengths[:, np.newaxis] if values.ndim == 3 else np.ones((1, 1), bool)
    if values.ndim != 3 or values.dtype.kind != "f" or not np.isnan(values).any():
        return values, recorded, []
    missing = np.isnan(values)
    some = missing.any(axis=2) & ~missing.all(axis=2)
    if some.any():
        trial, bin_ = np.argwhere(some)[0]
        units = np.flatnonzero(missing.any(axis=(0, 1)))
        raise BadInputError(
            f"{name}: expected counts, found NaN for some units only, in {int(some.sum())} bins, first in trial"
            f" {trial}, bin {bin_}, unit {np.flatnonzero(missing[trial, bin_])[0]}; {len(units)} units have NaN:"
            " leave them out with --units"
        )
    inner = missing.all(axis=2) & recorded
    history = [f"left out {int(inner.sum())} bins of NaN"] if inner.any() else []
    return np.where(missing, 0, values), recorded & ~inner, history


def _whole_counts(values: NDArray[Any], size: float) -> tuple[NDArray[Any], list[str]]:
    """Round what is whole but for rounding errors, and turn exact rates in Hz into counts."""
    if values.dtype.kind != "f" or not values.size or not np.isfinite(values).all():
        return values, []
    filled = values[np.abs(values) > WHOLE]
    can_be_rates = size < 0.99
    if can_be_rates and len(filled) >= LEAST_TO_BE_RATES and _is_whole(filled * size) and _are_spikes(filled * size):
        return np.rint(values * size), [f"took the values for rates in Hz: counts are rates x {size:g} s"]
    return (np.rint(values) if _is_whole(values) else values), []


def _are_spikes(values: NDArray[Any]) -> bool:
    """Say whether none of these is so small that it would be no spike at all."""
    return bool((np.abs(values) > 0.5).all())


def _is_whole(values: NDArray[Any]) -> bool:
    nearest = np.rint(values)
    return bool((np.abs(values - nearest) <= WHOLE * np.maximum(1.0, np.abs(nearest))).all())
