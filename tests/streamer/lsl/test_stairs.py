"""The best staircase, beside all that there are."""

import itertools

import numpy as np
import pytest

from spikeloop.streamer.lsl.stairs import best_stairs


def cost(distances: np.ndarray, levels: np.ndarray, penalty: float) -> float:
    return float(((distances - levels) ** 2).sum() + penalty * (np.diff(levels) > 0).sum())


@pytest.mark.parametrize("penalty", [0.1, 0.5, 2.0])
@pytest.mark.parametrize("slope", [0.0, 0.4, -0.4])
def test_no_staircase_of_the_same_levels_is_better(random, slope, penalty):
    for _ in range(20):
        distances = slope * np.arange(7) + random.normal(0, 0.7, 7)
        stairs = best_stairs(distances, penalty)
        every = itertools.combinations_with_replacement(np.unique(np.rint(distances)), 7)
        least = min(cost(distances, np.array(levels), penalty) for levels in every)
        assert cost(distances, stairs.levels, penalty) == pytest.approx(least)
        assert stairs.steps == (np.diff(stairs.levels) > 0).sum()


def test_steps_are_found_where_they_are_however_large(random):
    levels = np.repeat([0.0, 1.0, 2.0, 500.0], 50)
    stairs = best_stairs(levels + random.normal(0, 0.1, 200), 0.2)
    np.testing.assert_array_equal(stairs.levels, levels)
    assert stairs.steps == 3
