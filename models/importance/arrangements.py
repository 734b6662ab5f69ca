"""In how many ways, and in which, the counts of a span can be arranged."""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.importance.effects import Orders
from spikeloop.models.importance.patches import SPAN_BINS, distinct_rows

__all__ = ["every_order_by_kind", "numbers_of_arrangements", "random_orders"]

Integers = NDArray[np.int64]


def numbers_of_arrangements(counts: Integers) -> Integers:
    """Count the different arrangements of each span, (spans, bins)."""
    ordered = np.sort(counts, axis=1)
    number, alike = np.ones(len(counts), np.int64), np.ones(len(counts), np.int64)
    for bin_ in range(1, counts.shape[1]):
        alike = np.where(ordered[:, bin_] == ordered[:, bin_ - 1], alike + 1, 1)
        number = number * (bin_ + 1) // alike  # so far, of these bins alone
    return number


def random_orders(random: np.random.Generator, number: int) -> Orders:
    """Draw orders of the bins of a span; some may be alike."""
    return Orders(random.permuted(np.tile(np.arange(SPAN_BINS), (number, 1)), axis=1))


def every_order_by_kind(counts: Integers, some: Integers) -> Iterator[tuple[Integers, Orders]]:
    """Group some spans by their counts, whatever the order; of each group, its members and all orders that differ."""
    if not len(some):
        return
    ordered = np.sort(counts[some], axis=1)
    once, kind = distinct_rows(np.zeros(len(ordered), np.int64), ordered)
    members = np.split(np.argsort(kind, kind="stable"), np.cumsum(np.bincount(kind))[:-1])
    for sorted_counts, those in zip(ordered[once], members, strict=True):
        yield some[those], _every_order(tuple(sorted_counts.tolist()))


@lru_cache(maxsize=256)
def _every_order(counts: tuple[int, ...]) -> Orders:
    """Every order of sorted counts that makes another arrangement."""
    values = _arrangements(counts)
    source = np.empty_like(values)
    rows, bins = np.nonzero(np.ones_like(values))
    source[rows, np.argsort(values, axis=1, kind="stable").ravel()] = bins
    return Orders(source)


@lru_cache(maxsize=1024)
def _arrangements(counts: tuple[int, ...]) -> Integers:
    """Every distinct order of counts, (arrangements, bins)."""
    if len(set(counts)) <= 1:
        return np.array([counts], np.int64)
    firsts = sorted(set(counts))
    rests = [_arrangements(tuple(_without(counts, first))) for first in firsts]
    return np.concatenate(
        [np.column_stack([np.full(len(rest), first), rest]) for first, rest in zip(firsts, rests, strict=True)]
    )


def _without(counts: tuple[int, ...], one: int) -> list[int]:
    rest = list(counts)
    rest.remove(one)
    return rest
