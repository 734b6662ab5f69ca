"""Excursions of CUSUMs, against Page's recursion and exponential tails."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.models.drift.excursions import excursion_peaks, height_passed_at

HOURS = 2.0


@given(st.lists(st.integers(-4, 4), max_size=40))
def test_peaks_are_those_of_pages_recursion(evidence):
    expected, cusum, rising = [], 0.0, False
    for each in evidence:
        cusum = max(0.0, cusum + each)
        if cusum and rising:
            expected[-1] = max(expected[-1], cusum)
        elif cusum:
            expected.append(cusum)
        rising = cusum > 0
    assert excursion_peaks(np.array(evidence, float)).tolist() == expected


@pytest.mark.parametrize("exponent", [0.3, 1.0])
@pytest.mark.parametrize("rate", [0.01, 10.0])
def test_height_is_that_of_an_exponential_tail(random, exponent, rate):
    peaks = random.exponential(1 / exponent, 200_000)
    expected = np.log(len(peaks) / HOURS / rate) / exponent
    assert height_passed_at(rate, peaks, HOURS) == pytest.approx(expected, rel=0.05)


def test_tails_are_never_taken_for_steeper_than_those_of_a_right_model(random):
    peaks = random.exponential(0.2, 10_000)
    ten_times = height_passed_at(0.1, peaks, HOURS) - height_passed_at(1.0, peaks, HOURS)
    assert ten_times == pytest.approx(np.log(10))


@pytest.mark.parametrize("seen", [5, 40, 400])
def test_few_peaks_put_the_height_on_the_high_side(random, seen):
    samples = random.exponential(2.0, (200, seen))
    heights = np.array([height_passed_at(0.1, peaks, HOURS) for peaks in samples])
    assert np.mean(heights > 2 * np.log(seen / HOURS / 0.1)) > 0.9


def test_the_height_where_nothing_was_seen_is_that_of_one_excursion_or_above():
    assert height_passed_at(0.1, np.empty(0), HOURS) >= np.log(1 / HOURS / 0.1)
