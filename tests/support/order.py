"""The order of the tests among several workers: what takes longest begins first, so that no worker ends alone."""

from collections.abc import Iterable
from itertools import islice

import pytest

__all__ = ["longest_first"]


def longest_first(items: Iterable[pytest.Item], workers: int) -> list[pytest.Item]:
    """Put the tests that are marked as long before the others of each worker's share, which are equal and in a row."""
    items = list(items)
    long = [item for item in items if item.get_closest_marker("long")]
    others = (item for item in items if not item.get_closest_marker("long"))
    ordered: list[pytest.Item] = []
    for worker in range(workers):
        share = (len(items) - len(ordered)) // (workers - worker)
        first = long[worker::workers]
        ordered += [*first, *islice(others, max(0, share - len(first)))]
    return [*ordered, *others]
