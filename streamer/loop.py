"""The async loop: a step of bins goes out at the end of its last bin, on absolute deadlines."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spikeloop.streamer.clock import Clock
from spikeloop.streamer.health import Health
from spikeloop.streamer.prefetch import Prefetcher
from spikeloop.streamer.source import EVENT_TIMES, SpikeSource, seeded

__all__ = ["SpikeSink", "Step", "bin_end_s", "stream"]


@dataclass(frozen=True, eq=False)
class Step:
    """Bins that go out together.

    Attributes
    ----------
    counts : uint8 array of shape (bins, units)
    stamps_s : float64 array of shape (bins,): the end of each bin
    event_units : int32 array of shape (spikes,)
    event_stamps_s : float64 array of shape (spikes,), ascending: each spike's own time inside its bin
    """

    first_bin: int
    counts: NDArray[np.uint8]
    stamps_s: NDArray[np.float64]
    event_units: NDArray[np.int32]
    event_stamps_s: NDArray[np.float64]


class SpikeSink(Protocol):
    """Where steps go; `push` must return at once, whatever its consumers do."""

    def push(self, step: Step) -> None: ...


def bin_end_s(start_s: float, bin_size_s: float, bins: NDArray[np.int64]) -> NDArray[np.float64]:
    """The ends of bins, counted from the start in whole bins, so that no rounding error builds up."""
    return start_s + (bins + 1) * bin_size_s


async def stream(
    source: SpikeSource,
    sinks: Iterable[SpikeSink],
    clock: Clock,
    health: Health,
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
    start_s : when bin 0 begins, on `clock`
    step_bins : int >= 1; where `bins` is no multiple of it, the last step is shorter
    seed : of the spikes' times inside their bins
    """
    sinks = tuple(sinks)
    event_random = seeded(seed, EVENT_TIMES)
    async with Prefetcher(source, step_bins) as prefetcher:
        health.start(start_s)
        first_bin = 0
        while bins is None or first_bin < bins:
            counts = await prefetcher.step()
            counts = counts if bins is None else counts[: bins - first_bin]
            step = _make_step(counts, first_bin, start_s, source.bin_size_s, event_random)
            due_s = float(step.stamps_s[-1])
            await clock.sleep_until(due_s)
            for sink in sinks:
                sink.push(step)
            health.step(counts, due_s, clock.now())
            first_bin += len(counts)


def _make_step(
    counts: NDArray[np.uint8], first_bin: int, start_s: float, bin_size_s: float, random: np.random.Generator
) -> Step:
    bins, units = counts.nonzero()
    if counts.max(initial=0) > 1:
        spikes = counts[bins, units]
        bins, units = bins.repeat(spikes), units.repeat(spikes)
    times = start_s + (first_bin + bins + random.random(len(bins))) * bin_size_s
    order = np.argsort(times, kind="stable")
    return Step(
        first_bin=first_bin,
        counts=counts,
        stamps_s=bin_end_s(start_s, bin_size_s, np.arange(first_bin, first_bin + len(counts))),
        event_units=units[order].astype(np.int32),
        event_stamps_s=times[order],
    )
