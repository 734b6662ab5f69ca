import asyncio
import threading

import numpy as np
import pytest

from spikeloop.models.errors import FailureError
from spikeloop.models.recordings.condition import Condition, phase_condition
from spikeloop.streamer.conditions.drive import Drive
from spikeloop.streamer.conditions.feeds import ArrayFeed, PhaseFeed, RestFeed
from spikeloop.streamer.inference.window_engine import Engine
from spikeloop.streamer.stream.clock import SimulatedClock
from spikeloop.streamer.stream.health import Health
from spikeloop.streamer.stream.loop import WARM_UP_S, stream
from spikeloop.streamer.stream.source import WindowSource, open_source
from spikeloop.streamer.stream.step import bin_end_s
from tests.support.tiny import tiny_stream_bundle

REST = RestFeed(())
CHANNELS = (Condition("x", "cm/s", -1.0, 1.0), Condition("y", "cm/s", -1.0, 1.0, rest=0.5))


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
    await stream(
        source, (kept, *sinks), clock, health, REST,
        start_s=start_s, step_bins=step_bins, seed=seed, bins=bins,
    )  # fmt: skip
    return kept, health


@pytest.mark.parametrize("step_bins", [1, 20, 32, 50, 999])
async def test_spikes_stamps_and_events_do_not_depend_on_the_step(engine, step_bins, blockbuster):
    whole, _ = await run(engine, 600)
    kept, health = await run(engine, step_bins)
    for field in ("counts", "stamps_s", "event_units", "event_stamps_s"):
        np.testing.assert_array_equal(kept.joined(field), whole.joined(field))
    np.testing.assert_array_equal(kept.joined("counts"), WindowSource(engine, 0).next(600))
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
        unit_names, bin_size_s, run_bins, dtype = ("a", "b"), 0.02, 1, np.dtype(np.uint8)

        def warm_up(self) -> None:
            pass

        def next(self, bins, conditions=None):
            return np.tile(np.array([[3, 0]], np.uint8), (bins, 1))

    kept = Kept()
    await stream(Several(), [kept], SimulatedClock(), Health(0.02, 2), REST, start_s=0, step_bins=1, seed=0, bins=5)
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
    np.testing.assert_array_equal(kept.joined("counts"), WindowSource(engine, 0).next(600))
    report = health.report()
    assert report.late_steps == 4  # the stalled one and three more that were due before the clock caught up
    assert report.lateness_ms["max"] == pytest.approx(85)
    assert kept.pushed_s[-1] == kept.steps[-1].stamps_s[-1]  # on time again


async def test_nothing_of_a_broken_model_is_emitted():
    class Breaks:
        unit_names, bin_size_s, run_bins, dtype = ("a",), 0.02, 1, np.dtype(np.uint8)
        taken = 0

        def warm_up(self) -> None:
            pass

        def next(self, bins, conditions=None):
            self.taken += bins
            if self.taken > 40:
                raise FailureError("the generator gave nan")
            return np.ones((bins, 1), np.uint8)

    kept = Kept()
    with pytest.raises(FailureError, match="gave nan"):
        await stream(Breaks(), [kept], SimulatedClock(), Health(0.02, 1), REST, start_s=0, step_bins=5, seed=0)
    emitted = kept.joined("counts")
    assert len(emitted) == 40  # two chunks of 0.4 s, all that was sound, and nothing else
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


async def run_stream(bundle, condition, step_bins: int, bins: int = 300, seed: int = 4) -> Kept:
    clock = SimulatedClock(50.0)
    kept, health = Kept(clock), Health(bundle.card.bin_size_s, len(bundle.card.unit_names))
    source = await asyncio.to_thread(open_source, bundle, seed, "cpu")
    await stream(source, [kept], clock, health, condition, start_s=50.0, step_bins=step_bins, seed=seed, bins=bins)
    assert health.report().bins == bins
    assert health.report().late_steps == 0
    return kept


