"""The async loop: a step of bins goes out at the end of its last bin, on absolute deadlines."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spikeloop.streamer.clock import Clock
from spikeloop.streamer.condition import ConditionFeed
from spikeloop.streamer.health import Health
from spikeloop.streamer.source import EVENT_TIMES, SpikeSource, seeded
from spikeloop.streamer.supply import Driven, LiveCondition, OnDemand, Prefetcher

__all__ = ["SpikeSink", "Step", "bin_end_s", "stream"]


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


REHEARSED_S = 0.004  # before a step that is made when it is due, where there is time


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
    """
    sinks = tuple(sinks)
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
