import math
from fractions import Fraction

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.models.measures.paired_inference import (
    POWER,
    holm,
    mean_difference,
    pairs_needed,
    smallest_found,
)


def judged(values, sessions=None):
    values = np.asarray(values, float)
    return mean_difference(
        values.mean(), values - values.mean(), np.zeros(len(values)) if sessions is None else sessions
    )


def test_one_session_has_the_paired_t_test_and_its_interval(random):
    one, other = random.exponential(2, 30), random.exponential(1.5, 30)
    found, expected = judged(one - other), scipy.stats.ttest_rel(one, other)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert found.interval() == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert found.spread == pytest.approx(np.std(one - other, ddof=1))


def moderated(values):
    """By the definition: variances of the grand mean, by pairs and by sessions of as many pairs."""
    sessions = len(values)
    by_pairs = values.var(ddof=1) / values.size
    by_sessions = values.mean(axis=1).var(ddof=1) / sessions
    return math.sqrt((3 * by_pairs + (sessions - 1) * by_sessions) / (3 + sessions - 1)), 3 + sessions - 1


def test_several_sessions_have_a_moderated_t_test(random):
    values = random.standard_normal((4, 10)) + np.array([[0.0], [3.0], [5.0], [1.0]])
    found = judged(values.ravel(), np.repeat([7, 8, 9, 3], 10))
    error, freedom = moderated(values)
    assert (found.error, found.freedom) == (pytest.approx(error), freedom)
    assert found.p_value == pytest.approx(2 * scipy.stats.t.sf(abs(values.mean()) / error, freedom))
    assert found.interval() == pytest.approx(scipy.stats.t.interval(0.95, freedom, values.mean(), error))


def test_sessions_that_differ_widen_the_interval(random):
    pairs = random.standard_normal((3, 12))
    widths = []
    for apart in (0.0, 1.0, 3.0):
        low, high = judged(
            (pairs + apart * np.array([[-1.0], [0.0], [1.0]])).ravel(), np.repeat(range(3), 12)
        ).interval()
        widths.append(high - low)
    assert widths == sorted(widths)
    assert widths[2] > 2 * widths[0]


def test_many_sessions_have_the_t_test_of_their_means(random):
    values = random.standard_normal((400, 4)) + 2 * random.standard_normal((400, 1))
    found = judged(values.ravel(), np.repeat(range(400), 4))
    assert found.error == pytest.approx(scipy.stats.sem(values.mean(axis=1)), rel=0.01)


@pytest.mark.parametrize("between", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("sessions", [2, 5])
def test_the_interval_covers_the_true_mean_whether_or_not_sessions_differ(sessions, between):
    """The variance between sessions is so many times that of a session's mean by its pairs alone."""
    random, pairs, covered = np.random.default_rng(0), 16, 0
    for _ in range(1500):
        shift = random.standard_normal((sessions, 1)) * math.sqrt(between / pairs)
        values = shift + random.laplace(0, math.sqrt(0.5), (sessions, pairs))
        found = judged(values.ravel(), np.repeat(range(sessions), pairs))
        low, high = found.interval()
        covered += low <= 0 <= high
    assert 0.92 <= covered / 1500 <= 0.995


@pytest.mark.parametrize("pairs", [6, 16])
def test_few_pairs_of_one_session_are_covered_as_promised(pairs):
    random, repetitions = np.random.default_rng(1), 1500
    intervals = [judged(random.laplace(1.0, 1.0, pairs)).interval() for _ in range(repetitions)]
    assert 0.93 <= np.mean([low <= 1.0 <= high for low, high in intervals]) <= 0.985


def test_one_pair_or_none_proves_nothing():
    for found in (judged([0.5]), mean_difference(math.nan, np.zeros(0), [])):
        assert all(math.isnan(each) for each in (*found.interval(), found.p_value))


def test_differences_that_are_all_the_same_are_certain():
    assert judged([0.25] * 8).p_value == 0
    assert judged([0.25] * 8).interval() == (0.25, 0.25)
    assert judged([0.0] * 8).p_value == 1


def test_holm_corrects_a_worked_example():
    """Of four: 0.005 x 4, 0.01 x 3, then 0.03 x 2, and 0.04 x 1 is raised to the one before."""
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.5, 0.6]), [1.0, 1.0])
    np.testing.assert_allclose(holm([0.02]), [0.02])
    np.testing.assert_array_equal(holm([]), [])


def test_what_can_not_be_tested_is_not_counted():
    np.testing.assert_allclose(holm([math.nan, 0.01, 0.04]), [math.nan, 0.02, 0.04])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_rejects_what_its_steps_reject(p_values):
    """The step-down test itself, at 5 %: the k-th smallest is compared with 5 % / (tests - k)."""
    rejected: set[int] = set()
    for step, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if Fraction(p_values[place]) * (len(p_values) - step) >= Fraction(0.05):
            break
        rejected.add(place)
    found = holm(p_values)
    sure = [place for place in range(len(found)) if abs(found[place] - 0.05) > 1e-9]
    assert {place for place in sure if found[place] < 0.05} == rejected & set(sure)


@pytest.mark.parametrize(("difference", "tests"), [(0.3, 1), (0.5, 1), (1.0, 1), (-0.5, 3), (1.5, 10)])
def test_so_many_pairs_give_the_power_that_is_said(difference, tests):
    """Against the noncentral t distribution."""
    pairs = pairs_needed(difference, 1.0, tests)
    level = 0.05 / tests

    def power(pairs):
        limit, shift = scipy.stats.t.ppf(1 - level / 2, pairs - 1), abs(difference) * math.sqrt(pairs)
        return 1 - scipy.stats.nct.cdf(limit, pairs - 1, shift) + scipy.stats.nct.cdf(-limit, pairs - 1, shift)

    assert power(pairs + 1) >= POWER
    assert power(pairs - 2) < POWER


def test_the_power_shows_in_repetitions():
    random, pairs = np.random.default_rng(2), int(pairs_needed(0.6, 1.0))
    found = [judged(random.normal(0.6, 1.0, pairs)).p_value < 0.05 for _ in range(1500)]
    assert np.mean(found) == pytest.approx(POWER, abs=0.035)


@given(st.floats(0.05, 3), st.integers(1, 45))
def test_the_smallest_difference_that_is_found_is_the_one_that_so_many_pairs_find(difference, tests):
    pairs = int(pairs_needed(difference, 1.0, tests))
    assert smallest_found(pairs, 1.0, tests) <= difference * (1 + 1e-9)
    before = smallest_found(pairs - 1, 1.0, tests)
    assert math.isnan(before) or before >= difference * (1 - 1e-9)


def test_of_no_difference_or_no_spread_no_number_is_made_up():
    assert pairs_needed(0.0, 1.0) == math.inf
    assert math.isnan(pairs_needed(0.3, 0.0))
    assert math.isnan(pairs_needed(0.3, math.nan))
    assert math.isnan(smallest_found(1, 1.0))
