"""Recordings whose repeats differ in length, and the same with nonsense where nothing was recorded."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from spikeloop.models.recordings.conditioning import with_conditions
from spikeloop.models.recordings.recording import Recording, from_counts

__all__ = ["unequal", "with_garbage"]


def unequal(lengths: Sequence[int], units: int = 4, seed: int = 0, largest: int = 1) -> Recording:
    """Spikes of units that two smooth velocities drive, in repeats of these lengths."""
    random = np.random.Generator(np.random.Philox(seed))
    repeats, bins = len(lengths), max(lengths)
    steps = random.standard_normal((repeats, bins + 20, 2)).cumsum(axis=1)
    velocity = steps[:, 20:] - steps[:, :-20]
    drive = velocity @ random.standard_normal((2, units)) / 6
    counts = random.binomial(largest, 0.3 / (1 + np.exp(-drive)))
    recorded = np.arange(bins) < np.array(lengths)[:, np.newaxis]
    recording = from_counts(np.where(recorded[..., np.newaxis], counts, 0), 0.02, name="unequal")
    recording = replace(recording, lengths=tuple(lengths) if len(set(lengths)) > 1 else None)
    return with_conditions(recording, velocity, ["velocity x", "velocity y"], ["cm/s", "cm/s"])


def with_garbage(recording: Recording) -> Recording:
    """The same, with the largest counts and NaN behind the end of short repeats."""
    outside = ~recording.recorded[..., np.newaxis]
    return replace(
        recording,
        counts=np.where(outside, 255, recording.counts).astype(recording.counts.dtype),
        driven_by=None
        if recording.driven_by is None
        else np.where(outside, np.nan, recording.driven_by).astype(np.float32),
    )
