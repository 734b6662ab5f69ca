import threading

import numpy as np
import pytest

from spikeloop.models.errors import FailureError
from spikeloop.streamer.supply import Prefetcher


class Counting:
    """Bin k holds k in every unit; fails at a chosen bin."""

    unit_names = ("a", "b")
    bin_size_s = 0.001
    run_bins = 1

    def __init__(self, fails_at: float = float("inf")) -> None:
        self.taken, self.fails_at = 0, fails_at
        self.threads: set[str] = set()

    def take(self, bins: int) -> np.ndarray:
        self.threads.add(threading.current_thread().name)
        if self.taken + bins > self.fails_at:
            raise FailureError("broken")
        first, self.taken = self.taken, self.taken + bins
        return np.repeat(np.arange(first, first + bins)[:, None], 2, axis=1).astype(np.uint8)


@pytest.mark.parametrize("step_bins", [1, 7, 20, 250])
async def test_steps_come_in_order_and_whole(step_bins, blockbuster):
    source = Counting()
    async with Prefetcher(source, step_bins) as prefetcher:
        steps = [await prefetcher.step() for _ in range(20)]
    assert all(len(step) == step_bins for step in steps)
    np.testing.assert_array_equal(np.concatenate(steps)[:, 0], np.arange(20 * step_bins).astype(np.uint8))
    assert all(name.startswith("spikeloop-prefetch") for name in source.threads)


async def test_little_is_taken_ahead():
    source = Counting()
    async with Prefetcher(source, 20) as prefetcher:
        await prefetcher.step()
    assert source.taken <= 4 * 100  # three chunks of 0.1 s and what was asked for


async def test_what_the_source_raises_arrives_after_what_came_before_it():
    with pytest.raises(FailureError, match="broken"):
        async with Prefetcher(Counting(fails_at=250), 50) as prefetcher:
            delivered = [await prefetcher.step() for _ in range(4)]
            assert len(delivered) == 4
            await prefetcher.step()


def workers() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name.startswith("spikeloop-prefetch")]


async def test_no_thread_outlives_the_context():
    async with Prefetcher(Counting(), 20) as prefetcher:
        await prefetcher.step()
        assert workers()
    assert not workers()


async def test_a_source_that_fails_at_once_leaves_no_thread_and_is_not_asked_again():
    source = Counting(fails_at=0)
    with pytest.raises(FailureError, match="broken"):
        async with Prefetcher(source, 20):
            pass
    assert not workers()
    assert source.taken == 0


async def test_at_least_one_run_of_the_generator_is_ahead():
    """Where a run makes a second of spikes, having less than one ready would make steps late."""
    source = Counting()
    source.run_bins = 1024
    async with Prefetcher(source, 20) as prefetcher:
        await prefetcher.step()
    assert source.taken >= 1024
