"""Importance maps of critics that are a formula, against every permutation of every span."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import permutations
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spikeloop.models.importance.maps import (
    SPAN_BINS,
    STEP_BINS,
    Effects,
    ExactMaps,
    exact_importance,
    gradient_importance,
    shuffle_importance,
)

BINS, UNITS = 11, 3  # spans begin at bins 0 and 2; the last bin is in none
ORDERS = np.array(list(permutations(range(SPAN_BINS))))


@dataclass
class Formula:
    """A critic that scores whole windows, (windows, bins, units), by a formula; it counts what it is asked."""

    formula: Callable[[np.ndarray], np.ndarray]
    asked: list[int] = field(default_factory=list)
    estimates: bool = True

    def score(self, windows, conditions=None):
        driven = 0 if conditions is None else (windows.sum(2) * conditions[..., 0]).sum(1)
        return self.formula(windows.astype(float)) + driven

    def changes(self, window, unit, first, change, conditions=None):
        self.asked.append(len(unit))
        for row, begin in zip(change, first, strict=True):
            assert not np.delete(row, np.arange(begin, begin + SPAN_BINS)).any()
            assert row.sum() == 0
        assert first.min() >= 0
        assert first.max() <= len(window) - SPAN_BINS
        windows = np.repeat(window[np.newaxis].astype(float), len(unit), axis=0)
        windows[np.arange(len(unit)), :, unit] += change
        given = None if conditions is None else np.repeat(conditions[np.newaxis], len(unit), axis=0)
        before = self.score(window[np.newaxis], None if conditions is None else conditions[np.newaxis])
        return self.score(windows, given) - before

    def effects(self, windows, conditions=None):
        """Differences of the score."""
        effects = np.empty(windows.shape)
        for place in np.ndindex(windows.shape[1:]):
            sign = np.where(windows[:, *place] > 0, -1.0, 1.0)
            changed = windows.astype(float)
            changed[:, *place] += sign
            effects[:, *place] = sign * (self.score(changed, conditions) - self.score(windows, conditions))
        return Effects(effects, np.zeros((len(windows), 1, windows.shape[2])), np.zeros((len(windows), 1)))


WEIGHTS = np.random.Generator(np.random.Philox(5)).standard_normal((40, UNITS))


def linear(windows):
    return (windows * WEIGHTS[: windows.shape[1]]).sum((1, 2))


def quadratic(windows):
    """Neighbouring bins of each unit, and all units in the same bin."""
    return (windows[:, 1:] * windows[:, :-1] * WEIGHTS[1 : windows.shape[1]]).sum((1, 2)) + (windows.sum(2) ** 2).sum(1)


def pattern(windows):
    """How often unit 1 fires in the bin after unit 0."""
    return (windows[:, :-1, 0] * windows[:, 1:, 1]).sum(1)


FORMULAS = (linear, quadratic, pattern)


def by_every_permutation(windows, critic, conditions=None):
    """The definition, span by span and bin by bin."""
    maps = np.zeros(windows.shape)
    starts = range(0, windows.shape[1] - SPAN_BINS + 1, STEP_BINS)
    for index, unit in np.ndindex(len(windows), windows.shape[2]):
        window, driven = windows[index], None if conditions is None else conditions[[index]]
        of_span = {}
        for start in starts:
            span = window[start : start + SPAN_BINS, unit]
            orders = span[ORDERS]
            _, some, times = np.unique(orders @ 256 ** np.arange(8.0), return_index=True, return_counts=True)
            shuffled = np.repeat(window[np.newaxis], len(some), axis=0)
            shuffled[:, start : start + SPAN_BINS, unit] = orders[some]
            given = None if driven is None else np.repeat(driven, len(some), axis=0)
            change = np.abs(critic.score(shuffled, given) - critic.score(window[np.newaxis], driven))
            of_span[start] = (change * times).sum() / times.sum()
        for bin_ in np.flatnonzero(window[:, unit]):
            holding = [of_span[start] for start in starts if start <= bin_ < start + SPAN_BINS]
            maps[index, bin_, unit] = np.mean(holding) if holding else 0
    return maps


def exact(windows, formula, seed=0, **options) -> ExactMaps:
    return exact_importance(windows, Formula(formula), np.random.Generator(np.random.Philox(seed)), **options)


few_windows = hnp.arrays(np.uint8, (2, BINS, UNITS), elements=st.integers(0, 1))
few_counts = hnp.arrays(np.uint8, (1, BINS, UNITS), elements=st.sampled_from([0, 0, 0, 0, 0, 1, 2, 5]))


@pytest.mark.parametrize("formula", FORMULAS)
@given(windows=few_windows)
@settings(max_examples=8, deadline=None)
def test_exact_is_the_mean_over_every_permutation(formula, windows):
    found = exact(windows, formula)
    np.testing.assert_allclose(found.maps, by_every_permutation(windows, Formula(formula)), atol=1e-5)
    assert found.capped == 0


@pytest.mark.parametrize("formula", FORMULAS)
@given(windows=few_counts)
@settings(max_examples=5, deadline=None)
def test_counts_above_one_are_rearranged_as_they_are(formula, windows):
    found = exact(windows, formula, most_arrangements=len(ORDERS))
    np.testing.assert_allclose(found.maps, by_every_permutation(windows, Formula(formula)), atol=1e-4)
    assert found.capped == 0


def test_conditions_of_a_window_go_with_it(random):
    windows = random.integers(0, 2, (3, BINS, UNITS)).astype(np.uint8)
    conditions = random.standard_normal((3, BINS, 1)).astype(np.float32)
    expected = by_every_permutation(windows, Formula(linear), conditions)
    np.testing.assert_allclose(exact(windows, linear, conditions=conditions).maps, expected, atol=1e-5)
    first_order = gradient_importance(windows, Formula(linear), random, conditions)
    np.testing.assert_allclose(first_order, expected, atol=1e-5)
    shuffled = shuffle_importance(windows, Formula(linear), random, 400, conditions)
    np.testing.assert_allclose(shuffled, expected, atol=0.3)
    assert np.abs(shuffled - exact(windows, linear).maps).max() > 0.3  # the conditions do matter


@pytest.mark.parametrize("formula", [linear, quadratic])
def test_shuffle_comes_to_exact_as_shuffles_grow(random, formula):
    """16 times the shuffles, a quarter of the error."""
    windows = random.integers(0, 2, (8, 24, UNITS)).astype(np.uint8)
    expected = exact(windows, formula).maps
    few, many = (shuffle_importance(windows, Formula(formula), random, shuffles) - expected for shuffles in (8, 128))
    ratio = np.sqrt(np.square(few).mean() / np.square(many).mean())
    assert ratio == pytest.approx(4, rel=0.25)
    assert abs(many.mean()) < 0.02 * expected.mean()


def test_cells_without_spikes_and_spans_that_can_not_change_have_none(random):
    windows = np.zeros((3, BINS, UNITS), np.uint8)
    windows[0, :, 0] = 1  # full
    windows[1, 3, 1] = 1
    critic = Formula(linear)
    found = exact_importance(windows, critic, random)
    assert set(zip(*found.maps.nonzero(), strict=True)) == {(1, 3, 1)}
    assert sum(critic.asked) == found.changes == 2 + 7  # to bins 0 and 1, and to bins 2 to 9 but for its own
    for maps in (shuffle_importance(windows, critic, random), gradient_importance(windows, critic, random)):
        assert set(zip(*maps.nonzero(), strict=True)) == {(1, 3, 1)}
    assert not exact(np.zeros_like(windows), linear).maps.any()
    assert exact(windows[:0], linear).maps.shape == (0, BINS, UNITS)


def test_what_overlapping_spans_have_in_common_is_scored_once():
    """A spike in the middle can go to every bin of the spans that hold it: each move counts once."""
    windows = np.zeros((1, 24, UNITS), np.uint8)
    windows[0, 12, 0] = 1
    assert exact(windows, linear).changes == len(range(6, 20)) - 1


def test_the_last_bins_of_odd_windows_are_in_no_span():
    windows = np.ones((1, BINS, UNITS), np.uint8)
    windows[0, 4] = 0
    maps = exact(windows, linear).maps[0]
    np.testing.assert_array_equal((maps > 0).all(axis=1), np.isin(np.arange(BINS), [*range(4), *range(5, BINS - 1)]))


def test_gradient_is_exact_where_effects_add_up(random):
    windows = random.integers(0, 2, (6, 20, UNITS)).astype(np.uint8)
    windows[5] *= 3
    np.testing.assert_allclose(
        gradient_importance(windows, Formula(linear), random), exact(windows, linear).maps, atol=1e-5
    )
    assert np.abs(gradient_importance(windows, Formula(quadratic), random) - exact(windows, quadratic).maps).max() > 0.1


@pytest.fixture
def crowded():
    """Windows of spans with more arrangements than are scored, and a unit of 0 and 1."""
    windows = np.zeros((1, BINS, UNITS), np.uint8)
    windows[0, :, 0] = np.arange(BINS) % 6
    windows[0, ::3, 1] = 1
    return windows


@dataclass
class Parts(Formula):
    """Weights of spikes, products of a unit's counts one and two bins apart, and a table of population counts."""

    formula: Callable[[np.ndarray], np.ndarray] = field(init=False)

    def __post_init__(self):
        random = np.random.Generator(np.random.Philox(3))
        self.slopes, self.table = random.standard_normal((2, UNITS)), random.standard_normal(40)
        self.formula = self._whole

    def _whole(self, windows):
        pairs = [(windows[:, lag:] * windows[:, :-lag]).sum(1) @ self.slopes[lag - 1] for lag in (1, 2)]
        return linear(windows) + sum(pairs) + self.table[windows.sum(2).astype(int)].sum(1)

    def effects(self, windows, conditions=None):
        number, bins, units = windows.shape
        spikes = np.broadcast_to(WEIGHTS[:bins], (number, bins, units))
        slopes = np.broadcast_to(self.slopes, (number, 2, units))
        return Effects(spikes, slopes, np.broadcast_to(self.table, (number, 40)))


