"""The spikes' own times, of the bins of a recording that was read."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.assembly.chosen_units import with_chosen_units
from spikeloop.exporters.formats.assembly.counted import with_known_trials
from spikeloop.exporters.formats.choices import Choices
from spikeloop.exporters.formats.found import Found, SpikeTrains
from spikeloop.models.arrays import Floats
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.spike_times import EDGE_TOLERANCE
from spikeloop.models.recordings.timed_spikes import SpikeTimes

__all__ = ["SpikesInBins", "spikes_in_bins"]

AS_STORED = Choices()
BELOW_ONE = float(np.nextafter(1.0, 0.0))


@dataclass(frozen=True, eq=False)
class SpikesInBins:
    """Each spike of a recording, by bin and time.

    Attributes
    ----------
    bins : array of shape (spikes,), int64
        Counted over the recorded bins of all repeats; ascending.
    units : array of shape (spikes,), int32
    shares : array of shape (spikes,), float64
        Where in its bin a spike is, from 0 at its beginning to less than 1.
    """

    bins: NDArray[np.int64]
    units: NDArray[np.int32]
    shares: Floats


def spikes_in_bins(
    recording: Recording, found: Found | None = None, choices: Choices = AS_STORED
) -> SpikesInBins | None:
    """Find the time of each spike that a recording counts: its own, or those of the file that it was read from.

    Parameters
    ----------
    recording : Recording
    found : Found, optional
        What the file holds, and `choices` what was chosen of it.

    Returns
    -------
    SpikesInBins or None
        None where the file has no times on the recording's clock, or they are not those that were counted.
    """
    if recording.spike_times is not None and recording.starts_s is not None:
        return _own(recording, recording.spike_times, np.array(recording.starts_s))
    if found is None:
        return None
    prepared = with_chosen_units(with_known_trials(found, choices), choices)
    spikes, starts_s = prepared.spikes, recording.starts_s
    if not isinstance(spikes, SpikeTrains) or starts_s is None:
        return None
    if len(spikes.trains) != recording.units or (spikes.trial_of_spike is not None and prepared.trials is None):
        return None
    size, first, parts = recording.bin_size_s, 0, []
    trains = [np.sort(np.asarray(train, np.float64)) for train in spikes.trains]
    for start_s, bins in zip(starts_s, recording.bins_of_repeats.tolist(), strict=True):
        for unit, train in enumerate(trains):
            low, high = np.searchsorted(train, [start_s - size, start_s + bins * size])
            place = (train[low:high] - start_s) / size
            in_bin = np.floor(place + EDGE_TOLERANCE).astype(np.int64)
            inside = (in_bin >= 0) & (in_bin < bins)
            parts.append(((first + in_bin)[inside], np.full(int(inside.sum()), unit), (place - in_bin)[inside]))
        first += bins
    bins_of, units, shares = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((shares, bins_of))
    timed = SpikesInBins(bins_of[order], units[order].astype(np.int32), shares[order].clip(0.0, BELOW_ONE))
    return timed if _are_counted(timed, recording) else None


def _own(recording: Recording, times: SpikeTimes, starts_s: Floats) -> SpikesInBins:
    """Place the recording's own times, which are in the order of its bins."""
    in_bins = recording.counts.sum(axis=2, dtype=np.int64)
    repeat, place = np.indices(in_bins.shape).reshape(2, -1).repeat(in_bins.ravel(), axis=1)
    first = np.concatenate([[0], np.cumsum(recording.bins_of_repeats)[:-1]])
    shares = (times.times_s - starts_s[repeat]) / recording.bin_size_s - place
    return SpikesInBins(first[repeat] + place, times.units, shares.clip(0.0, BELOW_ONE))


def _are_counted(timed: SpikesInBins, recording: Recording) -> bool:
    place = timed.bins * recording.units + timed.units
    counted = recording.counts[recording.recorded]
    return bool(np.array_equal(np.bincount(place, minlength=counted.size), counted.ravel()))
