"""Accounts of logs that are as they should be, and of such in which bins are missing, doubled, late or wrong."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from tests.soak.accounts import Account, Span, account, excused, spans_of
from tests.soak.bin_log import Run

TRUTH = np.arange(1000, 1100, dtype=np.uint32)
RUN = Run("lab", 50.0, 0.02)


def accounted(numbers, sums=None) -> Account:
    numbers = np.array(numbers, np.int64)
    known = TRUTH[np.clip(numbers, 0, len(TRUTH) - 1)]
    return account(numbers, known if sums is None else np.array(sums, np.uint32), TRUTH)


def test_a_whole_log_has_nothing_to_explain():
    assert accounted(range(100)) == Account(100, 0, 99)


def test_a_log_that_begins_late_and_ends_early_misses_nothing_in_between():
    assert accounted(range(20, 80)) == Account(60, 20, 79)


def test_missing_bins_are_joined_to_spans():
    found = accounted([*range(10), *range(12, 20), *range(21, 30)])
    assert (found.missing, found.missing_bins) == ((Span(10, 11), Span(20, 20)), 3)


def test_a_bin_that_comes_twice_counts_once():
    found = accounted([0, 1, 1, 2, 0])
    assert (found.bins, found.doubled, found.disordered, found.missing) == (3, 2, 0, ())


def test_a_bin_that_comes_after_a_later_one_is_disordered_and_not_missing():
    found = accounted([0, 2, 1, 3])
    assert (found.bins, found.disordered, found.doubled, found.missing) == (4, 1, 0, ())


def test_counts_of_another_bin_are_wrong():
    found = accounted([0, 1, 2], [TRUTH[0], TRUTH[2], TRUTH[2]])
    assert (found.bins, found.wrong) == (3, 1)


@pytest.mark.parametrize("number", [-1, 100, 10**9])
def test_a_bin_that_the_run_does_not_have_is_wrong_and_no_bin(number):
    found = accounted([0, number, 1])
    assert (found.bins, found.last, found.wrong) == (2, 1, 1)


def test_an_empty_log_has_neither_first_nor_last():
    assert accounted([]) == Account(0, -1, -1)


@given(some.lists(some.integers(0, 99), min_size=1))
def test_every_arrival_and_every_bin_has_its_place(numbers):
    found = accounted(numbers)
    assert found.bins + found.doubled == len(numbers)
    assert found.bins + found.missing_bins == found.last - found.first + 1
    missing = [number for span in found.missing for number in range(span.first, span.last + 1)]
    assert sorted([*set(numbers), *missing]) == list(range(found.first, found.last + 1))


@given(some.sets(some.integers(0, 200)))
def test_spans_hold_the_numbers_that_they_were_made_of(numbers):
    spans = spans_of(np.array(sorted(numbers), np.int64))
    assert [number for span in spans for number in range(span.first, span.last + 1)] == sorted(numbers)
    assert all(one.last + 1 < other.first for one, other in pairwise(spans))


def test_a_bin_is_excused_in_a_time_that_it_was_sent_in_or_should_have_been():
    ends_s, sent_s = np.array([51.0, 51.5, 52.0]), np.array([51.0, 53.0, 55.0])
    assert excused(ends_s, sent_s, [(0.0, 1.0), (50.9, 51.2)]).tolist() == [True, False, False]
    assert excused(ends_s, sent_s, [(51.2, 51.6), (52.5, 54.0)]).tolist() == [False, True, True]
    assert excused(ends_s, sent_s, [(56.0, 57.0)]).tolist() == [False, False, False]
    assert not excused(ends_s, sent_s, []).any()
