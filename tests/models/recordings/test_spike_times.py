from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.binning import Binning, bin_trains
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.spike_times import Trials, range_of, spike_times_in_bins, trains_of
from tests.support.bad_values import NO_NUMBER, NO_TEXT


def bin_spike_times(times, units, size, start=None, stop=None):
    """Counts of one stretch, names and binning."""
    trains, names = trains_of(times, units)
    counts, binning = bin_trains(trains, size, range_of(trains, size, start, stop, "recording"))
    return counts[0], names, binning


def binning_of(recording: Recording) -> Binning:
    assert recording.binning is not None
    return recording.binning


def test_spikes_are_counted_by_unit_and_bin():
    recording = Recording.from_spike_times([0.01, 0.03, 0.031, 0.055], [7, 7, 3, 7], 0.02, start=0.0, stop=0.08)
    np.testing.assert_array_equal(recording.counts[0], [[0, 1], [1, 1], [0, 1], [0, 0]])
    assert recording.unit_names == ("unit 3", "unit 7")
    assert (binning_of(recording).spikes, binning_of(recording).binned) == (4, 4)


@given(bins=st.integers(1, 400), size=st.sampled_from([0.1, 0.001, 0.02, 1 / 30, 0.0003]), start=st.floats(-5, 5))
def test_a_spike_on_an_edge_is_in_the_bin_that_begins_there(bins, size, start):
    """As many spikes as bins, each at the very beginning of one, however its time was rounded."""
    for times in (np.arange(bins) * size + start, start + np.cumsum(np.full(bins, size)) - size):
        counts, _, binning = bin_spike_times(times, np.zeros(bins, int), size, start, start + bins * size)
        np.testing.assert_array_equal(counts, np.ones((bins, 1)))
        assert (binning.outside, binning.binned) == (0, bins)


def test_a_spike_that_rounding_puts_below_its_edge_is_counted_as_such():
    assert 0.3 / 0.1 < 3
    counts, _, binning = bin_spike_times([0.3, 0.05], ["a", "a"], 0.1, 0.0, 0.4)
    assert counts[:, 0].tolist() == [1, 0, 0, 1]
    assert binning.on_an_edge == 1


def test_times_of_a_clock_far_from_zero_keep_their_bins():
    start = 1.7e9  # seconds since 1970, whose spacing is a four-thousandth of this bin
    times = start + np.arange(1000) * 0.001
    assert bin_spike_times(times, np.zeros(1000, int), 0.001, start)[0].tolist() == [[1]] * 1000


def test_unsorted_duplicated_and_outside_spikes_are_counted():
    times = [0.5, 0.1, 0.1, 0.1, -0.2, 1.0, 0.9]
    units = ["b", "a", "b", "b", "a", "a", "c"]
    recording = Recording.from_spike_times(times, units, 0.25, start=0.0, stop=1.0)
    assert asdict(binning_of(recording)) == {
        "spikes": 7, "binned": 5, "outside": 2, "unsorted": 3, "duplicated": 1, "on_an_edge": 0,
        "start_s": 0.0, "stop_s": 1.0,
    }  # fmt: skip
    np.testing.assert_array_equal(recording.counts[0], [[1, 2, 0], [0, 0, 0], [0, 1, 0], [0, 0, 1]])


def test_by_default_the_bins_hold_every_spike(random):
    times, units = random.uniform(3.3, 9.1, 500), random.integers(0, 5, 500)
    recording = Recording.from_spike_times(times, units, 0.05)
    assert recording.counts.sum() == 500
    assert binning_of(recording).start_s == pytest.approx(0.05 * np.floor(times.min() / 0.05))
    expected = np.histogram(times[units == 2], binning_of(recording).start_s + 0.05 * np.arange(recording.bins + 1))[0]
    np.testing.assert_array_equal(recording.counts[0, :, 2], expected)


def test_a_unit_without_a_spike_inside_keeps_its_place_and_a_last_bin_that_is_not_whole_is_left_out():
    recording = Recording.from_spike_times([0.1, 0.95, 5.0], [1, 1, 2], 0.3, start=0, stop=1.0)
    assert recording.counts[0].tolist() == [[1, 0], [0, 0], [0, 0]]
    assert binning_of(recording).outside == 2


