"""Importance maps: which spikes of a window matter to a critic (Molano-Mazon et al. 2018, section 3.3).

The spikes of one unit are shuffled inside a span of a few bins that slides over the window; the importance of unit and
span is the mean absolute change of the critic's score, and that of a spike the mean over the spans that hold it. Bins
without spikes have none.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import factorial, prod
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats, Windows

__all__ = [
    "MOST_ARRANGEMENTS",
    "SHUFFLES",
    "SPAN_BINS",
    "STEP_BINS",
    "Critic",
    "ExactMaps",
    "exact_importance",
    "gradient_importance",
    "shuffle_importance",
]

Integers = NDArray[np.int64]

SPAN_BINS, STEP_BINS, SHUFFLES = 8, 2, 5  # as published
MOST_ARRANGEMENTS = 70  # of a span: of 0/1 counts there are no more, 8 over 4
CHUNK_CHANGES = 512  # what fits a core's cache
LARGEST_CODE = 2**62


class Critic(Protocol):
    """A score of windows, larger for likelier real ones; conditions, (windows, bins, channels), where it wants them."""

    def score(self, windows: NDArray[np.float32], conditions: NDArray[np.float32] | None = None) -> NDArray[Any]:
        """(windows, bins, units) to (windows,)."""
        ...

    def changes(
        self,
        window: NDArray[np.float32],
        unit: Integers,
        first: Integers,
        change: NDArray[np.float32],
        conditions: NDArray[np.float32] | None = None,
    ) -> NDArray[Any]:
        """Scores of a window after each of many changes, less the score before, (changes,).

        Parameters
        ----------
        window : (bins, units)
        unit : (changes,)
        first : (changes,), the first bin of a span of `SPAN_BINS` that holds the change
        change : (changes, bins), added to the unit's counts; sums to 0
        conditions : (bins, channels)
        """
        ...

    def effects(self, windows: NDArray[np.float32], conditions: NDArray[np.float32] | None = None) -> NDArray[Any]:
        """Effect on the score of one more spike in each bin, or of the spike that is there; of the windows' shape."""
        ...


@dataclass(frozen=True, eq=False)
class ExactMaps:
    """Importance by all arrangements.

    Attributes
    ----------
    maps : (windows, bins, units)
    capped : number of units and spans of which only some arrangements were drawn, as there are too many
    changes : number of different changes that the critic scored
    """

    maps: Floats
    capped: int
    changes: int


def shuffle_importance(
    windows: Windows,
    critic: Critic,
    random: np.random.Generator,
    shuffles: int = SHUFFLES,
    conditions: NDArray[np.float32] | None = None,
) -> Floats:
    """Map importance by random shuffles, as published: of every unit in every span, whether or not it can change.

    Parameters
    ----------
    windows : array of shape (windows, bins, units)
        Of at least `SPAN_BINS` bins.
    critic : Critic
    random : np.random.Generator
        Of the shuffles.
    shuffles : int >= 1
        Of each unit in each span.
    conditions : array of shape (windows, bins, channels), float32, or None
        What drove the windows, where the critic needs it.

    Returns
    -------
    array of shape (windows, bins, units)

    Raises
    ------
    ValueError
        If windows are shorter than a span.
    """
    spans = _spans(windows)  # (windows, spans, units, bins)
    units = np.arange(windows.shape[2])
    importance = np.empty(spans.shape[:3])
    for index, window in enumerate(windows.astype(np.float32)):
        given = None if conditions is None else conditions[[index]]
        unshuffled = critic.score(window[np.newaxis], given)[0]
        given = None if given is None else given.repeat(shuffles * len(units), axis=0)
        for span in range(spans.shape[1]):
            shuffled = random.permuted(np.repeat(spans[index, span][np.newaxis], shuffles, axis=0), axis=-1)
            variants = np.tile(window, (shuffles, len(units), 1, 1))  # (shuffles, units, bins, units)
            place = slice(span * STEP_BINS, span * STEP_BINS + SPAN_BINS)
            variants[:, units, place, units] = shuffled.swapaxes(0, 1)
            scores = critic.score(variants.reshape(-1, *window.shape), given).reshape(shuffles, len(units))
            importance[index, span] = np.abs(scores - unshuffled).mean(axis=0)
    return _maps(windows, importance)


