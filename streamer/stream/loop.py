"""The async loop: a step of bins goes out at the end of its last bin, on absolute deadlines."""

from collections.abc import Callable, Iterable
from functools import partial

from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.streamer.conditions.drive import Drive
from spikeloop.streamer.stream.clock import Clock
from spikeloop.streamer.stream.health import Health
from spikeloop.streamer.stream.source import SpikeSource
from spikeloop.streamer.stream.step import SpikeSink, Transform
from spikeloop.streamer.stream.supply import OnDemand, Prefetcher
from spikeloop.streamer.stream.timeline import Timeline

__all__ = ["stream"]

WARM_UP_S = 0.004  # before a step that is made when it is due, where there is time


async def stream(
    source: SpikeSource,
    sinks: Iterable[SpikeSink],
    clock: Clock,
    health: Health,
    drive: Drive,
    *,
    start_s: float,
    step_bins: int,
    seed: int,
    bins: int | None = None,
    next_length: Callable[[int], int] | None = None,
    transforms: Iterable[Transform] = (),
) -> None:
    """Stream until `bins` went out, or until cancelled.

    After a stall the schedule is kept: what is due goes out at once, with its true stamps, counted as late.

    Parameters
    ----------
    source, sinks, clock, health
        Where spikes come from, where they go, the time, and the figures that the loop keeps.
    drive : Drive
        Drives the source. With one that is known ahead of time steps are generated ahead of time; with a live one a
        step is generated when it is due, so that the latest sample counts.
    start_s : float, s
        When bin 0 begins, on `clock`.
    step_bins : int >= 1
        Bins of a step; where `bins` is no multiple of it, the last step is shorter.
    seed : int >= 0
        Of the spikes' times inside their bins.
    next_length : callable of int to int, optional
        Called with the number of the next bin before each step; returns how many bins it has, 0 at the end. Of a drive
        that is not known ahead of time; by default `step_bins`, and what is left of `bins`.
    transforms : iterable of Transform
        Change each step when it is due, one after the other, also where it was generated ahead of time.
    """
    sinks, transforms = tuple(sinks), tuple(transforms)
    if next_length is None:
        next_length = partial(_next_length, step_bins, bins)
    timeline = Timeline(start_s, source.bin_size_s, random_stream(seed, Purpose.EVENT_TIMES))
    supply = Prefetcher(source, drive, timeline, step_bins) if drive.known_ahead else OnDemand(source, drive, timeline)
    async with supply:
        health.start(start_s)
        first_bin = 0
        while (length := next_length(first_bin)) > 0:
            due_s = float(timeline.ends_s(first_bin + length - 1, 1)[0])
            if isinstance(supply, OnDemand):
                if length * source.bin_size_s > 2 * WARM_UP_S and clock.now() < due_s - WARM_UP_S:
                    await clock.sleep_until(due_s - WARM_UP_S)
                    supply.warm_up()
                await clock.sleep_until(due_s)
            step = await supply.step(first_bin, length)
            if drive.known_ahead:
                await clock.sleep_until(due_s)
            for transform in transforms:
                step = transform.apply(step)
            for sink in sinks:
                sink.push(step)
            health.step(len(step.counts), step.activity, due_s, clock.now())
            first_bin += length


def _next_length(step_bins: int, bins: int | None, first_bin: int) -> int:
    return step_bins if bins is None else min(step_bins, bins - first_bin)
