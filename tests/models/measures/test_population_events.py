import numpy as np
import pytest

from spikeloop.models.measures.distances import distribution_distance
from spikeloop.models.measures.population_events import (
    avalanche_size_distribution,
    event_latency,
    silence_duration_distribution,
)


@pytest.fixture
def windows(random):
    """Of a population that is often silent, and now and then has many spikes."""
    gain = random.gamma(0.3, 1.0, (60, 25, 1))
    return random.poisson(0.4 * gain, (60, 25, 5)).astype(np.uint8)


def runs(active):
    """First bin of each run, and the bin behind it, bin by bin."""
    found, first = [], None
    for bin_, value in enumerate([*active, False]):
        if value and first is None:
            first = bin_
        if not value and first is not None:
            found.append((first, bin_))
            first = None
    return found


def thresholds(population):
    """The whole numbers about the mean, and how near to each it is."""
    mean = max(1.0, population.mean())
    return [(np.floor(mean), 1 - mean % 1), (np.floor(mean) + 1, mean % 1)]


@pytest.mark.parametrize("gain", [1, 9])  # fewer than one spike a bin on average, and more
def test_avalanches_are_what_a_loop_over_bins_finds(windows, gain):
    windows = gain * windows
    population = windows.sum(axis=2)
    assert (population.mean() > 1) == (gain > 1)
    found = avalanche_size_distribution(windows)
    expected = np.zeros(len(found))
    for least, weight in thresholds(population):
        octaves = [int(np.log2(row[first:end].sum())) for row in population for first, end in runs(row >= least)]
        expected += weight * np.bincount(octaves, minlength=len(found)) / len(octaves)
    np.testing.assert_allclose(found, expected)


def test_nothing_jumps_when_the_mean_passes_a_whole_number(random):
    windows = random.poisson(0.5, (400, 25, 4)).astype(np.uint8)  # about 2 spikes a bin
    more, fewer = windows.copy(), windows.copy()
    while more.sum() <= 2 * 400 * 25:
        more[tuple(random.integers(more.shape))] += 1
    while fewer.sum() >= 2 * 400 * 25:
        fewer[tuple(random.integers(fewer.shape))] = 0
    found = [avalanche_size_distribution(each) for each in (more, fewer)]
    assert distribution_distance(*found) < 0.1


def test_below_one_spike_a_bin_an_avalanche_is_that_of_beggs_and_plenz():
    windows = np.zeros((1, 12, 3), np.uint8)
    windows[0, [1, 2, 3, 7], [0, 1, 2, 0]] = 1  # a run of three spikes, and a single one
    np.testing.assert_allclose(avalanche_size_distribution(windows), [0.5, 0.5, 0])


def test_silences_are_what_a_loop_over_bins_finds(windows):
    lengths = [end - first for row in windows.sum(axis=2) for first, end in runs(row == 0)]
    expected = np.bincount(lengths, minlength=26) / len(lengths)
    np.testing.assert_allclose(silence_duration_distribution(windows), expected)


def test_silences_of_a_poisson_population_are_geometric(random):
    windows = random.poisson(0.05, (1, 200_000, 6))
    silent = np.exp(-6 * 0.05)
    expected = (1 - silent) * silent ** np.arange(20)
    found = silence_duration_distribution(windows.astype(np.uint8))
    np.testing.assert_allclose(found[1:21], expected, atol=4 * np.sqrt(0.26 * 0.74 / (200_000 * silent * 0.26)))


@pytest.mark.parametrize("gain", [1, 9])
def test_latency_is_what_a_loop_over_events_finds(windows, gain):
    windows = gain * windows
    population = windows.sum(axis=2)
    lags, number = np.zeros(5), np.zeros(5)
    for least, weight in thresholds(population):
        for window, row in zip(windows, population, strict=True):
            for first, end in runs(row >= least):
                event, places = window[first:end].astype(float), np.arange(end - first)
                centre = (event.sum(axis=1) * places).sum() / event.sum()
                lags += weight * ((places - centre)[:, np.newaxis] * event).sum(axis=0)
                number += weight * event.sum(axis=0)
    np.testing.assert_allclose(event_latency(windows), lags / number, atol=1e-12)


def test_units_that_fire_one_after_the_other_have_their_order_as_latency():
    windows = np.zeros((20, 16, 4), np.uint8)
    for window in range(20):
        windows[window, 3 + window % 9 + np.arange(3), np.arange(3)] = 1  # the fourth is silent
    np.testing.assert_allclose(event_latency(windows), [-1, 0, 1, 0])


def test_independent_units_have_no_order(random):
    windows = random.poisson(0.3, (2000, 32, 4)).astype(np.uint8)
    np.testing.assert_allclose(event_latency(windows), 0, atol=0.06)
