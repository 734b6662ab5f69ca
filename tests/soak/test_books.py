"""What of an account is a finding, and what a fault, a start or an end explains."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.soak.accounts import Account, Span
from tests.soak.bin_log import Run
from tests.soak.books import number_at, problems_of
from tests.soak.campaign import Event
from tests.soak.program import Life
from tests.soak.verdict import Entry

RUN = Run("lab", 1000.0, 0.02)
LAST = 49_999  # which ends at 2000 s
CUT = Event(7, "network", "", 1500.0, 1510.0, 1520.0, 1530.0, may_lose=("recorder-steady",))
STOP = Event(8, "stop", "", 1600.0, 1610.0, 1611.0, 1620.0)


def entry(account, *, before=0, after=0, counted=None, consumer="recorder-steady"):
    return Entry("steady", 1, consumer, 1, account, before, after, counted)


def life(began_s=990.0, **options):
    return Life(1, Path(), Path(), began_s, **options)


def numbers_of(found, of=None, events=(CUT, STOP), delay_s=0.0, held=0.0):
    sent_s = RUN.stamps_s(np.arange(LAST + 1)) + delay_s
    return [each.number for each in problems_of(found, RUN, of or life(), events, sent_s, held)]


WHOLE = Account(LAST + 1, 0, LAST)
IN_CUT, LATER = Span(25_000, 25_400), Span(30_000, 30_010)  # at 1500.02 to 1508.02 s, and at 1600.02 s


def test_a_whole_run_is_no_finding():
    assert numbers_of(entry(WHOLE, counted=0)) == []


def test_bins_that_a_fault_may_lose_are_explained_where_they_are_counted():
    missing = Account(LAST, 0, LAST, (IN_CUT,))
    assert numbers_of(entry(missing, counted=IN_CUT.bins)) == []
    assert len(numbers_of(entry(missing, counted=0))) == 1


def test_the_same_bins_are_a_finding_at_a_consumer_that_may_lose_none():
    assert numbers_of(entry(Account(LAST, 0, LAST, (IN_CUT,)), consumer="inlet-steady")) == [7]


def test_bins_that_ended_long_before_a_fault_are_explained_where_they_were_sent_late():
    early = entry(Account(LAST, 0, LAST, (Span(24_600, 25_400),)), counted=801)  # from 1492 s on
    assert numbers_of(early) == [None]
    assert numbers_of(early, delay_s=8.0) == []


def test_bins_that_a_broker_had_not_read_are_explained_as_far_as_the_stream_counts_them():
    early = entry(Account(LAST, 0, LAST, (Span(24_849, 25_400),)), counted=552)  # from 1497 s on, 100 before 1499 s
    assert numbers_of(early, held=100) == []
    assert numbers_of(early, held=99) == [None]
    too_early = entry(Account(LAST, 0, LAST, (Span(24_000, 25_400),)), counted=1401)  # from 1480 s on
    assert numbers_of(too_early, held=10_000) == [None]


def test_bins_that_are_missing_at_another_time_are_a_finding_after_the_fault_before():
    assert numbers_of(entry(Account(LAST, 0, LAST, (IN_CUT, LATER)))) == [8]


@pytest.mark.parametrize("harm", ["doubled", "disordered", "wrong"])
def test_no_fault_explains_bins_that_came_otherwise(harm):
    assert len(numbers_of(entry(replace(WHOLE, **{harm: 1})))) == 1


def test_a_consumer_that_began_later_may_miss_what_was_before():
    late = entry(Account(10_000, 40_000, LAST), before=40_000)
    assert numbers_of(late, life(began_s=1790.0)) == []
    assert numbers_of(late, life(began_s=1500.0)) == [None]


def test_a_consumer_that_was_ended_may_miss_what_comes_after():
    early = entry(Account(40_000, 0, 39_999), after=10_000)
    assert numbers_of(early, life(until_s=1801.0, end="asked")) == []
    assert numbers_of(early, life(until_s=1809.0, end="killed")) == []
    assert numbers_of(early, life(until_s=1809.0, end="asked")) == [8]
    assert numbers_of(early, life(until_s=1900.0, end="killed")) == [8]
    assert numbers_of(early) == [8]


def test_the_last_bins_before_an_end_may_be_on_their_way():
    assert numbers_of(entry(Account(LAST - 50, 0, LAST - 50), after=50)) == []


def test_a_time_belongs_to_the_latest_fault_before_it():
    assert [number_at(at_s, (CUT, STOP)) for at_s in (1.0, 1505.0, 1605.0)] == [None, 7, 8]
