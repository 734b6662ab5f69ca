"""The async loop: a step of bins goes out at the end of its last bin, on absolute deadlines."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spikeloop.streamer.clock import Clock
from spikeloop.streamer.condition import ConditionFeed
from spikeloop.streamer.health import Health
from spikeloop.streamer.source import EVENT_TIMES, SpikeSource, seeded
from spikeloop.streamer.supply import Driven, LiveCondition, OnDemand, Prefetcher

__all__ = ["SpikeSink", "Step", "Transform", "bin_end_s", "event_bins", "stream", "with_events"]


@dataclass(frozen=True, eq=False)
class Step:
    """Bins that go out together.

    Attributes
    ----------
    counts : uint8 array of shape (bins, units); of fluorescence, float32 and without events
    conditions : float32 array of shape (bins, channels): what drove each bin
    stamps_s : float64 array of shape (bins,): the end of each bin
    event_units : int32 array of shape (spikes,)
    event_stamps_s : float64 array of shape (spikes,), ascending: each spike's own time inside its bin
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
    """What changes a step at the moment that it is due, e.g. by a stimulus that came just now; must be quick."""

    def apply(self, step: Step) -> Step: ...


REHEARSED_S = 0.004  # before a step that is made when it is due, where there is time
MOST_SPIKES = 255  # of a unit in a bin: what a count holds


def bin_end_s(start_s: float, bin_size_s: float, bins: NDArray[np.int64]) -> NDArray[np.float64]:
    """The ends of bins, counted from the start in whole bins, so that no rounding error builds up."""
    return start_s + (bins + 1).astype(np.float64) * bin_size_s


async def stream(
    source: SpikeSource,
    sinks: Iterable[SpikeSink],
    clock: Clock,
    health: Health,
    condition: ConditionFeed | LiveCondition,
    *,
    start_s: float,
    step_bins: int,
    seed: int,
    bins: int | None = None,
    transforms: Iterable[Transform] = (),
) -> None:
    """Stream until `bins` went out, or until cancelled.

    After a stall the schedule is kept: what is due goes out at once, with its true stamps, counted as late.

    Parameters
    ----------
    condition : what drives the source. What is known ahead of time is generated ahead of time; with a live condition
        a step is generated when it is due, so that the latest sample counts
    start_s : when bin 0 begins, on `clock`
    step_bins : int >= 1; where `bins` is no multiple of it, the last step is shorter
    seed : of the spikes' times inside their bins
    transforms : change each step when it is due, one after the other, also where it was generated ahead of time
    """
    sinks, transforms = tuple(sinks), tuple(transforms)
    event_random = seeded(seed, EVENT_TIMES)
    ahead = isinstance(condition, ConditionFeed)
    supply = Prefetcher(source, condition, step_bins) if ahead else OnDemand(source, condition)
    async with supply:
        health.start(start_s)
        first_bin = 0
        while bins is None or first_bin < bins:
            length = step_bins if bins is None else min(step_bins, bins - first_bin)
            stamps_s = bin_end_s(start_s, source.bin_size_s, np.arange(first_bin, first_bin + length))
            due_s = float(stamps_s[-1])
            if isinstance(supply, OnDemand):
                if length * source.bin_size_s > 2 * REHEARSED_S and clock.now() < due_s - REHEARSED_S:
                    await clock.sleep_until(due_s - REHEARSED_S)
                    supply.rehearse()
                await clock.sleep_until(due_s)
            driven = await supply.step(stamps_s)
            step = _make_step(driven, first_bin, stamps_s, start_s, source.bin_size_s, event_random)
            if ahead:
                await clock.sleep_until(due_s)
            for transform in transforms:
                step = transform.apply(step)
            for sink in sinks:
                sink.push(step)
            health.step(step.counts, due_s, clock.now())
            first_bin += length


def _make_step(
    driven: Driven,
    first_bin: int,
    stamps_s: NDArray[np.float64],
    start_s: float,
    bin_size_s: float,
    random: np.random.Generator,
) -> Step:
    """Every spike given its own time; the last step may have fewer stamps than bins."""
    counts, conditions = driven.counts[: len(stamps_s)], driven.conditions[: len(stamps_s)]
    spiking = counts.dtype == np.uint8
    bins, units = counts.nonzero() if spiking else np.zeros((2, 0), np.intp)
    if spiking and counts.max(initial=0) > 1:
        spikes = counts[bins, units]
        bins, units = bins.repeat(spikes), units.repeat(spikes)
    times = start_s + (first_bin + bins + random.random(len(bins))) * bin_size_s
    order = np.argsort(times, kind="stable")
    return Step(
        first_bin=first_bin,
        counts=counts,
        conditions=conditions,
        stamps_s=stamps_s,
        event_units=units[order].astype(np.int32),
        event_stamps_s=times[order],
    )


def event_bins(step: Step) -> NDArray[np.intp]:
    """The bin of the step that each of its events lies in, (spikes,); exact, as no time is compared."""
    return np.arange(len(step.counts)).repeat(step.counts.sum(axis=1, dtype=np.intp))


def with_events(step: Step, bins: NDArray[np.intp], units: NDArray[np.integer], stamps_s: NDArray[np.float64]) -> Step:
    """The same step with other spikes; of more than 255 of a unit in a bin, the first 255.

    Parameters
    ----------
    bins, units : int arrays of shape (spikes,): each spike's bin, counted from the step's first, and its unit
    stamps_s : float64 array of shape (spikes,), in any order: each spike's time, inside its bin
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