@given(
    starts=st.lists(st.integers(0, 60), min_size=1, max_size=6),
    bins=st.integers(1, 30),
    times=st.lists(st.integers(0, 100), max_size=80),
    rising=st.booleans(),
)
def test_trials_in_any_order_that_overlap_or_not_have_the_spikes_of_their_time(starts, bins, times, rising):
    """Times in the middle of a bin, so that a histogram of NumPy's has no edge to decide about."""
    train = (np.array(sorted(times) if rising else times, float) + 0.5) * 0.1
    trials = Trials(np.array(starts) * 0.1, np.full(len(starts), bins))
    counts, binning = bin_trains([train, train[:0]], 0.1, trials)
    edges = [(start + np.arange(bins + 1)) * 0.1 for start in starts]
    np.testing.assert_array_equal(counts[..., 0], [np.histogram(train, within)[0] for within in edges])
    assert not counts[..., 1].any()
    assert binning.binned == counts.sum(dtype=int)


@given(units=st.integers(1, 150), bins=st.integers(1, 50))
def test_many_units_each_keep_their_own_spikes(units, bins):
    trains = [(np.arange(unit % bins, bins) + 0.5) * 0.02 for unit in range(units)]
    counts, _ = bin_trains(trains, 0.02, range_of(trains, 0.02, 0.0, bins * 0.02, "recording"))
    np.testing.assert_array_equal(counts[0], np.arange(bins)[:, np.newaxis] >= np.arange(units) % bins)


@given(st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3), min_size=1, max_size=30))
def test_times_placed_in_bins_give_the_same_counts_again(rows):
    counts = np.array(rows, np.uint8)
    trains = spike_times_in_bins(counts, 0.02)
    times, units = np.concatenate(trains), np.repeat([0, 1, 2], [len(train) for train in trains])
    for unit, train in enumerate(trains):
        assert np.all(np.diff(train) > 0)
        assert len(train) == counts[:, unit].sum()
    if len(times):
        again = np.zeros((len(counts), 3), int)
        binned, names, _ = bin_spike_times(times, units, 0.02, 0.0, len(counts) * 0.02)
        again[:, [int(name.removeprefix("unit ")) for name in names]] = binned
        np.testing.assert_array_equal(again, counts)


@pytest.mark.parametrize(
    ("times", "units", "options", "message"),
    [
        ([0.1, 0.2], [1], {}, r"found \(2,\) and \(1,\)"),
        ([], [], {}, "expected spikes, found none"),
        ([0.1, np.nan], [1, 1], {}, "with NaN or infinity; leave out spikes without a time"),
        (["0.1"], [1], {}, "expected times in seconds, found <U3"),
        ([0.1], [1.5], {}, "expected unit ids that are whole numbers or text, found float64"),
        ([0.1], [1], {"bin_size_s": 0.0}, "expected a bin size from"),
        ([0.1], [1], {"start": 1.0, "stop": 0.5}, "with 1 to .* bins of 0.02 s between them"),
        ([0.0, 1e12], [1, 1], {}, "another bin size, or, if these are not seconds, --time-unit"),
        ([0.1], [1], {"stop": float("nan")}, "stop: expected -1e.* s, found nan"),
        (np.linspace(0, 0.01, 300), np.zeros(300, int), {}, "at most 255 spikes of a unit in a bin, found 300"),
    ],
)
def test_what_are_no_spike_times_is_refused(times, units, options, message):
    with pytest.raises(BadInputError, match=message):
        Recording.from_spike_times(times, units, **({"bin_size_s": 0.02} | options))


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("bin_size_s", [*NO_NUMBER, None, float("nan")]),
        ("start", [*NO_NUMBER, float("nan"), float("inf"), -float("inf"), 1e300]),
        ("stop", [*NO_NUMBER, float("nan"), float("inf"), -float("inf"), 1e300]),
        ("name", [*NO_TEXT, None]),
        ("times", [[[1], [1, 2]], None, "0.1", 0.1, [None], {}]),
        ("unit_ids", [[[1], [1, 2]], None, "1", 1, [None], {}]),
    ],
)
def test_of_spike_times_no_other_error_than_bad_input_leaves(option, values):
    for value in values:
        with pytest.raises(BadInputError):
            Recording.from_spike_times(**({"times": [0.1], "unit_ids": [1], "bin_size_s": 0.02} | {option: value}))


def counted_one_by_one(times, units, intervals, size):
    """Counts of each trial by a histogram of its own."""
    return [
        np.stack([np.histogram(times[units == unit], edges)[0] for unit in np.unique(units)], axis=1)
        for edges in (np.arange(begin, end + size / 2, size) for begin, end in intervals)
    ]


