from dataclasses import replace

import numpy as np
import pytest

from spikeloop.exporters.formats.assembly.conditions import fill_gaps, on_bins, with_series
from spikeloop.exporters.formats.found import Series
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.recording import Recording

BIN_S = 0.02


def recorded(bins: int = 50, repeats: int = 1, starts_s=None) -> Recording:
    counts = np.arange(repeats * bins * 2).reshape(repeats, bins, 2) % 3
    return replace(Recording.from_counts(counts, BIN_S), starts_s=starts_s)


def sampled(values, times_s, names=("velocity x",)) -> Series:
    values = np.asarray(values, float)
    values = values[:, np.newaxis] if values.ndim == 1 else values
    return Series(values, np.asarray(times_s, float), names, ("cm/s",) * len(names))


def test_a_fast_series_is_averaged_in_each_bin():
    times = np.arange(1000) * 0.001 + 0.0005
    values = np.sin(times)
    found = on_bins(recorded(), sampled(values, times))
    np.testing.assert_allclose(found[0, :, 0], values.reshape(50, 20).mean(axis=1), rtol=1e-6)


def test_a_slow_series_is_interpolated_at_the_middle_of_a_bin():
    times = np.arange(11) * 0.1
    found = on_bins(recorded(), sampled(3 * times, times))
    middles = (np.arange(50) + 0.5) * BIN_S
    empty = ~np.isin(np.arange(50), np.round(times / BIN_S))
    np.testing.assert_allclose(found[0, empty, 0], 3 * middles[empty], rtol=1e-5)


def test_a_series_is_matched_to_each_trial_by_time():
    times = np.arange(0, 30, 0.005)
    found = on_bins(recorded(bins=10, repeats=2, starts_s=(5.0, 20.0)), sampled(times, times))
    np.testing.assert_allclose(found[:, 0, 0], [5.0075, 20.0075], rtol=1e-6)
    with pytest.raises(BadInputError, match="no times of its trials"):
        on_bins(recorded(bins=10, repeats=2), sampled(times, times))


def test_nothing_is_made_up_where_there_are_no_samples():
    times = np.concatenate([np.arange(0.1, 0.3, 0.01), np.arange(0.6, 0.9, 0.01)])
    found = on_bins(recorded(), sampled(np.ones(len(times)), times))[0, :, 0]
    known = np.flatnonzero(np.isfinite(found))
    assert known.min() >= 5 - 1
    assert known.max() <= 45
    assert np.isnan(found[16:29]).all()


def test_samples_in_any_order_and_samples_of_nan_are_accepted(random):
    times = np.arange(1000) * 0.001 + 0.0005
    order = random.permutation(1000)
    values = np.where(order % 7 == 0, np.nan, 2.0)
    np.testing.assert_allclose(on_bins(recorded(), sampled(values, times[order])), 2.0)


def with_gap(*gaps: slice) -> Recording:
    values = np.linspace(0, 49, 50)[:, np.newaxis].copy()
    for gap in gaps:
        values[gap] = np.nan
    return with_series(recorded(), Series(values, None, ("velocity x",), ("cm/s",)))


def test_a_short_gap_is_interpolated_and_said():
    filled = fill_gaps(with_gap(slice(10, 13)), 0.1)
    np.testing.assert_allclose(filled.conditions[0, :, 0], np.arange(50), atol=1e-5)
    assert filled.history == (
        "velocity x: missing in 3 of 50 bins, first in bin 10; 3 interpolated (gaps of up to 100 ms)",
    )
    assert (filled.channels[0].low, filled.channels[0].high) == (0.0, 49.0)


def test_the_bins_of_a_long_gap_are_left_out_with_their_spikes():
    found = with_gap(slice(10, 13), slice(20, 30))
    cut = fill_gaps(found, 0.1)
    assert (cut.repeats, cut.lengths) == (2, None)
    np.testing.assert_array_equal(cut.counts[1], found.counts[0, 30:])
    np.testing.assert_array_equal(cut.conditions[1, :, 0], np.arange(30, 50))
    assert "3 interpolated (gaps of up to 100 ms), 10 left out with their spikes" in cut.history[0]
    assert fill_gaps(found, 0.0).repeats == 3


def test_a_gap_at_an_end_is_left_out():
    cut = fill_gaps(with_gap(slice(0, 2), slice(49, 50)), 1.0)
    assert cut.counts.shape == (1, 47, 2)


def test_conditions_that_are_nowhere_or_infinite_are_refused():
    with pytest.raises(BadInputError, match="no bin is left"):
        fill_gaps(with_gap(slice(0, 50)), 1.0)
    infinite = Series(np.full((50, 1), np.inf), None, ("velocity x",), ("",))
    with pytest.raises(BadInputError, match="found infinity in velocity x, trial 0, bin 0"):
        fill_gaps(with_series(recorded(), infinite), 1.0)


def test_two_conditions_of_one_name_are_refused():
    series = Series(np.zeros((50, 1)), None, ("velocity x",), ("",))
    with pytest.raises(BadInputError, match="found 'velocity x' twice"):
        with_series(with_series(recorded(), series), series)


@pytest.mark.parametrize("step", [0.021, 0.033, 0.05, 0.11])
@pytest.mark.parametrize("offset", [0.0, 0.001, 0.013])
def test_a_slower_series_is_not_shifted_in_any_bin(step, offset):
    times = np.arange(-2 * step, 1.2, step) + offset
    found = on_bins(recorded(), sampled(3 * times, times))
    np.testing.assert_allclose(found[0, :, 0], 3 * (np.arange(50) + 0.5) * BIN_S, rtol=1e-5)


def test_infinite_samples_are_refused():
    values = np.where(np.arange(100) == 40, np.inf, 1.0)
    with pytest.raises(BadInputError, match="found infinity in velocity x, sample 40"):
        on_bins(recorded(), sampled(values, np.arange(100) * 0.01))


def test_values_that_hold_keep_the_last_one_over_a_gap_or_are_left_out():
    series = replace(sampled([1.0, 3.0], [0.0, 0.54]), stops_s=np.array([0.5, 1.0]))
    found = with_series(recorded(), series)
    filled = fill_gaps(found, 0.1, {"velocity x"})
    assert filled.conditions[0, :, 0].tolist() == [1.0] * 27 + [3.0] * 23
    assert fill_gaps(found, 0.02, {"velocity x"}).lengths == (25, 23)


def test_each_channel_of_a_slow_series_is_interpolated():
    times = np.arange(11) * 0.1
    found = on_bins(recorded(), sampled(np.stack([times, -2 * times], axis=1), times, ("x", "y")))
    middles = (np.arange(50) + 0.5) * BIN_S
    np.testing.assert_allclose(found[0], np.stack([middles, -2 * middles], axis=1), rtol=1e-5)
