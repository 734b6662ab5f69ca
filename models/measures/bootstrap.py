"""How sure a verdict is: the bootstrap interval of every E / F."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.measures.likeness import Likeness, distances, statistics_of

__all__ = ["BOOTSTRAPS", "bootstrap_intervals"]

Windows = NDArray[Any]  # uint8; of fluorescence, float32
Floats = NDArray[np.float64]

BOOTSTRAPS = 40
LEAST_BOOTSTRAPS = 30  # that must differ, for an interval
CONFIDENCE = 0.95


def bootstrap_intervals(
    likeness: Sequence[Likeness],
    sampled: Windows,
    training: Windows,
    held_out: Windows,
    random: np.random.Generator,
    on_progress: Callable[[], None] = lambda: None,
) -> tuple[Likeness, ...]:
    """Verdicts with the 95 % bootstrap interval of each E / F.

    Whole blocks are drawn with replacement from all three, since windows of one repeat are alike, and as many windows
    as are held out. Drawing adds the noise of sampling a second time, to E as to F, and so pulls their ratio towards 1;
    the interval is the bootstrap's spread of log(E / F) about its median, put about the estimate itself.

    Parameters
    ----------
    sampled, training, held_out : arrays of shape (blocks, windows, bins, units)
    on_progress : called after each of `BOOTSTRAPS` draws
    """
    windows = held_out.shape[0] * held_out.shape[1]
    drawn = []
    for _ in range(BOOTSTRAPS):
        truth, model, floor = (_draw_blocks(each, windows, random) for each in (held_out, sampled, training))
        statistics = statistics_of(truth)
        errors, floors = distances(statistics, model), distances(statistics, floor)
        drawn.append({name: _log_ratio(errors[name], floors[name]) for name in statistics})
        on_progress()
    return tuple(_with_interval(each, np.array([draw[each.statistic] for draw in drawn])) for each in likeness)


def _draw_blocks(blocks: Windows, windows: int, random: np.random.Generator) -> Windows:
    """So many windows in whole blocks, with replacement; of the last block what is needed."""
    chosen = random.integers(len(blocks), size=-(-windows // blocks.shape[1]))
    return blocks[chosen].reshape(-1, *blocks.shape[2:])[:windows]


def _log_ratio(error: float, floor: float) -> float:
    return math.log(error / floor) if error > 0 and floor > 0 else math.nan


def _with_interval(likeness: Likeness, logs: Floats) -> Likeness:
    """NaN where too many draws of a sparse population differ in nothing."""
    logs = logs[np.isfinite(logs)]
    if len(logs) < LEAST_BOOTSTRAPS:
        return likeness
    tail = 100 * (1 - CONFIDENCE) / 2
    low, middle, high = np.percentile(logs, [tail, 50, 100 - tail])
    ratio = likeness.ratio
    return replace(likeness, low=float(ratio * np.exp(low - middle)), high=float(ratio * np.exp(high - middle)))
