import asyncio
import threading

import numpy as np
import pytest

from spikeloop.models.errors import FailureError
from spikeloop.streamer.clock import SimulatedClock
from spikeloop.streamer.engine import Engine
from spikeloop.streamer.health import Health
from spikeloop.streamer.loop import bin_end_s, stream
from spikeloop.streamer.source import WindowSource


class Kept:
    """A sink that keeps what it gets, and when it got it."""

    def __init__(self, clock=None) -> None:
        self.steps, self.pushed_s, self.clock = [], [], clock

    def push(self, step) -> None:
        self.steps.append(step)
        if self.clock:
            self.pushed_s.append(self.clock.now())

    def joined(self, field: str) -> np.ndarray:
        return np.concatenate([getattr(step, field) for step in self.steps])


@pytest.fixture(scope="module")
def engine(bundle):
    return Engine(bundle, "cpu")


async def run(engine, step_bins, bins: int | None = 600, seed=0, start_s=1000.1, clock=None, sinks=()):
    clock = clock or SimulatedClock(start_s)
    kept, health = Kept(clock), Health(0.001, 96)
    source = WindowSource(engine, seed)
    await stream(source, (kept, *sinks), clock, health, start_s=start_s, step_bins=step_bins, seed=seed, bins=bins)
    return kept, health


@pytest.mark.parametrize("step_bins", [1, 20, 32, 50, 999])
async def test_spikes_stamps_and_events_do_not_depend_on_the_step(engine, step_bins, blockbuster):
    whole, _ = await run(engine, 600)
    kept, health = await run(engine, step_bins)
    for field in ("counts", "stamps_s", "event_units", "event_stamps_s"):
        np.testing.assert_array_equal(kept.joined(field), whole.joined(field))
    np.testing.assert_array_equal(kept.joined("counts"), WindowSource(engine, 0).take(600))
    assert health.report().bins == 600
    assert health.report().ratio == pytest.approx(1, abs=1e-9)


async def test_a_step_goes_out_at_the_end_of_its_last_bin(engine):
    kept, health = await run(engine, 20)
    assert kept.pushed_s == [step.stamps_s[-1] for step in kept.steps]
    assert [step.first_bin for step in kept.steps] == list(range(0, 600, 20))
    assert health.report().late_steps == 0


async def test_stamps_are_counted_in_bins_and_never_accumulated(engine):
    kept, _ = await run(engine, 7, bins=70)
    np.testing.assert_array_equal(kept.joined("stamps_s"), 1000.1 + np.arange(1, 71) * 0.001)
    a_year_of_milliseconds = np.array([31_536_000_000])
    assert bin_end_s(0.0, 0.001, a_year_of_milliseconds)[0] == pytest.approx(31_536_000.001, abs=1e-8)


async def test_every_spike_is_an_event_inside_its_bin_in_order(engine):
    kept, _ = await run(engine, 20)
    times, units = kept.joined("event_stamps_s"), kept.joined("event_units")
    assert np.all(np.diff(times) >= 0)
    counts = np.zeros((600, 96), np.uint8)
    np.add.at(counts, (np.floor((times - 1000.1) / 0.001 + 1e-7).astype(int), units), 1)
    np.testing.assert_array_equal(counts, kept.joined("counts"))
    offsets = ((times - 1000.1) / 0.001) % 1
    assert abs(offsets.mean() - 0.5) < 0.02
    assert abs(offsets.std() - 12**-0.5) < 0.02


async def test_several_spikes_in_a_bin_are_several_events():
    class Several:
        unit_names, bin_size_s, run_bins = ("a", "b"), 0.02, 1

        def take(self, bins):
            return np.tile(np.array([[3, 0]], np.uint8), (bins, 1))

    kept = Kept()
    await stream(Several(), [kept], SimulatedClock(), Health(0.02, 2), start_s=0, step_bins=1, seed=0, bins=5)
    assert len(kept.joined("event_units")) == 15
    assert set(kept.joined("event_units")) == {0}
    assert len(set(kept.joined("event_stamps_s"))) == 15


async def test_after_a_stall_the_schedule_is_kept_and_late_steps_are_counted(engine):
    clock = SimulatedClock(1000.1)

    class Stalls:
        def push(self, step):
            if step.first_bin == 100:
                clock.time_s += 0.085  # more than four steps of 20 ms

    kept, health = await run(engine, 20, clock=clock, sinks=[Stalls()])
    np.testing.assert_array_equal(kept.joined("stamps_s"), 1000.1 + np.arange(1, 601) * 0.001)
    np.testing.assert_array_equal(kept.joined("counts"), WindowSource(engine, 0).take(600))
    report = health.report()
    assert report.late_steps == 4  # the stalled one and three more that were due before the clock caught up
    assert report.lateness_ms["max"] == pytest.approx(85)
    assert kept.pushed_s[-1] == kept.steps[-1].stamps_s[-1]  # on time again


async def test_nothing_of_a_broken_model_is_emitted():
    class Breaks:
        unit_names, bin_size_s, run_bins = ("a",), 0.02, 1
        taken = 0

        def take(self, bins):
            self.taken += bins
            if self.taken > 30:
                raise FailureError("the generator gave nan")
            return np.ones((bins, 1), np.uint8)

    kept = Kept()
    with pytest.raises(FailureError, match="gave nan"):
        await stream(Breaks(), [kept], SimulatedClock(), Health(0.02, 1), start_s=0, step_bins=5, seed=0)
    emitted = kept.joined("counts")
    assert len(emitted) == 30  # all that was sound, and nothing else
    assert emitted.all()


async def test_cancelling_leaves_nothing_running(engine):
    flowing = asyncio.Event()

    class Tells:
        def push(self, step):
            flowing.set()

    task = asyncio.create_task(run(engine, 20, bins=None, sinks=[Tells()]))
    await flowing.wait()
    assert [each for each in threading.enumerate() if each.name.startswith("spikeloop")]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not [each for each in threading.enumerate() if each.name.startswith("spikeloop")]


async def test_a_last_short_step_completes_the_bins(engine):
    kept, _ = await run(engine, 50, bins=120)
    assert [len(step.counts) for step in kept.steps] == [50, 50, 20]
