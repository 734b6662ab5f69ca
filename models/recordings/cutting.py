"""Parts of a recording: some repeats, some bins of each, and what is left where bins are left out."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.timed_spikes import SpikeTimes, of_stretches

__all__ = ["part_of", "split_where"]


def part_of(recording: Recording, repeats: slice | NDArray = slice(None), bins: slice = slice(None)) -> Recording:
    """Cut out some repeats, or some bins of each; a repeat of which nothing is left is dropped."""
    first, stop, _ = bins.indices(recording.bins)
    numbers = np.arange(recording.repeats)[repeats]
    starts_s = recording.starts_s
    lengths = np.clip(recording.bins_of_repeats[numbers] - first, 0, max(0, stop - first))
    spike_times = _times_of(recording, numbers, np.full(len(numbers), first), first + lengths)
    if recording.lengths is None:
        return replace(
            recording,
            counts=recording.counts[repeats, bins],
            driven_by=None if recording.driven_by is None else recording.driven_by[repeats, bins],
            starts_s=None if starts_s is None else tuple(starts_s[i] + first * recording.bin_size_s for i in numbers),
            spike_times=spike_times,
        )
    numbers, lengths = numbers[lengths > 0], lengths[lengths > 0]
    used = slice(first, first + int(lengths.max(initial=0)))
    return replace(
        recording,
        counts=recording.counts[numbers, used],
        driven_by=None if recording.driven_by is None else recording.driven_by[numbers, used],
        lengths=None if len(set(lengths.tolist())) <= 1 else tuple(lengths.tolist()),
        starts_s=None if starts_s is None else tuple(starts_s[i] + first * recording.bin_size_s for i in numbers),
        spike_times=spike_times,
    )


def _times_of(
    recording: Recording, repeats: NDArray[np.integer], begins: NDArray[np.integer], ends: NDArray[np.integer]
) -> SpikeTimes | None:
    """Return the spikes' own times in stretches of bins, where they are known."""
    if recording.spike_times is None:
        return None
    stretches = zip(repeats.tolist(), begins.tolist(), ends.tolist(), strict=True)
    return of_stretches(recording.spike_times, recording.counts, stretches)


def split_where(recording: Recording, kept: NDArray[np.bool_]) -> Recording:
    """Leave bins out, and cut the recording there: each run of bins that are kept becomes a repeat.

    Parameters
    ----------
    recording : Recording
    kept : array of shape (repeats, bins), bool

    Raises
    ------
    BadInputError
        If no bin is kept.
    """
    steps = np.diff(np.pad(kept & recording.recorded, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    (repeats, begins), (_, ends) = np.nonzero(steps == 1), np.nonzero(steps == -1)
    if not len(repeats):
        raise BadInputError(f"{recording.name}: expected bins to keep, found none")
    lengths = ends - begins
    inside = np.arange(lengths.max()) < lengths[:, np.newaxis]
    bins = np.where(inside, begins[:, np.newaxis] + np.arange(lengths.max()), 0)

    def cut(values: NDArray[Any]) -> NDArray[Any]:
        return np.where(inside[..., np.newaxis], values[repeats[:, np.newaxis], bins], values.dtype.type(0))

    starts_s = recording.starts_s
    return replace(
        recording,
        counts=cut(recording.counts),
        driven_by=None if recording.driven_by is None else cut(recording.driven_by),
        lengths=None if len(set(lengths.tolist())) == 1 else tuple(lengths.tolist()),
        starts_s=None
        if starts_s is None
        else tuple(starts_s[i] + float(b) * recording.bin_size_s for i, b in zip(repeats, begins, strict=True)),
        spike_times=_times_of(recording, repeats, begins, ends),
    )