class Scripted(Drive):
    """A live condition that moves on every 30 ms, and keeps when it was asked."""

    known_ahead = False
    asked = "scripted"

    def __init__(self) -> None:
        self.asked_s: list[float] = []

    def at(self, ends_s: np.ndarray) -> np.ndarray:
        self.asked_s.append(float(ends_s[-1]))
        turns = np.floor((ends_s - 50.0 - 0.0005) / 0.03)
        return np.stack([np.cos(turns), np.sin(turns)], axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def driven(tmp_path_factory):
    return tiny_stream_bundle(tmp_path_factory.mktemp("driven") / "tiny", channels=CHANNELS, slow=2)


@pytest.mark.parametrize("step_bins", [1, 7, 20, 300])
async def test_a_live_session_is_repeated_bit_for_bit_by_the_conditions_it_recorded(driven, step_bins, blockbuster):
    script = Scripted()
    kept = await run_stream(driven, script, step_bins)
    assert script.asked_s == kept.pushed_s  # each step when it was due, none ahead
    conditions = kept.joined("conditions")
    np.testing.assert_array_equal(conditions, Scripted().at(kept.joined("stamps_s")))
    offline = await asyncio.to_thread(open_source, driven, 4, "cpu")
    np.testing.assert_array_equal(kept.joined("counts"), offline.next(300, conditions))

    replayed = await run_stream(driven, ArrayFeed(conditions, CHANNELS), step_bins=32)
    for field in ("counts", "conditions", "stamps_s", "event_units", "event_stamps_s"):
        np.testing.assert_array_equal(replayed.joined(field), kept.joined(field))
    at_rest = await run_stream(driven, RestFeed(CHANNELS), step_bins)
    assert not np.array_equal(at_rest.joined("counts"), kept.joined("counts"))


async def test_the_model_is_warmed_up_just_before_a_step_is_due_where_there_is_time():
    clock = SimulatedClock(50.0)
    warmed_s, taken_s = [], []

    class Watched:
        unit_names, bin_size_s, run_bins, dtype = ("a",), 0.02, 1, np.dtype(np.uint8)

        def warm_up(self) -> None:
            warmed_s.append(clock.now())

        def next(self, bins, conditions=None):
            taken_s.append(clock.now())
            clock.time_s += 0.05 if len(taken_s) == 5 else 0.0  # a stall: the next two are late
            return np.zeros((bins, 1), np.uint8)

    health = Health(0.02, 1)
    await stream(Watched(), [], clock, health, Scripted(), start_s=50, step_bins=1, seed=0, bins=10)
    due_s = 50 + 0.02 * np.arange(1, 11)
    soon = [due for due, taken in zip(due_s, taken_s, strict=True) if taken <= due + 1e-9]
    np.testing.assert_allclose(warmed_s, [due - WARM_UP_S for due in soon if due > due_s[0]])


@pytest.mark.parametrize("step_bins", [1, 20, 300])
async def test_every_bin_has_the_phase_of_its_own(tmp_path, step_bins):
    bundle = tiny_stream_bundle(tmp_path / "tiny", channels=(phase_condition(70),))
    kept = await run_stream(bundle, PhaseFeed(70, first=5), step_bins)
    np.testing.assert_array_equal(kept.joined("conditions")[:, 0], (np.arange(300) + 5) % 70)
    np.testing.assert_array_equal(kept.joined("counts"), open_source(bundle, 4).next(300, kept.joined("conditions")))


async def test_fluorescence_goes_out_as_it_is_and_without_events(tmp_path):
    bundle = tiny_stream_bundle(tmp_path / "tiny", distribution="fluorescence")
    kept = await run_stream(bundle, REST, 20)
    light = kept.joined("counts")
    assert light.dtype == np.float32
    assert light.max() > 1
    assert np.any(light % 1)
    assert len(kept.joined("event_units")) == 0
