"""What a file holds of a stream that spikeloop made: which bins, by their numbers, and what made them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.condition import Condition
from spikeloop.models.recordings.provenance import Provenance, bin_numbers
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.repeats import join_recorded
from spikeloop.models.recordings.timed_spikes import SpikeTimes
from spikeloop.models.scalars import same_bin_size

__all__ = ["REMEDY", "Stated", "in_time", "recorded_of"]

SAME_TIME = 1e-6  # of a bin, by which rounding may move a time
PACES = 1e-3  # by which two clocks may differ
UNFIT_TIMES = "the file's own times of spikes are not those of its counts; none of them were compared"
REMEDY = "verify what generate or closedloop wrote, or what was recorded of spikeloop's streams"


@dataclass(frozen=True, eq=False)
class Stated:
    """A stream of counts, or what was generated, as a file holds it.

    Attributes
    ----------
    name : str
    provenance : Provenance
    unit_names : tuple of str
    bins : array of shape (bins,), int64
        The number of each bin, from 0 at the stream's start.
    counts : array of shape (bins, units)
    saturates : bool
        Whether 127 stands for 127 or more.
    condition_bins : array of shape (samples,), int64
    conditions : array of shape (samples, channels), float32, or None
        What drove these bins; a stream that can be stimulated has one channel more than its model.
    spikes : SpikeTimes or None
        The spikes' own times, by the clock of the provenance.
    markers : tuple of mappings
        What was done to the stream: gain, pause, resume, stimulate and perturb, each with `stamp_s`.
    written : bool
        Whether it was written as a whole, so that all spikes of all bins are there; each stream of a live recording
        begins and ends for itself. Times may then have been brought from the sender's clock to a recorder's, which runs
        at a pace of its own.
    damage : tuple of str
        What of the file can't be read or is missing, in sentences.
    has_markers : bool
        Whether the file has the stream's markers.
    channel_names : tuple of str, or None
        Of the conditions; None where the file has none.
    channels : tuple of Condition, or None
        The same with units and ranges; None where the file may have them from elsewhere than the bundle.
    off_bins : float >= 0
        By how much of a bin the file's times are off those of its header; 0 where that is too little to tell.
    """

    name: str
    provenance: Provenance
    unit_names: tuple[str, ...]
    bins: NDArray[np.int64]
    counts: NDArray[Any]
    saturates: bool
    condition_bins: NDArray[np.int64]
    conditions: NDArray[np.float32] | None
    spikes: SpikeTimes | None
    markers: tuple[Mapping[str, Any], ...] = ()
    written: bool = False
    damage: tuple[str, ...] = ()
    has_markers: bool = False
    channel_names: tuple[str, ...] | None = None
    channels: tuple[Condition, ...] | None = None
    off_bins: float = 0.0

    @property
    def made_at_once(self) -> bool:
        """Whether the spikes were generated into a file, by a clock that is 0 at its start, and never streamed."""
        return self.written and self.provenance.start_s == 0


def recorded_of(recording: Recording) -> Stated:
    """Return the bins of a recording that says what made it.

    Raises
    ------
    BadInputError
        If it does not, or its bins are others than those that were made.
    """
    made_by = recording.provenance
    if made_by is None:
        raise BadInputError(f"{recording.name}: expected a recording that says what made it, found none; {REMEDY}")
    if not same_bin_size(recording.bin_size_s, made_by.bin_size_s):
        sizes = 1000 * made_by.bin_size_s, 1000 * recording.bin_size_s
        raise BadInputError(
            f"{recording.name}: expected bins of {sizes[0]:g} ms, as they were made, found {sizes[1]:g} ms; verify the"
            " file as it was before its bins were joined"
        )
    lengths = recording.bins_of_repeats
    if recording.starts_s is None:
        first = np.cumsum(lengths) - lengths
    else:
        first = bin_numbers(np.array(recording.starts_s), made_by) + 1
    bins = np.concatenate([begin + np.arange(length) for begin, length in zip(first, lengths, strict=True)])
    return Stated(
        recording.name,
        made_by,
        recording.unit_names,
        bins,
        join_recorded(recording.counts, recording.lengths),
        False,
        bins,
        join_recorded(recording.conditions, recording.lengths) if recording.channels else None,
        recording.spike_times,
        written=True,
        damage=(*recording.contradictions, *((UNFIT_TIMES,) if recording.unfit_times else ())),
        channel_names=tuple(channel.name for channel in recording.channels) or None,
        channels=recording.channels if recording.channels and made_by.start_s == 0 else None,
        off_bins=0.0 if recording.starts_s is None else _off_bins(np.array(recording.starts_s), first, made_by),
    )


def _off_bins(starts_s: Floats, first: NDArray[np.int64], made_by: Provenance) -> float:
    """Return by how much of a bin stretches begin beside the header's bins; another clock may run at another pace."""
    off_s = np.abs(starts_s - (made_by.start_s + first * made_by.bin_size_s))
    allowed = SAME_TIME * made_by.bin_size_s + (starts_s - starts_s[0]) * (0 if made_by.start_s == 0 else PACES)
    return float((off_s / made_by.bin_size_s).max()) if (off_s > allowed).any() else 0.0


def in_time(recorded: Stated) -> Stated:
    """Bring the bins, and what drove them, into the order of their numbers."""
    order = np.argsort(recorded.bins, kind="stable")
    driven = np.argsort(recorded.condition_bins, kind="stable")
    return replace(
        recorded,
        bins=recorded.bins[order],
        counts=recorded.counts[order],
        condition_bins=recorded.condition_bins[driven],
        conditions=None if recorded.conditions is None else recorded.conditions[driven],
    )
