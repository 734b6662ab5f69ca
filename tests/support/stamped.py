"""Recordings whose counts say where they are from."""

import numpy as np

from spikeloop.models.recordings.conditioning import with_conditions
from spikeloop.models.recordings.recording import Recording, from_counts

__all__ = ["stamped", "stamped_counts"]


def stamped_counts(repeats: int, bins: int) -> Recording:
    """A recording whose two units count repeat and bin."""
    return from_counts(np.stack(np.broadcast_arrays(np.arange(repeats)[:, None], np.arange(bins)), axis=2), 0.02)


def stamped(repeats: int, bins: int) -> Recording:
    """The same, with conditions that say repeat and bin too."""
    recording = stamped_counts(repeats, bins)
    return with_conditions(recording, recording.counts, ("repeat", "bin"), ("", "bin"))
