from itertools import chain, combinations, pairwise

import elephant.spike_train_correlation
import elephant.statistics
import neo
import numpy as np
import pytest
import quantities
import scipy.signal
import scipy.stats
from elephant.conversion import BinnedSpikeTrain
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spikeloop.models.measures.intervals import (
    interspike_interval_cv,
    interspike_interval_distribution,
    interspike_intervals,
)
from spikeloop.models.measures.seams import seam_ratio
from spikeloop.models.measures.statistics import (
    MOST_TRIPLET_UNITS,
    autocorrelation,
    correlation_spectrum,
    expected_counts,
    fano_factor,
    lagged_covariance,
    pairwise_correlation,
    pairwise_covariance,
    population_count_distribution,
    population_power_spectrum,
    synchrony,
    triplet_covariance,
    window_count_distribution,
)

windows = hnp.arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(2, 12), st.integers(1, 5)))
small_counts = hnp.arrays(
    np.uint8, st.tuples(st.integers(1, 6), st.integers(2, 12), st.integers(1, 5)), elements=st.integers(0, 3)
)


def elephants_trains(unit: np.ndarray) -> list[neo.SpikeTrain]:
    """The windows (windows, bins) of one unit, spikes in the middle of their bins of 1 ms."""
    return [
        neo.SpikeTrain((np.flatnonzero(window) + 0.5) * quantities.ms, t_stop=len(window) * quantities.ms)
        for window in unit
    ]


def intervals_of(unit: np.ndarray) -> list[int]:
    """Interspike intervals of one unit's windows (windows, bins), spike by spike."""
    intervals = []
    for window in unit:
        spikes = [place for place, count in enumerate(window) for _ in range(count)]
        intervals += [late - early for early, late in pairwise(spikes)]
    return intervals


@pytest.mark.filterwarnings("ignore")  # Elephant and neo warn about themselves
def test_covariance_is_elephants(random):
    counts = random.integers(0, 2, (400, 6)).astype(np.uint8)
    trains = [
        neo.SpikeTrain((np.flatnonzero(unit) + 0.5) * quantities.ms, t_stop=400 * quantities.ms) for unit in counts.T
    ]
    binned = BinnedSpikeTrain(trains, bin_size=1 * quantities.ms, t_stop=400 * quantities.ms)
    theirs = elephant.spike_train_correlation.covariance(binned) * 399 / 400  # they divide by bins - 1
    np.testing.assert_allclose(pairwise_covariance(counts[np.newaxis]), theirs, atol=1e-12)


@given(windows)
def test_covariance_is_numpys(counts):
    expected = np.cov(counts.reshape(-1, counts.shape[2]).T.astype(float), bias=True)
    np.testing.assert_allclose(pairwise_covariance(counts), np.atleast_2d(expected), atol=1e-6)


@pytest.mark.parametrize("largest", [1, 255, 60_000])
@pytest.mark.parametrize("lag", [0, 3])
def test_covariance_of_a_long_recording_is_exact(random, largest, lag):
    """Beside whole numbers without limit; sums are taken in parts that float32 or float64 holds exactly."""
    counts = random.integers(0, largest + 1, (2, 70_000, 3)).astype(np.uint8 if largest < 256 else np.uint16)
    early, late = (part.reshape(-1, 3).astype(np.int64) for part in (counts[:, : 70_000 - lag], counts[:, lag:]))
    bins = len(early)
    products = (early.T @ late).astype(object) * bins - np.outer(early.sum(0).astype(object), late.sum(0))
    np.testing.assert_allclose(lagged_covariance(counts, lag), (products / bins**2).astype(float), rtol=1e-9, atol=1e-9)


