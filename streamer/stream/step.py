"""A step: bins that go out together, where they go, and what may change them on the way."""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.recordings.timed_spikes import SpikeTimes

__all__ = [
    "MOST_SPIKES",
    "SpikeSink",
    "Step",
    "Transform",
    "beginning",
    "bin_end_s",
    "event_bins",
    "multiplied",
    "spike_places",
    "timed_spikes",
    "times_in_bins",
    "times_of",
    "with_events",
]

MOST_SPIKES = 255  # of a unit in a bin: what a count holds


@dataclass(frozen=True, eq=False)
class Step:
    """Bins that go out together.

    Attributes
    ----------
    first_bin : int >= 0
        Number of the first bin, from 0 at the stream's start.
    counts : array of shape (bins, units), uint8
        Of fluorescence, float32 and without events.
    conditions : array of shape (bins, channels), float32
        What drove each bin.
    stamps_s : array of shape (bins,), s
        The end of each bin.
    event_units : array of shape (spikes,), int32
        The unit of each spike.
    event_stamps_s : array of shape (spikes,), s
        The time of each spike inside its bin, ascending.
    """

    first_bin: int
    counts: NDArray[np.uint8]
    conditions: NDArray[np.float32]
    stamps_s: NDArray[np.float64]
    event_units: NDArray[np.int32]
    event_stamps_s: NDArray[np.float64]

    @property
    def activity(self) -> float:
        """Number of spikes; of fluorescence, the sum of its values."""
        return float(len(self.event_units) if self.counts.dtype == np.uint8 else self.counts.sum(dtype=np.float64))


class SpikeSink(Protocol):
    """Where steps go; `push` must return at once, whatever its consumers do."""

    def push(self, step: Step) -> None: ...


class Transform(Protocol):
    """What changes a step at the moment when it is due, such as by a stimulus that arrived just now; must be quick."""

    def apply(self, step: Step) -> Step: ...


def bin_end_s(start_s: float, bin_size_s: float, bins: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the ends of bins, counted from the start in whole bins, so that no rounding error builds up."""
    return start_s + (bins + 1).astype(np.float64) * bin_size_s


def spike_places(counts: NDArray[np.uint8]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the bin and the unit of each spike, (spikes,), bin by bin; of fluorescence, none."""
    if counts.dtype != np.uint8:
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    places = np.flatnonzero(counts != 0)  # several times faster than `nonzero` of two axes
    bins, units = np.divmod(places, counts.shape[1])
    if counts.max(initial=0) > 1:
        spikes = counts[bins, units]
        bins, units = bins.repeat(spikes), units.repeat(spikes)
    return bins, units


def times_of(
    bins: NDArray[np.intp], units: NDArray[np.intp], start_s: float, bin_size_s: float, random: np.random.Generator
) -> SpikeTimes:
    """Give each spike a time of its own inside its bin.

    Parameters
    ----------
    bins, units : arrays of shape (spikes,)
        As of `spike_places`; bins counted from the start.
    start_s : float, s
        When bin 0 begins.
    bin_size_s : float > 0, s
    random : numpy.random.Generator
        Of `Purpose.EVENT_TIMES`; draws one number for each spike.
    """
    times = start_s + (bins + random.random(len(bins))) * bin_size_s
    order = np.argsort(times, kind="stable")
    return SpikeTimes(units[order].astype(np.int32), times[order])


def timed_spikes(
    counts: NDArray[np.uint8], first_bin: int, start_s: float, bin_size_s: float, random: np.random.Generator
) -> SpikeTimes:
    """Give each spike a time of its own inside its bin, the same however bins are cut into calls.

    Parameters
    ----------
    counts : array of shape (bins, units), uint8
        Of fluorescence, float32, no spikes.
    first_bin : int >= 0
        Number of the first bin, from 0 at the start.
    start_s : float, s
        When bin 0 begins.
    bin_size_s : float > 0, s
    random : numpy.random.Generator
        Of `Purpose.EVENT_TIMES`; draws one number for each spike.
    """
    bins, units = spike_places(counts)
    return times_of(first_bin + bins, units, start_s, bin_size_s, random)


def beginning(step: Step, bins: int) -> Step:
    """Return the first bins of a step, or all where it has no more."""
    if bins >= len(step.counts):
        return step
    spikes = int(step.counts[:bins].sum(dtype=np.intp)) if step.counts.dtype == np.uint8 else 0
    return replace(
        step,
        counts=step.counts[:bins],
        conditions=step.conditions[:bins],
        stamps_s=step.stamps_s[:bins],
        event_units=step.event_units[:spikes],
        event_stamps_s=step.event_stamps_s[:spikes],
    )


def event_bins(step: Step) -> NDArray[np.intp]:
    """Return the bin of the step that each of its events lies in, (spikes,); exact, as no time is compared."""
    return np.arange(len(step.counts)).repeat(step.counts.sum(axis=1, dtype=np.intp))


def with_events(step: Step, bins: NDArray[np.intp], units: NDArray[np.integer], stamps_s: NDArray[np.float64]) -> Step:
    """Return the step with other spikes; of more than 255 of a unit in a bin, the first 255.

    Parameters
    ----------
    step : Step
    bins, units : arrays of shape (spikes,), int
        Each spike's bin, counted from the step's first, and its unit.
    stamps_s : array of shape (spikes,), s
        Each spike's time inside its bin, in any order.
    """
    order = np.lexsort((stamps_s, bins))
    place = bins[order] * step.counts.shape[1] + units[order]
    counts = np.bincount(place, minlength=step.counts.size)
    if counts.max(initial=0) > MOST_SPIKES:
        grouped = np.argsort(place, kind="stable")
        rank = np.arange(len(place)) - np.searchsorted(place[grouped], place[grouped])
        order = order[np.sort(grouped[rank < MOST_SPIKES])]
    return replace(
        step,
        counts=counts.clip(max=MOST_SPIKES).astype(np.uint8).reshape(step.counts.shape),
        event_units=units[order].astype(np.int32),
        event_stamps_s=stamps_s[order],
    )


def times_in_bins(
    step: Step, bins: NDArray[np.intp], begin_s: float, random: np.random.Generator
) -> NDArray[np.float64]:
    """Draw a time, s, inside each of these bins of a step whose first bin begins at `begin_s`."""
    begins_s = np.concatenate([[begin_s], step.stamps_s[:-1]])
    return begins_s[bins] + random.random(len(bins)) * (step.stamps_s - begins_s)[bins]


def multiplied(step: Step, numbers: NDArray[np.integer], begin_s: float, random: np.random.Generator) -> Step:
    """Return the step with each spike as often as `numbers`, (spikes,), says; copies come at any time in its bin.

    Parameters
    ----------
    step : Step
    numbers : array of shape (spikes,), int >= 0
    begin_s : float, s
        When the step's first bin begins.
    random : numpy.random.Generator
        Draws one number for each copy.
    """
    bins, kept, copies = event_bins(step), numbers > 0, (numbers - 1).clip(min=0)
    copied = bins.repeat(copies)
    times_s = times_in_bins(step, copied, begin_s, random)
    return with_events(
        step,
        np.concatenate([bins[kept], copied]),
        np.concatenate([step.event_units[kept], step.event_units.repeat(copies)]),
        np.concatenate([step.event_stamps_s[kept], times_s]),
    )