def test_trials_of_one_clock_are_counted_as_each_by_itself(random):
    times, units = random.choice(20_000, 3000) * 0.001 + 0.0005, random.integers(0, 6, 3000)
    intervals = [(1.0, 3.0), (4.0, 9.0), (8.0, 9.0), (15.0, 15.5)]
    recording = Recording.from_spike_times(times, units, 0.05, trials=intervals)
    assert recording.lengths == (40, 100, 20, 10)
    assert recording.starts_s == (1.0, 4.0, 8.0, 15.0)
    for counts, bins, expected in zip(
        recording.counts, recording.bins_of_repeats, counted_one_by_one(times, units, intervals, 0.05), strict=True
    ):
        np.testing.assert_array_equal(counts[:bins], expected)
        assert not counts[bins:].any()


def test_numbered_trials_count_from_their_own_beginning():
    recording = Recording.from_spike_times(
        [0.01, 0.05, 0.01, 0.07], ["a", "a", "b", "a"], 0.02, start=0, stop=0.08, trials=[3, 3, 9, 9]
    )
    assert recording.counts.tolist() == [[[1, 0], [0, 0], [1, 0], [0, 0]], [[0, 1], [0, 0], [0, 0], [1, 0]]]
    assert binning_of(recording).duplicated == 0


def test_numbers_of_samples_are_times_by_their_rate(random):
    samples = np.sort(random.integers(0, 30_000 * 5, 2000))
    units = random.integers(0, 3, 2000)
    by_rate = Recording.from_spike_times(samples, units, 0.02, start=0, stop=5, rate_hz=30_000)
    expected = np.stack([np.bincount(samples[units == unit] // 600, minlength=250) for unit in range(3)], axis=1)
    np.testing.assert_array_equal(by_rate.counts[0], expected)


@pytest.mark.parametrize(
    ("trials", "message"),
    [
        ([[0.0, 0.01]], "at least one bin of 0.02 s, found trial 0 from 0 to 0.01 s"),
        ([[0.0, float("nan")]], "at least one bin"),
        ([[3.0, 1.0]], "at least one bin"),
        ([1, 2], "trials of shape"),
        ([[[0.0, 1.0]]], "trials of shape"),
        (np.zeros((0, 2)), "at least one bin of 0.02 s, found none"),
    ],
)
def test_what_are_no_trials_is_refused(trials, message):
    with pytest.raises(BadInputError, match=message):
        Recording.from_spike_times([0.1, 0.2, 0.3], [1, 1, 1], 0.02, trials=trials)


def test_many_spikes_are_counted_as_a_histogram_counts_them(random):
    """More than are counted at a time, in order and shuffled."""
    times = np.sort(random.choice(10**6, 400_000, replace=False) + 0.5) * 0.001
    times[1000:1010] = times[1000]
    expected = np.histogram(times, np.arange(50_001) * 0.02)[0]
    shuffled = random.permutation(times)
    for given_times in (times, shuffled):
        counts, _, binning = bin_spike_times(given_times, np.zeros(len(times), int), 0.02, 0.0, 1000.0)
        np.testing.assert_array_equal(counts[:, 0], expected)
        assert binning.duplicated == 9
        assert (binning.unsorted == 0) == (given_times is times)


@pytest.mark.parametrize("before", [0, 2**15 - 150, 2**15 - 1, 2**15])
def test_too_many_spikes_in_a_bin_are_found_wherever_they_are_listed(before, random):
    """As many are counted at a time; 255 in a bin are no harm."""
    times = np.concatenate((np.arange(before) * 0.0005, np.full(255, 40.0)))
    counts, _, _ = bin_spike_times(times, np.zeros(len(times), int), 0.02, 0.0)
    assert counts.max() == 255
    for full in (np.append(times, 40.0), random.permutation(np.append(times, 40.0))):
        with pytest.raises(BadInputError, match="at most 255 spikes of a unit in a bin, found 256"):
            bin_spike_times(full, np.zeros(len(full), int), 0.02, 0.0)


def test_too_many_spikes_in_a_bin_of_numbered_trials_are_found():
    trial = np.tile([0, 1], 256)
    times = [np.full(len(trial), 0.01)]
    with pytest.raises(BadInputError, match="found 256"):
        bin_trains(times, 0.02, Trials(np.zeros(2), np.array([1, 1])), [trial])
