"""Larger bins: several bins of a recording made one."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.checks import MOST_IN_A_BIN
from spikeloop.models.recordings.cutting import part_of
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.repeats import lengths_of

__all__ = ["rebinned"]


def rebinned(recording: Recording, factor: int) -> Recording:
    """Make each run of `factor` bins one: counts are summed, conditions and fluorescence averaged.

    Bins at the end of a repeat that don't fill one more are left out, and so is a repeat shorter than one.

    Parameters
    ----------
    recording : Recording
    factor : int >= 1

    Raises
    ------
    BadInputError
        If no repeat has so many bins, a bin has more than 255 spikes, or a condition is a phase, which has no mean.
    """
    if factor == 1:
        return recording
    if phases := [channel.name for channel in recording.channels if channel.cyclic]:
        raise BadInputError(f"{recording.name}: the condition {phases[0]} counts bins, so that these can't be joined")
    lengths = recording.bins_of_repeats // factor
    if not lengths.any():
        raise BadInputError(f"{recording.name}: expected repeats of at least {factor} bins, found {recording.bins}")
    recording = part_of(recording, np.flatnonzero(lengths), slice(0, int(lengths.max()) * factor))
    lengths = recording.bins_of_repeats // factor

    def joined(values: NDArray) -> NDArray:
        whole = int(lengths.max()) * factor
        padding = ((0, 0), (0, max(0, whole - values.shape[1])), (0, 0))
        return np.pad(values, padding)[:, :whole].reshape(len(values), -1, factor, values.shape[2])

    runs = joined(recording.counts)
    counts = runs.sum(axis=2, dtype=np.int64) if recording.signal == "spikes" else runs.mean(axis=2)
    if recording.signal == "spikes" and counts.max() > MOST_IN_A_BIN:
        raise BadInputError(
            f"{recording.name}: expected at most {MOST_IN_A_BIN} spikes of a unit in a bin, found {counts.max()} in one"
            f" of {factor * recording.bin_size_s:g} s; choose a smaller bin size"
        )
    inside = np.arange(counts.shape[1]) < lengths[:, np.newaxis]
    driven_by = recording.driven_by
    return replace(
        recording,
        counts=np.where(inside[..., np.newaxis], counts, 0).astype(recording.counts.dtype),
        driven_by=None
        if driven_by is None
        else np.where(inside[..., np.newaxis], joined(driven_by).mean(axis=2), 0).astype(np.float32),
        bin_size_s=recording.bin_size_s * factor,
        lengths=lengths_of(lengths),
        history=(*recording.history, f"joined each {factor} bins of {recording.bin_size_s * 1000:g} ms"),
    )