def exact_importance(
    windows: Windows,
    critic: Critic,
    random: np.random.Generator,
    most_arrangements: int = MOST_ARRANGEMENTS,
    conditions: NDArray[np.float32] | None = None,
) -> ExactMaps:
    """Map importance as the mean over all distinct arrangements of a unit's counts in a span.

    This is the expectation of `shuffle_importance`. Spans that are empty or full can't change and are not scored.
    Arrangements that overlapping spans have in common are scored once. Of a span with more than `most_arrangements`,
    at most as many different arrangements are drawn.

    Parameters
    ----------
    windows : array of shape (windows, bins, units)
        Of at least `SPAN_BINS` bins.
    critic : Critic
    random : np.random.Generator
        Of the arrangements that are drawn.
    most_arrangements : int >= 1
    conditions : array of shape (windows, bins, channels), float32, or None
        What drove the windows, where the critic needs it.

    Returns
    -------
    ExactMaps

    Raises
    ------
    ValueError
        If windows are shorter than a span.
    """
    spans = _spans(windows)
    importance = np.zeros(spans.shape[:3])
    capped = changes = 0
    for index, window in enumerate(windows.astype(np.float32)):
        span, unit = np.nonzero(spans[index].min(axis=-1) != spans[index].max(axis=-1))
        found = _rearranged(spans[index][span, unit], random, most_arrangements)
        moves = np.flatnonzero(found.difference.any(axis=1))
        difference, where = found.difference[moves], found.span[moves]
        first, difference = _from_first_change(span[where] * STEP_BINS, difference)
        once, back = _distinct(unit[where] * windows.shape[1] + first, difference)
        given = None if conditions is None else conditions[index]
        changed = _score(window, critic, unit[where][once], first[once], difference[once], given)
        total = np.bincount(where, np.abs(changed)[back], minlength=len(span))
        importance[index, span, unit] = total / np.bincount(found.span, minlength=len(span))
        capped, changes = capped + found.capped, changes + len(once)
    return ExactMaps(_maps(windows, importance), capped, changes)


def gradient_importance(
    windows: Windows, critic: Critic, random: np.random.Generator, conditions: NDArray[np.float32] | None = None
) -> Floats:
    """Map importance to first order: it equals `exact_importance` if the effects of single spikes add up.

    Parameters
    ----------
    windows : array of shape (windows, bins, units)
        Of at least `SPAN_BINS` bins.
    critic : Critic
    random : np.random.Generator
        Of the arrangements that are drawn where there are too many.
    conditions : array of shape (windows, bins, channels), float32, or None
        What drove the windows, where the critic needs it.

    Returns
    -------
    array of shape (windows, bins, units)

    Raises
    ------
    ValueError
        If windows are shorter than a span.
    """
    spans, effect = _spans(windows), _spans(critic.effects(windows.astype(np.float32), conditions))
    place = np.nonzero(spans.min(axis=-1) != spans.max(axis=-1))
    counts, effect = spans[place], effect[place]
    means = np.empty(len(counts))
    for members, table in _kinds(counts, random, MOST_ARRANGEMENTS):
        unchanged = np.einsum("sb,sb->s", counts[members], effect[members])
        means[members] = np.abs(effect[members] @ table.T - unchanged[:, np.newaxis]).mean(axis=1)
    importance = np.zeros(spans.shape[:3])
    importance[place] = means
    return _maps(windows, importance)


class _Rearranged(NamedTuple):
    """Arrangements of spans, one a row: of which span and what each adds to it; and the number of spans capped."""

    span: Integers
    difference: NDArray[np.int32]
    capped: int


def _rearranged(spans: Windows, random: np.random.Generator, most: int) -> _Rearranged:
    of_span, differences, capped = [np.zeros(0, np.int64)], [np.zeros((0, SPAN_BINS), np.int32)], 0
    for members, table in _kinds(spans, random, most):
        capped += len(members) * (len(table) < _number_of_arrangements(spans[members[0]]))
        of_span.append(np.repeat(members, len(table)))
        differences.append((table - spans[members].astype(np.int32)[:, np.newaxis]).reshape(-1, SPAN_BINS))
    return _Rearranged(np.concatenate(of_span), np.concatenate(differences), capped)


def _from_first_change(first: Integers, difference: NDArray[np.int32]) -> tuple[Integers, NDArray[np.int32]]:
    """Differences from their first bin that is not 0 on, and that bin: what makes equal changes equal."""
    offset = (difference != 0).argmax(axis=1)
    padded = np.pad(difference, ((0, 0), (0, SPAN_BINS)))
    return first + offset, np.take_along_axis(padded, offset[:, np.newaxis] + np.arange(SPAN_BINS), axis=1)