@given(windows, st.integers(0, 11))
def test_lagged_covariance_is_its_definition(counts, lag):
    if lag >= counts.shape[1]:
        with pytest.raises(ValueError, match="expected a lag from 0"):
            lagged_covariance(counts, lag)
        return
    x = counts.astype(float)
    early, late = x[:, : x.shape[1] - lag].reshape(-1, x.shape[2]), x[:, lag:].reshape(-1, x.shape[2])
    expected = (early - early.mean(0)).T @ (late - late.mean(0)) / len(early)
    np.testing.assert_allclose(lagged_covariance(counts, lag), expected, atol=1e-6)


def test_covariance_of_many_large_counts_does_not_lose_precision(random):
    counts = random.integers(250, 256, (4, 30_000, 2)).astype(np.uint8)
    expected = np.cov(counts.reshape(-1, 2).T.astype(np.float64), bias=True)
    np.testing.assert_allclose(pairwise_covariance(counts), expected, atol=1e-6)


@given(windows)
def test_expected_counts_and_population_counts_agree_on_the_mean(counts):
    distribution = population_count_distribution(counts)
    assert distribution.sum() == pytest.approx(1)
    assert distribution @ np.arange(len(distribution)) == pytest.approx(expected_counts(counts).sum())


def test_autocorrelation_of_a_known_process(random):
    """A moving sum of two white bins has correlation 1/2 at lag 1 and none beyond."""
    white = random.integers(0, 2, (200, 501, 3))
    counts = (white[:, 1:] + white[:, :-1]).astype(np.uint8)
    np.testing.assert_allclose(autocorrelation(counts, 3), [0.5, 0, 0], atol=0.01)


def test_autocorrelation_of_silence_is_zero_and_its_lags_are_checked():
    silent = np.zeros((2, 10, 3), np.uint8)
    np.testing.assert_array_equal(autocorrelation(silent, 4), np.zeros(4))
    for lag in (0, 10):
        with pytest.raises(ValueError, match="expected a largest lag from 1 to 9"):
            autocorrelation(silent, lag)


@pytest.mark.filterwarnings("ignore")  # Elephant and neo warn about themselves
def test_fano_factor_and_intervals_are_elephants(random):
    counts = random.integers(0, 2, (40, 30, 3)).astype(np.uint8)
    trains = [elephants_trains(unit) for unit in counts.transpose(2, 0, 1)]
    fano = [elephant.statistics.fanofactor(windows) for windows in trains]
    np.testing.assert_allclose(fano_factor(counts), np.array(fano))
    intervals = [
        np.concatenate([elephant.statistics.isi(train.rescale("ms").magnitude) for train in windows])
        for windows in trains
    ]
    np.testing.assert_allclose(
        interspike_interval_cv(counts), np.array([elephant.statistics.cv(each) for each in intervals])
    )
    pooled = np.bincount(np.rint(np.concatenate(intervals)).astype(int), minlength=30)
    np.testing.assert_allclose(interspike_interval_distribution(counts), pooled / pooled.sum())


def test_fano_factor_of_poisson_units_is_one_and_of_bernoulli_units_falls_short_by_their_probability(random):
    poisson = random.poisson([0.05, 0.2, 1.0], (20_000, 10, 3)).astype(np.uint8)
    np.testing.assert_allclose(fano_factor(poisson), 1, atol=0.05)
    probability = np.array([0.1, 0.5, 0.9])
    bernoulli = (random.random((20_000, 10, 3)) < probability).astype(np.uint8)
    np.testing.assert_allclose(fano_factor(bernoulli), 1 - probability, atol=0.05)


def test_fano_factor_of_silence_is_one_and_of_clockwork_zero():
    counts = np.zeros((5, 8, 2), np.uint8)
    counts[:, ::2, 1] = 1
    np.testing.assert_array_equal(fano_factor(counts), [1, 0])


@given(windows)
def test_window_counts_are_distributed_as_their_histogram_says(counts):
    distribution = window_count_distribution(counts)
    totals = counts.sum(axis=1, dtype=int)
    assert distribution.shape == (counts.shape[2], totals.max() + 1)
    np.testing.assert_allclose(distribution.sum(axis=1), 1)
    for unit, row in enumerate(distribution):
        np.testing.assert_allclose(row, [np.mean(totals[:, unit] == count) for count in range(len(row))])


