"""Importance maps: which spikes of a window matter to a critic (Molano-Mazon et al. 2018, section 3.3).

The spikes of one unit are shuffled inside a span of a few bins that slides over the window; the importance of unit and
span is the mean absolute change of the critic's score, and that of a spike the mean over the spans that hold it. Bins
without spikes have none.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats, Windows
from spikeloop.models.importance.arrangements import every_order_by_kind, numbers_of_arrangements, random_orders
from spikeloop.models.importance.effects import Effects, cut_effects
from spikeloop.models.importance.patches import SPAN_BINS, distinct_rows

__all__ = [
    "MOST_ARRANGEMENTS",
    "SHUFFLES",
    "SPAN_BINS",
    "STEP_BINS",
    "Critic",
    "Effects",
    "ExactMaps",
    "exact_importance",
    "gradient_importance",
    "shuffle_importance",
]

Integers = NDArray[np.int64]

STEP_BINS, SHUFFLES = 2, 5  # as published, like SPAN_BINS
MOST_ARRANGEMENTS = 70  # of a span: of 0/1 counts there are no more, 8 over 4
DRAWN, SCORED = 256, 8  # arrangements of a span that has more: estimated by effects, and of these scored
CHUNK_CHANGES = 512  # what fits a core's cache


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

    @property
    def estimates(self) -> bool:
        """Whether `effects` can be had."""
        ...

    def effects(self, windows: NDArray[np.float32], conditions: NDArray[np.float32] | None = None) -> Effects:
        """Effects of single spikes, and of what they do together, on the score of each window."""
        ...


@dataclass(frozen=True, eq=False)
class ExactMaps:
    """Importance by all arrangements.

    Attributes
    ----------
    maps : (windows, bins, units)
    capped : number of units and spans that have too many arrangements for all to be scored
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
    some are drawn: where the critic has effects, these estimate the mean over many, and the few that are scored take
    from it what the estimate is off by, so that it is right on average.

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
        given = None if conditions is None else conditions[index]
        span, unit = np.nonzero(spans[index].min(axis=-1) != spans[index].max(axis=-1))
        counts = spans[index][span, unit].astype(np.int64)
        many = np.flatnonzero(numbers_of_arrangements(counts) > most_arrangements)
        orders, estimate = _drawn(window, critic, random, (span[many], unit[many]), most_arrangements, given)
        found = _rearranged(counts, many, orders[:SCORED] if critic.estimates else orders)
        moves = np.flatnonzero(found.difference.any(axis=1))
        difference, where = found.difference[moves], found.span[moves]
        first, difference = _from_first_change(span[where] * STEP_BINS, difference)
        once, back = distinct_rows(unit[where] * windows.shape[1] + first, difference)
        changed = _score(window, critic, unit[where][once], first[once], difference[once], given)
        total = np.bincount(where, np.abs(changed)[back], minlength=len(span))
        means = total / np.bincount(found.span, minlength=len(span))
        means[many] += np.abs(estimate).mean(axis=1) - np.abs(estimate[:, : len(orders[:SCORED])]).mean(axis=1)
        importance[index, span, unit] = means
        capped, changes = capped + len(many), changes + len(once)
    return ExactMaps(_maps(windows, importance), capped, changes)


def gradient_importance(
    windows: Windows, critic: Critic, random: np.random.Generator, conditions: NDArray[np.float32] | None = None
) -> Floats:
    """Map importance by estimates from the effects of spikes, instead of by scores.

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
    spans = _spans(windows)
    window, bin_, unit = np.nonzero(spans.min(axis=-1) != spans.max(axis=-1))
    place = window, bin_, unit
    counts = spans[place].astype(np.int64)
    effects = cut_effects(critic.effects(windows.astype(np.float32), conditions), windows, place, STEP_BINS)
    means = np.empty(len(counts))
    many = numbers_of_arrangements(counts) > MOST_ARRANGEMENTS
    means[many] = np.abs(effects.of(many).changes(random_orders(random, DRAWN))).mean(axis=1)
    for members, orders in every_order_by_kind(counts, np.flatnonzero(~many)):
        means[members] = np.abs(effects.of(members).changes(orders)).mean(axis=1)
    importance = np.zeros(spans.shape[:3])
    importance[place] = means
    return _maps(windows, importance)


def _drawn(
    window: NDArray[np.float32],
    critic: Critic,
    random: np.random.Generator,
    place: tuple[Integers, Integers],
    most: int,
    conditions: NDArray[np.float32] | None,
) -> tuple[Integers, NDArray[np.floating]]:
    """Random orders for spans that have too many, and the change of the score that is estimated of each, if any is.

    The same orders serve all of them.
    """
    number = len(place[0])
    if not number or not critic.estimates:
        return random.permuted(np.tile(np.arange(SPAN_BINS), (most, 1)), axis=1), np.zeros((number, 1))
    effects = critic.effects(window[np.newaxis], None if conditions is None else conditions[np.newaxis])
    at = np.zeros(number, np.int64), *place
    orders = random_orders(random, DRAWN)
    return orders.source, cut_effects(effects, window[np.newaxis], at, STEP_BINS).changes(orders)


class _Rearranged(NamedTuple):
    """Arrangements of spans, one a row: of which span and what each adds to it."""

    span: Integers
    difference: Integers


def _rearranged(counts: Integers, many: Integers, orders: Integers) -> _Rearranged:
    """Arrange the spans of few arrangements in every way, and those of many in these orders."""
    of_span = [np.repeat(many, len(orders))]
    differences = [(np.sort(counts[many])[:, orders] - counts[many][:, np.newaxis]).reshape(-1, SPAN_BINS)]
    for members, every in every_order_by_kind(counts, np.setdiff1d(np.arange(len(counts)), many, assume_unique=True)):
        of_span.append(np.repeat(members, len(every.source)))
        table = np.sort(counts[members[0]])[every.source]
        differences.append((table - counts[members][:, np.newaxis]).reshape(-1, SPAN_BINS))
    return _Rearranged(np.concatenate(of_span), np.concatenate(differences))


def _from_first_change(first: Integers, difference: Integers) -> tuple[Integers, Integers]:
    """Differences from their first bin that is not 0 on, and that bin: what makes equal changes equal."""
    offset = (difference != 0).argmax(axis=1)
    padded = np.pad(difference, ((0, 0), (0, SPAN_BINS)))
    return first + offset, np.take_along_axis(padded, offset[:, np.newaxis] + np.arange(SPAN_BINS), axis=1)


def _score(
    window: NDArray[np.float32],
    critic: Critic,
    unit: Integers,
    first: Integers,
    difference: Integers,
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
