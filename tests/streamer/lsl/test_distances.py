"""Samples that waited for a later one, and the slope of distances."""

import math

import numpy as np
import pytest

from spikeloop.streamer.lsl.distances import Arrivals, Distances, held_back


def test_of_samples_that_came_together_only_the_last_was_in_time():
    stamps_s = np.array([1.0, 1.0, 1.001, 1.3, 1.3, 1.4, np.nan, 1.7])
    assert held_back(stamps_s, 0.1).tolist() == [True, True, False, True, False, False, False, False]


def test_those_that_waited_in_a_burst_that_was_torn_waited_too():
    stamps_s = np.array([1.0, 1.08, 1.08, 1.08, 1.5, 1.6, 1.7])
    assert held_back(stamps_s, 0.1).tolist() == [True, True, True, False, False, False, False]


def test_the_slope_and_its_error_are_those_of_a_regression(random):
    off_s = 0.001 * np.arange(60) + random.normal(0, 0.01, 60)
    off_s[::3] = np.nan
    known = Distances.known(off_s)
    slope_s, error_s = known.slope_s()
    (expected_s, _), covariance = np.polyfit(known.numbers, known.off_s, 1, cov=True)
    assert slope_s == pytest.approx(expected_s)
    assert error_s == pytest.approx(math.sqrt(covariance[0, 0]))
    assert (known.span, known.last(6).numbers.tolist()) == (59, [55, 56, 58, 59])
    assert Distances.known(np.array([0.1])).slope_s() == (0.0, math.inf)


def test_arrivals_are_counted_of_the_latest_seconds():
    arrivals = Arrivals()
    arrivals.add(100, 0.0)
    assert arrivals.every_s == math.inf
    for round_ in range(1, 21):
        arrivals.add(10, round_ * 0.2)
    assert arrivals.every_s == pytest.approx(0.02)
    for round_ in range(21, 41):
        arrivals.add(0, round_ * 0.2)
        arrivals.add(20, round_ * 0.2)
    assert arrivals.every_s == pytest.approx(0.01)