def test_window_counts_of_bernoulli_units_are_binomial(random):
    probability = np.array([0.1, 0.5])
    counts = (random.random((20_000, 8, 2)) < probability).astype(np.uint8)
    expected = scipy.stats.binom.pmf(np.arange(9), 8, probability[:, np.newaxis])
    np.testing.assert_allclose(window_count_distribution(counts), expected, atol=0.015)


@given(small_counts)
def test_intervals_are_counted_spike_by_spike(counts):
    """Two spikes in one bin are an interval of 0 bins; none reaches from one window into the next."""
    units = [intervals_of(unit) for unit in counts.transpose(2, 0, 1)]
    pooled = np.bincount(np.array([*chain(*units)], int), minlength=counts.shape[1])
    np.testing.assert_allclose(interspike_interval_distribution(counts), pooled / max(1, pooled.sum()))
    cv = [np.std(unit) / np.mean(unit) if unit and np.mean(unit) > 0 else 0 for unit in units]
    np.testing.assert_allclose(interspike_interval_cv(counts), np.array(cv), atol=1e-7)


@given(small_counts)
def test_an_interval_knows_its_unit_and_its_window(counts):
    expected = [
        (interval, unit, window)
        for unit in range(counts.shape[2])
        for window in range(len(counts))
        for interval in intervals_of(counts[window : window + 1, :, unit])
    ]
    assert list(zip(*interspike_intervals(counts), strict=True)) == expected


def test_three_spikes_in_a_bin_are_two_intervals_of_no_bins():
    counts = np.zeros((1, 6, 1), np.uint8)
    counts[0, [1, 4], 0] = 3, 1
    np.testing.assert_allclose(interspike_interval_distribution(counts), [2 / 3, 0, 0, 1 / 3, 0, 0])


def test_intervals_of_bernoulli_units_are_geometric(random):
    """In a window of B bins an interval of k has B - k places to lie."""
    bins, probability = 200, 0.2
    counts = (random.random((500, bins, 2)) < probability).astype(np.uint8)
    expected = (bins - np.arange(bins)) * (1 - probability) ** np.arange(-1.0, bins - 1)
    expected[0] = 0
    np.testing.assert_allclose(interspike_interval_distribution(counts), expected / expected.sum(), atol=0.01)
    np.testing.assert_allclose(interspike_interval_cv(counts), np.sqrt(1 - probability), atol=0.03)


def test_silence_and_single_spikes_have_no_intervals():
    counts = np.zeros((3, 5, 2), np.uint8)
    counts[:, 2, 1] = 1
    np.testing.assert_array_equal(interspike_interval_distribution(counts), np.zeros(5))
    np.testing.assert_array_equal(interspike_interval_cv(counts), [0, 0])


@pytest.mark.filterwarnings("ignore")  # Elephant and neo warn about themselves
def test_correlation_is_elephants_and_numpys(random):
    common = random.random((400, 1)) < 0.3
    counts = (common | (random.random((400, 5)) < 0.3)).astype(np.uint8)
    binned = BinnedSpikeTrain(elephants_trains(counts.T), bin_size=1 * quantities.ms, t_stop=400 * quantities.ms)
    found = pairwise_correlation(counts.reshape(4, 100, 5))
    np.testing.assert_allclose(found, elephant.spike_train_correlation.correlation_coefficient(binned), atol=1e-12)
    np.testing.assert_allclose(found, np.corrcoef(counts.T), atol=1e-12)


def test_units_that_never_vary_are_uncorrelated_but_with_themselves(random):
    varying = random.integers(0, 2, (10, 20, 1))
    counts = np.concatenate([varying, np.full((10, 20, 1), 7), np.zeros((10, 20, 1))], axis=2).astype(np.uint8)
    np.testing.assert_array_equal(pairwise_correlation(counts), np.eye(3))


