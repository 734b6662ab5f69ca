import numpy as np
import pytest

from spikeloop.models.measures.cross_correlograms import LAGS, MOST_UNITS, cross_correlograms


def test_each_entry_is_the_correlation_of_two_units_at_a_lag(random):
    windows = random.poisson(random.gamma(1.0, 0.5, (60, 14, 1)), (60, 14, 3)).astype(np.uint8)
    found = cross_correlograms(windows)
    deviation = windows.std(axis=(0, 1))
    for row, (i, j) in zip(found, [(0, 1), (0, 2), (1, 2)], strict=True):
        for lag in range(-LAGS, LAGS + 1):
            first, second = (j, i) if lag < 0 else (i, j)
            bins = 14 - abs(lag)
            early, late = windows[:, :bins, first].astype(float), windows[:, 14 - bins :, second].astype(float)
            expected = (early * late).mean() - early.mean() * late.mean()
            assert row[lag + LAGS] * deviation[i] * deviation[j] == pytest.approx(expected, abs=1e-6)


def test_a_unit_that_follows_another_has_its_peak_at_the_delay(random):
    leader = random.random((300, 40)) < 0.1
    windows = np.stack([leader, np.roll(leader, 3, axis=1), random.random((300, 40)) < 0.1], axis=2).astype(np.uint8)
    found = cross_correlograms(windows)
    assert found[0].argmax() - LAGS == 3
    assert found[0, LAGS + 3] > 0.9
    assert np.abs(found[1:]).max() < 0.05


def test_of_many_units_some_make_the_pairs_and_of_one_none(random):
    windows = random.poisson(0.5, (20, 5, 40)).astype(np.uint8)
    assert cross_correlograms(windows).shape == (MOST_UNITS * (MOST_UNITS - 1) // 2, 9)
    assert cross_correlograms(windows[:, :, :1]).size == 0
