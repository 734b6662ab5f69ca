"""Running statistics are those of `statistics`, which have oracles of their own; weights have one here: repetition."""

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.running import (
    LARGEST_COUNT,
    RunningStatistics,
    WindowCutter,
)
from spikeloop.models.measures.sums import LEAST_UNITS, MOST_WINDOW_COUNTS, RARE, add_windows, no_windows
from spikeloop.models.measures.table import STATISTICS, statistics_from

BATCH: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    key: statistic.function for key, statistic in STATISTICS.items() if statistic.from_sums is not None
}
NUMBERS = (np.uint8, np.uint16, np.int64, np.float32, np.float64)

streams = hnp.arrays(np.uint8, st.tuples(st.integers(12, 80), st.integers(1, 4)), elements=st.integers(0, 3))
cuts = st.lists(st.integers(0, 80), max_size=6)


def assert_is_batch(found: dict[str, np.ndarray], windows: np.ndarray, rtol: float = 1e-9, atol: float = 1e-9) -> None:
    """All statistics, by name and shape; `atol` is for what is 0 but for rounding."""
    assert found.keys() == BATCH.keys()
    for name, batch in BATCH.items():
        expected = np.asarray(batch(windows))
        assert found[name].shape == expected.shape, name
        assert found[name].dtype == np.float64, name
        np.testing.assert_allclose(found[name], expected, rtol=rtol, atol=atol, err_msg=name)


def chunks_of(stream: np.ndarray, places: Sequence[int]) -> list[np.ndarray]:
    return np.split(stream, sorted(min(place, len(stream)) for place in places))


def correlated(random: np.random.Generator, bins: int, units: int) -> np.ndarray:
    """Counts (bins, units) of 0 to 3 that share a drive."""
    drive = 0.1 + 0.4 * (random.random((bins, 1)) < 0.2)
    return random.binomial(3, drive * np.linspace(0.2, 1, units), (bins, units)).astype(np.uint8)


@given(streams, cuts, st.integers(2, 12), st.sampled_from(NUMBERS))
def test_running_statistics_of_any_chunks_are_the_batch_functions(stream, places, window_bins, number):
    units = stream.shape[1]
    cutter, running = WindowCutter(window_bins, units), RunningStatistics(window_bins, units)
    for chunk in chunks_of(stream.astype(number), places):
        running.add(cutter.cut(chunk))
    whole = len(stream) // window_bins
    assert running.windows == running.effective_windows == whole
    assert_is_batch(running.statistics(), stream[: whole * window_bins].reshape(whole, window_bins, units))


@given(streams, cuts, st.integers(2, 12), st.sampled_from([math.inf, 1.5, 20.0]))
def test_neither_chunks_nor_reading_in_between_change_anything(stream, places, window_bins, half_life):
    units = stream.shape[1]
    cutter = WindowCutter(window_bins, units)
    often, once = (RunningStatistics(window_bins, units, half_life) for _ in range(2))
    for chunk in chunks_of(stream, places):
        often.add(cutter.cut(chunk))
        if often.windows:
            often.statistics()
    once.add(WindowCutter(window_bins, units).cut(stream))
    for name, value in once.statistics().items():
        np.testing.assert_allclose(often.statistics()[name], value, rtol=1e-9, atol=1e-9, err_msg=name)


@given(streams, st.integers(8, 12), st.sampled_from([1.0, 0.5]))
def test_a_weight_is_so_many_repetitions(stream, window_bins, half_life):
    """With half-lives of 1 and 1/2 windows, weights are 1, 2, 4, ... and 1, 4, 16, ... of the oldest one's."""
    whole, units = len(stream) // window_bins, stream.shape[1]
    windows = stream[: whole * window_bins].reshape(whole, window_bins, units)[-6:]
    running = RunningStatistics(window_bins, units, half_life)
    running.add(windows)
    repetitions = (2 ** (np.arange(len(windows)) / half_life)).astype(int)
    assert_is_batch(running.statistics(), np.repeat(windows, repetitions, axis=0))
    assert running.effective_windows == pytest.approx(repetitions.sum() ** 2 / (repetitions**2).sum())


