"""How sure a verdict is: the bootstrap interval of every E / F."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from spikeloop.models.arrays import Blocks, Floats, Windows, join_windows
from spikeloop.models.measures.similarity import Similarity, distances
from spikeloop.models.measures.table import STATISTICS

__all__ = ["BOOTSTRAPS", "bootstrap_intervals"]


BOOTSTRAPS = 40
LEAST_BOOTSTRAPS = 30  # that must differ, for an interval
CONFIDENCE = 0.95


def bootstrap_intervals(
    similarity: Sequence[Similarity],
    sampled: Blocks,
    training: Blocks,
    held_out: Blocks,
    random: np.random.Generator,
    on_progress: Callable[[], None] = lambda: None,
) -> tuple[Similarity, ...]:
    """Verdicts with the 95 % bootstrap interval of each E / F.

    Whole blocks are drawn with replacement from all three, since windows of one repeat are alike, and as many windows
    as are held out. Drawing adds the noise of sampling a second time, to E as to F, and so pulls their ratio towards 1;
    the interval is the bootstrap's spread of log(E / F) about its median, put about the estimate itself.

    Parameters
    ----------
    sampled, training, held_out : arrays of shape (blocks, windows, bins, units), or sequences of blocks
    on_progress : called after each of `BOOTSTRAPS` draws
    """
    windows = sum(map(len, held_out))
    drawn = []
    for _ in range(BOOTSTRAPS):
        truth, model, floor = (_draw_blocks(blocks, windows, random) for blocks in (held_out, sampled, training))
        statistics = {row.statistic: STATISTICS[row.statistic].function(truth) for row in similarity}
        errors, floors = distances(statistics, model), distances(statistics, floor)
        drawn.append({name: _log_ratio(errors[name], floors[name]) for name in statistics})
        on_progress()
    return tuple(
        _with_interval(measured, np.array([draw[measured.statistic] for draw in drawn])) for measured in similarity
    )


def _draw_blocks(blocks: Blocks, windows: int, random: np.random.Generator) -> Windows:
    """So many windows in whole blocks, with replacement; of the last block what is needed."""
    numbers = np.array([len(block) for block in blocks])
    chosen = random.integers(len(blocks), size=-(-windows // int(numbers.min())))
    if isinstance(blocks, np.ndarray):
        return join_windows(blocks[chosen])[:windows]
    used = 1 + int(np.searchsorted(np.cumsum(numbers[chosen]), windows))
    return join_windows([blocks[number] for number in chosen[:used]])[:windows]


def _log_ratio(error: float, floor: float) -> float:
    return math.log(error / floor) if error > 0 and floor > 0 else math.nan


def _with_interval(similarity: Similarity, logs: Floats) -> Similarity:
    """NaN where too many draws of a sparse population differ in nothing."""
    logs = logs[np.isfinite(logs)]
    if len(logs) < LEAST_BOOTSTRAPS:
        return similarity
    tail = 100 * (1 - CONFIDENCE) / 2
    low, middle, high = np.percentile(logs, [tail, 50, 100 - tail])
    ratio = similarity.ratio
    return replace(similarity, low=float(ratio * np.exp(low - middle)), high=float(ratio * np.exp(high - middle)))