@given(windows=few_windows)
@settings(max_examples=5, deadline=None)
def test_gradient_is_exact_where_the_score_is_of_spikes_pairs_and_population_counts(windows):
    random = np.random.Generator(np.random.Philox(1))
    expected = exact_importance(windows, Parts(estimates=False), random).maps
    np.testing.assert_allclose(gradient_importance(windows, Parts(), random), expected, rtol=1e-3, atol=1e-4)


def test_where_estimates_are_right_capped_spans_have_no_noise_but_of_the_draws(crowded):
    """Eight arrangements are scored, and none of them tells the estimate of 256 that it is off."""
    random = np.random.Generator(np.random.Philox(1))
    found = exact_importance(crowded, Parts(), random)
    expected = exact_importance(crowded, Parts(estimates=False), random, len(ORDERS))
    assert found.capped == 2
    assert found.changes < expected.changes / 10
    np.testing.assert_allclose(found.maps, expected.maps, rtol=0.2)


def test_capped_spans_are_counted_and_seeded(crowded):
    one, same, other = (exact(crowded, quadratic, seed, most_arrangements=60) for seed in (1, 1, 2))
    assert one.capped == 2  # unit 0 in both spans; unit 1 has 56 arrangements of 3 spikes
    np.testing.assert_array_equal(one.maps, same.maps)
    assert (one.maps[0, 1:10, 0] != other.maps[0, 1:10, 0]).any()
    np.testing.assert_array_equal(one.maps[..., 1:], other.maps[..., 1:])
    assert one.changes <= 2 * 8 + 2 * comb(8, 3)
    drawn = exact_importance(crowded, Formula(quadratic, estimates=False), np.random.default_rng(0), 60)
    assert 100 < drawn.changes <= 2 * 60 + 2 * comb(8, 3)
    assert exact(crowded, quadratic, most_arrangements=len(ORDERS)).capped == 0


def test_capped_spans_are_right_on_average(crowded):
    expected = exact(crowded, quadratic, most_arrangements=len(ORDERS)).maps
    drawn = np.array([exact(crowded, quadratic, seed, most_arrangements=30).maps for seed in range(200)])
    error = drawn.std(axis=0, ddof=1) / np.sqrt(len(drawn))
    assert (np.abs(drawn.mean(axis=0) - expected) <= 4 * error + 1e-6).all()
    assert (error[0, 1:10, 0] > 0)[crowded[0, 1:10, 0] > 0].all()


@pytest.mark.parametrize("measure", [exact_importance, shuffle_importance, gradient_importance])
def test_windows_shorter_than_a_span_are_refused(random, measure):
    with pytest.raises(ValueError, match="at least 8 bins, got 7"):
        measure(np.zeros((1, 7, UNITS), np.uint8), Formula(linear), random)
    assert measure(np.zeros((1, 8, UNITS), np.uint8), Formula(linear), random) is not None