@pytest.mark.parametrize("half_life", [0.7, 3.0, 40.0, 1e6])
def test_older_windows_count_for_less(random, half_life):
    """Many half-lives or few, in portions; against NumPy's weighted mean and covariance of all bins."""
    stream = correlated(random, 5000 * 4, 3)
    windows = stream.reshape(-1, 4, 3)
    running = RunningStatistics(4, 3, half_life)
    for portion in np.array_split(windows, 60):
        running.add(portion)
    weights = 2.0 ** (-np.arange(len(windows))[::-1] / half_life)
    found = running.statistics()
    of_bins = np.repeat(weights, 4)
    np.testing.assert_allclose(found["rates"], np.average(stream, axis=0, weights=of_bins), rtol=1e-9)
    expected = np.cov(stream.T.astype(float), aweights=of_bins, ddof=0)
    np.testing.assert_allclose(found["covariance"], expected, rtol=1e-9, atol=1e-12)
    of_counts = np.array([np.average(stream.sum(axis=1) == count, weights=of_bins) for count in range(10)])
    np.testing.assert_allclose(
        found["population_count"], of_counts[: len(found["population_count"])], rtol=1e-9, atol=1e-12
    )
    np.testing.assert_allclose(found["window_counts"].sum(axis=1), 1)
    assert running.effective_windows == pytest.approx(weights.sum() ** 2 / (weights**2).sum())


@pytest.mark.parametrize("share", [0.0, RARE / 4, RARE / 2])
@pytest.mark.parametrize("weighted", [False, True])
def test_products_of_a_large_population_that_fires_rarely_are_those_of_all_its_bins(random, share, weighted):
    units, number, bins = LEAST_UNITS, 7, 30
    windows = random.integers(1, 4, (number, bins, units)) * (random.random((number, bins, units)) < share)
    weights = random.random(number) if weighted else None
    sums = no_windows(bins, units)
    add_windows(sums, windows, weights)
    for lag, products in sums.products.items():
        early, late = windows[:, : bins - lag], windows[:, lag:]
        expected = np.einsum("w,wbi,wbj->ij", np.ones(number) if weights is None else weights, early, late)
        np.testing.assert_allclose(products, expected, rtol=1e-12 if weighted else 0)


def test_what_is_long_forgotten_leaves_exactly_nothing(random):
    """After 600 half-lives, where sums that were only scaled down would still be above 0."""
    windows = correlated(random, 1300 * 4, 2).reshape(-1, 4, 2)
    windows[100:, :, 1] = 0
    running = RunningStatistics(4, 2, half_life_windows=2)
    for portion in np.array_split(windows, 100):
        running.add(portion)
    found = running.statistics()
    assert found["rates"][1] == found["variance"][1] == found["interval_cv"][1] == 0
    np.testing.assert_array_equal(found["correlation"], np.eye(2))
    assert found["rates"][0] > 0


def test_a_stuck_channel_correlates_with_none_whatever_the_weights(random):
    """Its variance is that of rounding, which must not be divided by."""
    windows = correlated(random, 3000 * 8, 3).reshape(-1, 8, 3)
    windows[:, :, 1] = 7
    for half_life in (math.inf, 11.0, 300.0):
        running = RunningStatistics(8, 3, half_life)
        running.add(windows)
        found = running.statistics()
        np.testing.assert_array_equal(found["correlation"][1], [0, 1, 0])
        assert not found["covariance"][1].any()
        assert not found["covariance"][:, 1].any()
        assert found["fano_factor"][1] == pytest.approx(0, abs=1e-12)


@given(st.integers(0, 2**32 - 1), st.sampled_from([np.uint16, np.float32]))
def test_counts_of_hundreds_lose_nothing(seed, number):
    random = np.random.Generator(np.random.Philox(seed))
    windows = random.integers(LARGEST_COUNT - 3, LARGEST_COUNT + 1, (150, 8, 3)).astype(number)
    running = RunningStatistics(8, 3)
    running.add(windows)
    found = running.statistics()
    counts = windows.reshape(-1, 3).astype(np.float64)
    np.testing.assert_allclose(found["covariance"], np.cov(counts.T, bias=True), atol=1e-8)
    np.testing.assert_allclose(found["rates"], counts.mean(axis=0), rtol=1e-14)
    in_window = windows.astype(np.float64).sum(axis=1)
    np.testing.assert_allclose(found["fano_factor"], in_window.var(axis=0) / in_window.mean(axis=0), rtol=1e-9)


def test_a_million_bins_in_chunks_of_any_size_are_the_batch_functions(random):
    stream = correlated(random, 1_000_000, 3)
    cutter, running = WindowCutter(32, 3), RunningStatistics(32, 3)
    for chunk in np.split(stream, np.cumsum(random.integers(1, 5000, 390))):
        running.add(cutter.cut(chunk))
    assert_is_batch(running.statistics(), stream.reshape(-1, 32, 3), atol=1e-12)


