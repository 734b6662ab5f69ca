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
    "bin_end_s",
    "event_bins",
    "multiplied",
    "timed_spikes",
    "times_in_bins",
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


class SpikeSink(Protocol):
    """Where steps go; `push` must return at once, whatever its consumers do."""

    def push(self, step: Step) -> None: ...


class Transform(Protocol):
    """What changes a step at the moment when it is due, such as by a stimulus that arrived just now; must be quick."""

    def apply(self, step: Step) -> Step: ...


def bin_end_s(start_s: float, bin_size_s: float, bins: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the ends of bins, counted from the start in whole bins, so that no rounding error builds up."""
    return start_s + (bins + 1).astype(np.float64) * bin_size_s


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
    spiking = counts.dtype == np.uint8
    bins, units = counts.nonzero() if spiking else np.zeros((2, 0), np.intp)
    if spiking and counts.max(initial=0) > 1:
        spikes = counts[bins, units]
        bins, units = bins.repeat(spikes), units.repeat(spikes)
    times = start_s + (first_bin + bins + random.random(len(bins))) * bin_size_s
    order = np.argsort(times, kind="stable")
    return SpikeTimes(units[order].astype(np.int32), times[order])


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
