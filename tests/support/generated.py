"""Recordings with what generated ones hold: what made them, and when each spike came."""

from dataclasses import replace

import numpy as np

from spikeloop.models.recordings.provenance import Provenance
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.timed_spikes import SpikeTimes

__all__ = ["with_own_times", "with_provenance"]


def with_own_times(recording: Recording, random: np.random.Generator) -> Recording:
    """Give each spike a time in its bin; where repeats have no beginnings, one follows the other."""
    begins = recording.starts_s or tuple(
        (np.concatenate([[0.0], np.cumsum(recording.bins_of_repeats)[:-1]]) * recording.bin_size_s).tolist()
    )
    repeats, bins, units = np.nonzero(recording.counts)
    spikes = recording.counts[repeats, bins, units]
    repeats, bins, units = (places.repeat(spikes) for places in (repeats, bins, units))
    times = np.array(begins)[repeats] + (bins + random.random(len(bins))) * recording.bin_size_s
    order = np.lexsort((times, bins, repeats))
    own = SpikeTimes(units[order].astype(np.int32), times[order])
    return replace(recording, starts_s=begins, spike_times=own)


def with_provenance(recording: Recording, seed: int = 3, condition: str = "") -> Recording:
    """Say that a bundle made it."""
    made_by = Provenance("m1-sim", "ab" * 32, seed, recording.bin_size_s, 1, 0.0, condition)
    return replace(recording, provenance=made_by)