@given(windows)
def test_synchrony_is_its_definition_and_lies_between_0_and_1(counts):
    """Golomb 2007, eq. 1 to 3, unit by unit."""
    units = counts.reshape(-1, counts.shape[2]).T.astype(float)
    population = units.mean(axis=0)
    of_units = np.mean([np.mean(unit**2) - np.mean(unit) ** 2 for unit in units])
    expected = (np.mean(population**2) - np.mean(population) ** 2) / of_units if np.ptp(units, axis=1).any() else 0
    assert synchrony(counts) == pytest.approx(expected, abs=1e-6)
    assert 0 <= synchrony(counts) <= 1 + 1e-9


def test_synchrony_of_twins_of_opposites_of_the_independent_and_of_silence(random):
    unit = random.integers(0, 2, (50, 20, 1)).astype(np.uint8)
    assert synchrony(np.repeat(unit, 6, axis=2)) == pytest.approx(1)
    assert synchrony(np.concatenate([unit, 1 - unit], axis=2)) == pytest.approx(0, abs=1e-12)
    assert synchrony((random.random((2000, 50, 8)) < 0.2).astype(np.uint8)) == pytest.approx(1 / 8, rel=0.05)
    assert synchrony(np.zeros((5, 6, 3), np.uint8)) == 0


def test_correlation_spectrum_is_numpys(random):
    common = random.integers(0, 2, (50, 20, 1))
    counts = (common + random.integers(0, 3, (50, 20, 5))).astype(np.uint8)
    expected = np.linalg.eigvalsh(np.corrcoef(counts.reshape(-1, 5).T))[::-1]
    np.testing.assert_allclose(correlation_spectrum(counts), expected, atol=1e-10)


@given(windows)
def test_correlation_spectrum_falls_and_sums_to_the_number_of_units(counts):
    spectrum = correlation_spectrum(counts)
    assert spectrum.sum() == pytest.approx(counts.shape[2])
    assert np.all(np.diff(spectrum) <= 0)
    assert spectrum[-1] > -1e-6


def test_silent_and_constant_units_correlate_with_none(random):
    twins = np.repeat(random.integers(0, 2, (10, 20, 1)), 2, axis=2)
    counts = np.concatenate([twins, np.zeros((10, 20, 1)), np.full((10, 20, 1), 3)], axis=2).astype(np.uint8)
    np.testing.assert_allclose(correlation_spectrum(counts), [2, 1, 1, 0], atol=1e-12)


@given(small_counts)
def test_triplet_covariance_is_its_definition(counts):
    centred = counts.reshape(-1, counts.shape[2]) - expected_counts(counts)
    expected = [
        np.mean(centred[:, i] * centred[:, j] * centred[:, k]) for i, j, k in combinations(range(centred.shape[1]), 3)
    ]
    found = triplet_covariance(counts)
    assert found.shape == (len(expected),)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_of_many_units_the_triplets_of_some_are_taken(random):
    counts = (random.random((4, 50, 300)) < 0.1).astype(np.uint8)
    places = np.linspace(0, 299, MOST_TRIPLET_UNITS).round().astype(int)
    np.testing.assert_array_equal(triplet_covariance(counts), triplet_covariance(counts[..., places]))


def test_triplet_covariance_of_many_large_counts_does_not_lose_precision(random):
    counts = random.integers(250, 256, (4, 3000, 3)).astype(np.uint8)
    expected = np.prod(counts.reshape(-1, 3) - expected_counts(counts), axis=1).mean()
    np.testing.assert_allclose(triplet_covariance(counts), expected, atol=1e-4)


