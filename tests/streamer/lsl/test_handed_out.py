"""Samples that a new connection brings again are left out; nothing else is."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from spikeloop.streamer.lsl import handed_out
from spikeloop.streamer.lsl.connection import Chunk
from spikeloop.streamer.lsl.handed_out import HandedOut


def connection(uid: str = "run 1") -> Any:
    return SimpleNamespace(description=SimpleNamespace(uid=uid))


def pulled(of: HandedOut, connection: Any, numbers) -> list[int]:
    numbers = np.array(numbers, np.float64)
    chunk = of.without_repeats(Chunk(connection, numbers[:, np.newaxis], 0.1 * numbers))
    np.testing.assert_array_equal(chunk.stamps_s, 0.1 * chunk.values[:, 0])
    return chunk.values[:, 0].astype(int).tolist()


@pytest.mark.parametrize("first_chunk", [1, 3, 5, 8, 10])
def test_each_sample_comes_once_though_two_connections_bring_it(first_chunk):
    of, old, new = HandedOut(), connection(), connection()
    came = pulled(of, old, range(6)) + pulled(of, old, range(6, 10))
    again = list(range(5, 20))  # 5 to 9 came by the old one
    came += pulled(of, new, again[:first_chunk]) + pulled(of, new, again[first_chunk:])
    assert came == list(range(20))


def test_samples_that_were_lost_in_between_stay_a_gap():
    of = HandedOut()
    assert pulled(of, connection(), range(5)) + pulled(of, connection(), range(8, 12)) == [0, 1, 2, 3, 4, 8, 9, 10, 11]


def test_a_clock_that_was_set_back_meanwhile_loses_nothing():
    of, new = HandedOut(), connection()
    pulled(of, connection(), range(100, 120))
    assert pulled(of, new, range(10, 15)) + pulled(of, new, range(15, 130)) == list(range(10, 130))


def test_one_connection_may_repeat_stamps_and_so_may_another_run():
    of, first, other = HandedOut(), connection(), connection("run 2")
    assert pulled(of, first, [1, 2]) + pulled(of, first, [2, 2]) + pulled(of, other, [2, 3]) == [1, 2, 2, 2, 2, 3]


def test_stamps_that_stand_still_lose_one_sample_at_most():
    of, new = HandedOut(), connection()
    pulled(of, connection(), [7] * 50)
    assert len(pulled(of, new, [7] * 5) + pulled(of, new, [7] * 20)) >= 24


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(handed_out, "LATEST", 100)
    of, only = HandedOut(), connection()
    for first in range(0, 10_000, 10):
        pulled(of, only, range(first, first + 10))
    assert sum(map(len, of._stamps_s)) <= 100