def test_after_a_hundred_million_bins_a_block_still_counts_in_full(random):
    """As if one block had been seen 100,000 times, and then another; against whole numbers without limit."""
    often, once = (correlated(random, 1024, 3).reshape(-1, 32, 3) for _ in range(2))
    sums, times = no_windows(32, 3), 100_000
    add_windows(sums, often)
    for field in dataclasses.fields(sums):
        value = getattr(sums, field.name)
        scaled = {lag: each * times for lag, each in value.items()} if isinstance(value, dict) else value * times
        setattr(sums, field.name, scaled)
    add_windows(sums, once)
    early, late = (each.reshape(-1, 3).astype(object) for each in (often, once))
    bins = times * len(early) + len(late)
    products = times * early.T.dot(early) + late.T.dot(late)
    totals = times * early.sum(axis=0) + late.sum(axis=0)
    covariance = (products * bins - np.outer(totals, totals)) / bins**2  # a division of whole numbers rounds but once
    found = statistics_from(sums)
    np.testing.assert_allclose(found["covariance"], covariance.astype(float), rtol=1e-13)
    np.testing.assert_array_equal(found["rates"], (totals / bins).astype(float))


@given(streams, cuts, st.integers(1, 12))
def test_windows_are_adjacent_whatever_the_chunks(stream, places, window_bins):
    cutter = WindowCutter(window_bins, stream.shape[1])
    windows = np.concatenate([cutter.cut(chunk) for chunk in chunks_of(stream, places)])
    whole = len(stream) // window_bins
    assert windows.dtype == stream.dtype
    np.testing.assert_array_equal(windows, stream[: whole * window_bins].reshape(whole, window_bins, stream.shape[1]))
    assert cutter.drop() == len(stream) - whole * window_bins


@given(streams, streams, st.integers(2, 12))
def test_a_gap_costs_the_unfinished_window_only(before, after, window_bins):
    before, after = before[:, :1], after[:, :1]
    cutter = WindowCutter(window_bins, 1)
    first = cutter.cut(before)
    assert cutter.drop() == len(before) % window_bins
    assert cutter.drop() == 0
    np.testing.assert_array_equal(first.ravel(), before[: first.size, 0])
    second = cutter.cut(after)
    np.testing.assert_array_equal(second.ravel(), after[: len(after) // window_bins * window_bins, 0])


def test_windows_that_wait_are_the_monitors_own(random):
    windows = correlated(random, 40, 2).reshape(5, 8, 2)
    kept, running = windows.copy(), RunningStatistics(8, 2)
    running.add(windows)
    windows[:] = 0
    assert_is_batch(running.statistics(), kept)


def test_a_cutter_refuses_other_units():
    cutter = WindowCutter(8, 3)
    for shape in ((5, 2), (5,), (2, 5, 3)):
        with pytest.raises(BadInputError, match="expected a chunk of shape"):
            cutter.cut(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("value", [0.5, -1.0, math.nan, math.inf, LARGEST_COUNT + 1])
def test_what_is_no_count_is_refused_and_changes_nothing(value):
    running = RunningStatistics(4, 2)
    windows = np.ones((3, 4, 2), np.float32)
    running.add(windows)
    windows[1, 2, 1] = value
    with pytest.raises(BadInputError, match="expected whole counts"):
        running.add(windows)
    assert running.windows == 3
    np.testing.assert_array_equal(running.statistics()["rates"], [1, 1])


def test_shapes_and_settings_are_checked_and_no_windows_have_no_statistics():
    running = RunningStatistics(4, 2)
    with pytest.raises(BadInputError, match="expected at least one whole window"):
        running.statistics()
    for shape in ((1, 4, 3), (1, 5, 2), (4, 2)):
        with pytest.raises(BadInputError, match="expected windows of shape"):
            running.add(np.zeros(shape, np.uint8))
    for window_bins, units, half_life in ((1, 2, 1.0), (4, 0, 1.0), (4, 2, 0.0), (4, 2, math.nan)):
        with pytest.raises(BadInputError, match="expected windows of at least 2 bins"):
            RunningStatistics(window_bins, units, half_life)
    assert running.effective_windows == 0


def test_a_wide_count_is_kept_when_narrower_chunks_follow():
    cutter = WindowCutter(4, 1)
    assert len(cutter.cut(np.array([[300], [1]], np.uint16))) == 0
    (window,) = cutter.cut(np.array([[2], [3]], np.uint8))
    np.testing.assert_array_equal(window[:, 0], [300, 1, 2, 3])


def test_a_burst_of_thousands_of_spikes_keeps_histograms_small_and_fano_factors_right():
    random = np.random.default_rng(0)
    windows = random.poisson(1.0, (20, 1000, 3)).astype(np.uint16)
    windows[3, :, 1] = 900
    running = RunningStatistics(1000, 3)
    running.add(windows)
    found = running.statistics()
    assert found["window_counts"].shape[1] <= MOST_WINDOW_COUNTS
    np.testing.assert_allclose(
        found["fano_factor"], windows.sum(axis=1).var(axis=0) / windows.sum(axis=1).mean(axis=0), rtol=1e-9
    )
    np.testing.assert_allclose(found["window_counts"].sum(axis=1), 1.0)