@given(windows)
def test_power_is_the_variance_of_the_population_count(counts):
    """Parseval: frequencies between 0 and the highest stand for their negatives as well."""
    bins = counts.shape[1]
    twice = np.full(bins // 2 + 1, 2)
    twice[0] = 1
    if bins % 2 == 0:
        twice[-1] = 1
    variance = counts.sum(axis=2, dtype=float).var()
    assert population_power_spectrum(counts) @ twice == pytest.approx(bins * variance, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("bins", [15, 16])
def test_power_spectrum_is_scipys(random, bins):
    counts = random.integers(0, 4, (6, bins, 3)).astype(np.uint8)
    population = counts.sum(axis=2, dtype=float)
    centred = population - population.mean()
    _, power = scipy.signal.periodogram(centred, detrend=False, return_onesided=False)  # pyright: ignore[reportArgumentType]
    np.testing.assert_allclose(population_power_spectrum(counts), power.mean(axis=0)[: bins // 2 + 1])


def follows_a_common_drive(random: np.random.Generator, shape: tuple[int, int, int]) -> np.ndarray:
    """Units (windows, bins, units) that fire more often together for some ten bins at a time."""
    white = random.standard_normal((shape[0], shape[1] + 10))
    drive = np.lib.stride_tricks.sliding_window_view(white, 11, axis=1).mean(axis=2)
    return (random.random(shape) < np.where(drive > 0, 0.6, 0.1)[:, :, np.newaxis]).astype(np.uint8)


def test_a_stationary_process_shows_no_seam_and_windows_side_by_side_do(random):
    stationary = follows_a_common_drive(random, (1, 60_000, 5))[0]
    assert seam_ratio(stationary, 20) == pytest.approx(1, abs=0.1)
    side_by_side = follows_a_common_drive(random, (3000, 20, 5)).reshape(-1, 5)
    assert seam_ratio(side_by_side, 20) == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("max_lag", [1, 3])
def test_seam_ratio_is_its_definition(random, max_lag):
    counts = follows_a_common_drive(random, (1, 240, 3))[0]
    centred = counts - counts.mean(axis=0)
    sides = {True: 0.0, False: 0.0}
    for lag in range(1, max_lag + 1):
        products = {True: [], False: []}
        for early in range(240 - lag):
            late = early + lag
            pairs = sum(centred[early, i] * centred[late, j] for i in range(3) for j in range(3) if i != j)
            products[early // 12 != late // 12].append(pairs)
        for across in sides:
            sides[across] += float(np.mean(products[across]))
    assert seam_ratio(counts, 12, max_lag) == pytest.approx(sides[True] / sides[False])


def test_a_seam_ratio_knows_no_more_than_whole_steps(random):
    counts = follows_a_common_drive(random, (1, 2000, 5))[0]
    longer = np.concatenate([counts, np.full((19, 5), 100, np.uint8)])
    assert seam_ratio(longer, 20) == pytest.approx(seam_ratio(counts, 20))


def test_silence_has_no_seam_ratio_and_its_steps_are_checked():
    silent = np.zeros((40, 2), np.uint8)
    assert np.isnan(seam_ratio(silent, 10))
    for step_bins, max_lag in ((10, 0), (10, 10), (5, 5), (21, 5), (-10, 5)):
        with pytest.raises(ValueError, match="expected at least two steps of more than"):
            seam_ratio(silent, step_bins, max_lag)


def test_units_without_covariance_have_no_seam_ratio(random):
    assert np.isnan(seam_ratio(random.integers(0, 2, (2000, 4)).astype(np.uint8), 20))


def test_steps_of_no_bins_are_refused():
    with pytest.raises(ValueError, match="expected at least two steps of more than"):
        seam_ratio(np.zeros((40, 2), np.uint8), 0)


def test_covariances_of_large_counts_lose_nothing(random):
    windows = random.integers(400, 1000, (3, 500, 4)).astype(np.uint16)
    flat = windows.reshape(-1, 4).astype(np.float64)
    np.testing.assert_allclose(pairwise_covariance(windows), np.cov(flat.T, bias=True), rtol=1e-12)