def _kinds(spans: Windows, random: np.random.Generator, most: int) -> Iterator[tuple[Integers, NDArray[np.int32]]]:
    """Spans of the same counts in any order: which they are, and their arrangements, (arrangements, bins)."""
    if not len(spans):
        return
    ordered = np.sort(spans.astype(np.int32), axis=1)
    once, kind = _distinct(np.zeros(len(ordered), np.int64), ordered)
    members = np.split(np.argsort(kind, kind="stable"), np.cumsum(np.bincount(kind))[:-1])
    for counts, those in zip(ordered[once], members, strict=True):
        if _number_of_arrangements(counts) <= most:
            yield those, _arrangements(tuple(counts.tolist()))
        else:
            drawn = random.permuted(np.tile(counts, (2 * most, 1)), axis=1)
            different = np.unique(drawn, axis=0)
            yield those, different[random.permutation(len(different))[:most]]


def _number_of_arrangements(counts: Windows) -> int:
    return factorial(len(counts)) // prod(factorial(number) for number in np.unique(counts, return_counts=True)[1])


@lru_cache(maxsize=1024)
def _arrangements(counts: tuple[int, ...]) -> NDArray[np.int32]:
    """Every distinct order of counts, (arrangements, bins)."""
    if len(set(counts)) <= 1:
        return np.array([counts], np.int32)
    firsts = sorted(set(counts))
    rests = [_arrangements(tuple(_without(counts, first))) for first in firsts]
    return np.concatenate(
        [np.column_stack([np.full(len(rest), first), rest]) for first, rest in zip(firsts, rests, strict=True)]
    ).astype(np.int32)


def _without(counts: tuple[int, ...], one: int) -> list[int]:
    rest = list(counts)
    rest.remove(one)
    return rest


def _distinct(place: Integers, rows: NDArray[np.int32]) -> tuple[Integers, Integers]:
    """Which rows, with their places, are the first of their like, and for every row which of these it is like."""
    low, high = (int(rows.min()), int(rows.max())) if rows.size else (0, 0)
    values = high - low + 1
    if (int(place.max(initial=0)) + 1) * values ** rows.shape[1] > LARGEST_CODE:
        _, once, back = np.unique(np.column_stack([place, rows]), axis=0, return_index=True, return_inverse=True)
        return once, back
    code = (rows - low).astype(np.int64) @ values ** np.arange(rows.shape[1], dtype=np.int64)
    _, once, back = np.unique(place * values ** rows.shape[1] + code, return_index=True, return_inverse=True)
    return once, back


def _score(
    window: NDArray[np.float32],
    critic: Critic,
    unit: Integers,
    first: Integers,
    difference: NDArray[np.int32],
    conditions: NDArray[np.float32] | None,
) -> Floats:
    """The changes of the score, a cacheful at a time."""
    bins = len(window)
    changed = np.empty(len(unit))
    for begin in range(0, len(unit), CHUNK_CHANGES):
        chunk = slice(begin, begin + CHUNK_CHANGES)
        change = np.zeros((len(unit[chunk]), bins + SPAN_BINS), np.float32)
        np.put_along_axis(change, first[chunk, np.newaxis] + np.arange(SPAN_BINS), difference[chunk], axis=1)
        span = np.minimum(first[chunk], bins - SPAN_BINS)
        changed[chunk] = critic.changes(window, unit[chunk], span, np.ascontiguousarray(change[:, :bins]), conditions)
    return changed


def _spans(values: NDArray[Any]) -> NDArray[Any]:
    """Of (windows, bins, units) every span of every unit, (windows, spans, units, bins).

    Raises
    ------
    ValueError
        If windows are shorter than a span.
    """
    if values.shape[1] < SPAN_BINS:
        raise ValueError(f"expected windows of at least {SPAN_BINS} bins, got {values.shape[1]}")
    return sliding_window_view(values, SPAN_BINS, axis=1)[:, ::STEP_BINS]


def _maps(windows: Windows, importance: Floats) -> Floats:
    """What spans, (windows, spans, units), make of bins: for each spike the mean over the spans that hold it."""
    first = np.arange(importance.shape[1])[:, np.newaxis] * STEP_BINS
    bin_ = np.arange(windows.shape[1])
    holds = ((first <= bin_) & (bin_ < first + SPAN_BINS)).astype(np.float64)  # (spans, bins)
    mean = np.einsum("sb,wsu->wbu", holds / np.maximum(1, holds.sum(axis=0)), importance, optimize=True)
    return np.where(windows > 0, mean, 0.0)
