import threading
import time

import numpy as np
import pytest

from spikeloop.models.errors import FailureError
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.streamer.conditions.drive import Drive
from spikeloop.streamer.conditions.feeds import PhaseFeed, RestFeed
from spikeloop.streamer.stream.supply import OnDemand, Prefetcher
from spikeloop.streamer.stream.timeline import Timeline


def timeline() -> Timeline:
    return Timeline(0.0, 0.001, random_stream(0, Purpose.EVENT_TIMES))


class Counting:
    """Bin k holds k in every unit; fails at a chosen bin."""

    unit_names: tuple[str, ...] = ("a", "b")
    bin_size_s = 0.001
    run_bins = 1
    dtype = np.dtype(np.uint8)

    def __init__(self, fails_at: float = float("inf")) -> None:
        self.taken, self.fails_at = 0, fails_at
        self.threads: set[str] = set()

    def warm_up(self) -> None:
        pass

    def next(self, bins: int, conditions: np.ndarray | None = None) -> np.ndarray:
        assert conditions is not None
        assert len(conditions) == bins
        self.threads.add(threading.current_thread().name)
        if self.taken + bins > self.fails_at:
            raise FailureError("broken")
        first, self.taken = self.taken, self.taken + bins
        return np.repeat(np.arange(first, first + bins)[:, None], 2, axis=1).astype(np.uint8)


@pytest.mark.parametrize("step_bins", [1, 7, 20, 250])
async def test_steps_come_in_order_and_whole(step_bins, blockbuster):
    source = Counting()
    async with Prefetcher(source, PhaseFeed(1000), timeline(), step_bins) as prefetcher:
        steps = [await prefetcher.step(step * step_bins, step_bins) for step in range(20)]
    assert all(len(step.counts) == step_bins for step in steps)
    counts = np.concatenate([step.counts for step in steps])
    conditions = np.concatenate([step.conditions for step in steps])
    np.testing.assert_array_equal(counts[:, 0], np.arange(20 * step_bins).astype(np.uint8))
    np.testing.assert_array_equal(conditions[:, 0], np.arange(20 * step_bins) % 1000)
    assert all(name.startswith("spikeloop-prefetch") for name in source.threads)


async def test_little_is_taken_ahead():
    source = Counting()
    async with Prefetcher(source, RestFeed(()), timeline(), 20) as prefetcher:
        await prefetcher.step(0, 20)
    assert source.taken <= 4 * 400  # three chunks of 0.4 s and what was asked for


async def test_of_many_units_little_memory_is_used_at_once_and_as_much_time_is_ahead():
    source = Counting()
    source.unit_names = tuple(map(str, range(30_000)))
    async with Prefetcher(source, RestFeed(()), timeline(), 20) as prefetcher:
        steps = [await prefetcher.step(20 * step, 20) for step in range(20)]
    assert {len(step.counts) for step in steps} == {20}
    assert 400 <= source.taken <= 400 + 200  # no more than what was asked for and 0.2 s


async def test_what_the_source_raises_arrives_after_what_came_before_it():
    with pytest.raises(FailureError, match="broken"):
        async with Prefetcher(Counting(fails_at=250), RestFeed(()), timeline(), 50) as prefetcher:
            delivered = [await prefetcher.step(50 * step, 50) for step in range(4)]
            assert len(delivered) == 4
            await prefetcher.step(200, 50)


def workers() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name.startswith("spikeloop-prefetch")]


async def test_no_thread_outlives_the_context():
    async with Prefetcher(Counting(), RestFeed(()), timeline(), 20) as prefetcher:
        await prefetcher.step(0, 20)
        assert workers()
    assert not workers()


async def test_a_source_that_fails_at_once_leaves_no_thread_and_is_not_asked_again():
    source = Counting(fails_at=0)
    with pytest.raises(FailureError, match="broken"):
        async with Prefetcher(source, RestFeed(()), timeline(), 20):
            pass
    assert not workers()
    assert source.taken == 0


async def test_at_least_one_run_of_the_generator_is_ahead():
    """Where a run makes a second of spikes, having less than one ready would make steps late."""
    source = Counting()
    source.run_bins = 1024
    async with Prefetcher(source, RestFeed(()), timeline(), 20) as prefetcher:
        await prefetcher.step(0, 20)
    assert source.taken >= 1024


class Times(Drive):
    """The condition of a bin is its end."""

    known_ahead = False
    asked = "times"

    def at(self, ends_s: np.ndarray) -> np.ndarray:
        return ends_s.astype(np.float32)[:, np.newaxis]


async def test_on_demand_nothing_is_taken_ahead_and_conditions_are_asked_for_when_due():
    source = Counting()
    async with OnDemand(source, Times(), timeline()) as supply:
        for first in range(0, 60, 3):
            assert source.taken == first
            step = await supply.step(first, 3)
            np.testing.assert_array_equal(step.counts[:, 0], np.arange(first, first + 3))
            np.testing.assert_array_equal(step.conditions[:, 0], step.stamps_s.astype(np.float32))


@pytest.mark.parametrize(("bin_s", "beside"), [(0.0, False), (0.005, True)])
async def test_only_long_work_leaves_the_event_loop(bin_s, beside, monkeypatch):
    now_s = 0.0  # of a clock that only this work moves
    monkeypatch.setattr(time, "perf_counter", lambda: now_s)

    class Works(Counting):
        def next(self, bins: int, conditions: np.ndarray | None = None) -> np.ndarray:
            nonlocal now_s
            now_s += bins * bin_s
            return super().next(bins, conditions)

    source = Works()
    async with OnDemand(source, Times(), timeline()) as supply:
        for _ in range(40):  # until it knows how long a bin takes
            await supply.step(0, 1)
        source.threads.clear()
        await supply.step(0, 1)
    assert (threading.main_thread().name not in source.threads) == beside


async def test_what_the_source_raises_on_demand_arrives():
    async with OnDemand(Counting(fails_at=5), Times(), timeline()) as supply:
        await supply.step(0, 5)
        with pytest.raises(FailureError, match="broken"):
            await supply.step(5, 1)
