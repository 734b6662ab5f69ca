"""What rearranged spikes do to a score, estimated from the effects of single spikes and of pairs."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Windows
from spikeloop.models.importance.patches import SPAN_BINS

__all__ = ["Effects", "Orders", "SpanEffects", "cut_effects"]

MOVES = SPAN_BINS * SPAN_BINS  # from each bin of a span to each

Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Effects:
    """What a critic's score is made of, near some windows.

    Attributes
    ----------
    spikes : array of shape (windows, bins, units)
        What one count more in that bin, or one that is there, adds; without what the other two hold.
    pair_slopes : array of shape (windows, lags, units)
        What the product of a unit's counts in two bins that are 1, 2, ... apart adds; fewer than `SPAN_BINS` lags.
    population_scores : array of shape (windows, counts)
        What a bin in which all units together have 0, 1, ... spikes adds; the last holds for more.
    """

    spikes: NDArray[Any]
    pair_slopes: NDArray[Any]
    population_scores: NDArray[Any]


@dataclass(frozen=True, eq=False)
class Orders:
    """Orders of a span's counts: which of them, from the smallest on, stands in each bin, (orders, bins)."""

    source: Integers

    @cached_property
    def table(self) -> NDArray[np.float32]:
        """1 where a count stands in a bin, and then, lag by lag, where two stand so far apart; (..., orders)."""
        number = len(self.source)
        table = np.zeros((SPAN_BINS, SPAN_BINS, SPAN_BINS, number), np.float32)
        order = np.arange(number)
        for bin_ in range(SPAN_BINS):
            table[0, self.source[:, bin_], bin_, order] = 1
            for lag in range(1, SPAN_BINS - bin_):
                table[lag, self.source[:, bin_], self.source[:, bin_ + lag], order] = 1
        return table.reshape(-1, number)


@dataclass(frozen=True, eq=False)
class SpanEffects:
    """The same for the spans of some units.

    Attributes
    ----------
    unchanged : array of shape (spans,), float32
        What their counts add as they are.
    arranged : array of shape (spans, (1 + lags) * bins * bins), float32
        What each count, from the smallest on, adds in each bin; then, lag by lag, each pair that is so far apart.
    """

    unchanged: NDArray[np.float32]
    arranged: NDArray[np.float32]

    def of(self, some: Any) -> "SpanEffects":
        """Select spans, by index or mask."""
        return SpanEffects(self.unchanged[some], self.arranged[some])

    def changes(self, orders: Orders) -> NDArray[np.float32]:
        """Estimate by how much each order of each span changes the score, (spans, orders)."""
        return self.arranged @ orders.table[: self.arranged.shape[1]] - self.unchanged[:, np.newaxis]


def cut_effects(
    effects: Effects, windows: Windows, place: tuple[Integers, Integers, Integers], step_bins: int
) -> SpanEffects:
    """Cut effects into spans.

    Parameters
    ----------
    effects : Effects
    windows : array of shape (windows, bins, units)
        Of which these are the effects.
    place : three arrays of shape (spans,), int64
        The window, the number of the span, and the unit.
    step_bins : int
        Bins from one span to the next.

    Returns
    -------
    SpanEffects
    """
    window, span, unit = place
    lags = effects.pair_slopes.shape[1]
    near = step_bins * span[:, np.newaxis] + np.arange(SPAN_BINS + 2 * lags)
    bins = near[:, :SPAN_BINS]
    around = np.pad(windows, ((0, 0), (lags, lags), (0, 0)))[window[:, np.newaxis], near, unit[:, np.newaxis]]
    around = around.astype(np.float32)
    counts = around[:, lags : lags + SPAN_BINS].copy()
    around[:, lags : lags + SPAN_BINS] = 0
    adds = effects.spikes[window[:, np.newaxis], bins, unit[:, np.newaxis]].astype(np.float32)
    slopes = effects.pair_slopes[window, :, unit].astype(np.float32)  # (spans, lags)
    unchanged = np.zeros(len(counts), np.float32)
    for lag in range(1, lags + 1):
        later, earlier = (around[:, lags + shift : lags + shift + SPAN_BINS] for shift in (lag, -lag))
        adds += slopes[:, lag - 1, np.newaxis] * (later + earlier)
        unchanged += slopes[:, lag - 1] * (counts[:, lag:] * counts[:, :-lag]).sum(axis=1)
    unchanged += (adds * counts).sum(axis=1)
    ordered = np.sort(counts, axis=1)
    moved = ordered[:, :, np.newaxis] * adds[:, np.newaxis]  # (spans, counts, bins)
    moved += _population_changes(effects.population_scores, windows, window, bins, counts, ordered)
    pairs = ordered[:, :, np.newaxis] * ordered[:, np.newaxis]
    paired = slopes[:, :, np.newaxis] * pairs.reshape(len(counts), 1, MOVES)
    parts = moved.reshape(len(counts), MOVES), paired.reshape(len(counts), lags * MOVES)
    return SpanEffects(unchanged, np.concatenate(parts, axis=1))


def _population_changes(
    scores: NDArray[Any],
    windows: Windows,
    window: Integers,
    bins: Integers,
    counts: NDArray[np.float32],
    ordered: NDArray[np.float32],
) -> NDArray[np.float32]:
    """What it adds that each count of a unit, instead of that which is there, stands in each bin."""
    most = scores.shape[1] - 1
    population = windows.sum(axis=2, dtype=np.int64)[window[:, np.newaxis], bins]
    others = population - counts.astype(np.int64)
    new = np.clip(others[:, np.newaxis] + ordered.astype(np.int64)[:, :, np.newaxis], 0, most)
    rows = window[:, np.newaxis, np.newaxis]
    before = scores[rows, np.clip(population, 0, most)[:, np.newaxis]]
    return (scores[rows, new] - before).astype(np.float32)
