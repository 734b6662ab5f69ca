import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.exporters.formats.assembly.assemble import assemble, renamed_conditions
from spikeloop.exporters.formats.choices import Choices
from spikeloop.exporters.formats.found import Binned, Found, Intervals, Series, SpikeTrains
from spikeloop.models.errors import BadInputError

TRAINS = [np.array([0.005, 0.021, 0.065, 1.51]), np.array([0.3, 0.02]), np.array([])]


def trains(**more) -> Found:
    return Found(SpikeTrains(TRAINS), ("a", "b", "c"), ("good", "mua", "good"), **more)


def test_spike_times_are_counted_between_start_and_stop():
    recording = assemble(trains(), Choices(bin_size_s=0.02, start_s=0.0, stop_s=0.1))
    assert recording.counts[0].tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 0], [1, 0, 0], [0, 0, 0]]
    assert recording.unit_names == ("a", "b", "c")
    assert recording.history == ("counted 4 of 6 spikes in bins of 20 ms (2 outside, 1 listed after a later one)",)


def test_spike_times_need_a_bin_size():
    with pytest.raises(BadInputError, match="these are spike times; give the size of the bins.*--bin-size-ms"):
        assemble(trains(), Choices())


def test_numbers_of_samples_become_seconds():
    found = Found(SpikeTrains([np.array([0, 599, 600, 1200])]))
    recording = assemble(found, Choices(bin_size_s=0.02, time_unit="30000 Hz"))
    assert recording.counts[0, :, 0].tolist() == [2, 1, 1]


@pytest.mark.parametrize(("asked", "names"), [("good", ("a", "c")), ("1-2", ("b", "c")), ("c,a", ("c", "a"))])
def test_units_are_chosen_by_label_number_or_name(asked, names):
    recording = assemble(trains(), Choices(bin_size_s=0.1, start_s=0.0, stop_s=2.0, units=asked))
    assert recording.unit_names == names
    assert f"kept {len(names)} of 3 units: {asked}" in recording.history


@pytest.mark.parametrize("asked", ["noise", "d", "0-3", "b,d"])
def test_units_that_there_are_not_are_refused(asked):
    with pytest.raises(BadInputError, match="--units: expected"):
        assemble(trains(), Choices(bin_size_s=0.1, units=asked))


def test_trials_of_the_file_cut_a_continuous_recording_when_they_are_asked_for():
    intervals = Intervals(np.array([0.0, 1.5, 0.28]), np.array([0.1, 1.56, 0.38]))
    recording = assemble(trains(trials=intervals), Choices(bin_size_s=0.02, trials="all"))
    assert recording.lengths == (5, 3, 5)
    assert recording.starts_s == (0.0, 1.5, 0.28)
    np.testing.assert_array_equal(recording.counts.sum(axis=(1, 2)), [4, 1, 1])
    assert recording.recorded_bins == 13
    whole = assemble(trains(trials=intervals), Choices(bin_size_s=0.02))
    assert whole.repeats == 1


def test_a_spike_is_counted_in_each_of_the_trials_that_overlap():
    intervals = Intervals(np.array([0.0, 0.01]), np.array([0.04, 0.05]))
    recording = assemble(trains(trials=intervals), Choices(bin_size_s=0.01, trials="all"))
    assert recording.counts[..., 0].tolist() == [[1, 0, 1, 0], [0, 1, 0, 0]]


def test_trials_that_the_file_does_not_have_are_refused():
    with pytest.raises(BadInputError, match="--trials: recording has no trials"):
        assemble(trains(), Choices(bin_size_s=0.02, trials="all"))


def test_times_that_count_from_each_trial_keep_their_trial():
    found = Found(SpikeTrains([np.array([0.01, 0.03, 0.01])], [np.array([0, 0, 2])], 0.0, 0.04))
    recording = assemble(found, Choices(bin_size_s=0.02))
    assert recording.counts[..., 0].tolist() == [[1, 1], [0, 0], [1, 0]]


def test_counts_that_are_whole_but_for_rounding_are_counts(random):
    counts = random.integers(0, 9, (50, 4))
    recording = assemble(Found(Binned(counts + random.uniform(-9e-7, 9e-7, counts.shape))), Choices(bin_size_s=0.02))
    np.testing.assert_array_equal(recording.counts[0], counts)
    with pytest.raises(BadInputError, match="whole spike counts"):
        assemble(Found(Binned(counts + 1e-3)), Choices(bin_size_s=0.02))


@given(size=st.sampled_from([0.2, 0.05, 0.02, 0.001, 1 / 30]), seed=st.integers(0, 99))
def test_exact_rates_are_told_from_counts(size, seed):
    random = np.random.default_rng(seed)
    counts = random.integers(0, 4, (200, 3))
    choices = Choices(bin_size_s=size)
    of_rates, of_counts = (assemble(Found(Binned(values)), choices) for values in (counts / size, counts))
    np.testing.assert_array_equal(of_rates.counts[0], counts)
    np.testing.assert_array_equal(of_counts.counts[0], counts)
    assert "rates in Hz" in of_rates.history[0]
    assert not of_counts.history


def test_trials_padded_with_nan_keep_their_lengths(random):
    counts = random.integers(0, 3, (3, 150, 4)).astype(float)
    counts[1, 100:] = counts[2, 149:] = np.nan
    recording = assemble(Found(Binned(counts)), Choices(bin_size_s=0.02))
    assert recording.lengths == (150, 100, 149)
    np.testing.assert_array_equal(recording.counts[1, :100], counts[1, :100])
    assert not recording.counts[1, 100:].any()
    ragged = assemble(Found(Binned([counts[0], counts[1, :100], counts[2, :149]])), Choices(bin_size_s=0.02))
    np.testing.assert_array_equal(ragged.counts, recording.counts)
    assert ragged.lengths == recording.lengths


def test_bins_of_nan_inside_are_left_out_and_cut_the_recording():
    counts = np.ones((10, 2))
    counts[4:6] = np.nan
    recording = assemble(Found(Binned(counts)), Choices(bin_size_s=0.1))
    assert (recording.repeats, recording.bins) == (2, 4)
    assert recording.history == ("left out 2 bins of NaN",)


def test_nan_of_some_units_only_is_refused_with_its_place():
    counts = np.ones((10, 3))
    counts[7, 1] = np.nan
    with pytest.raises(BadInputError, match="in 1 bins, first in trial 0, bin 7, unit 1.*--units"):
        assemble(Found(Binned(counts)), Choices(bin_size_s=0.1))


def test_a_stretch_of_counts_is_chosen_by_time():
    found = Found(Binned(np.arange(10)[:, np.newaxis]))
    recording = assemble(found, Choices(bin_size_s=0.1, start_s=0.3, stop_s=0.75))
    assert recording.counts[0, :, 0].tolist() == [3, 4, 5, 6]
    assert recording.starts_s is None
    with pytest.raises(BadInputError, match="--start, --stop: expected times inside 0 to 1 s"):
        assemble(found, Choices(bin_size_s=0.1, start_s=1.0, stop_s=2.0))


def test_conditions_get_new_names_and_units():
    series = Series(np.tile([1.0, 2.0], (10, 1)), None, ("vx", "vy"), ("", ""))
    found = Found(Binned(np.ones((10, 2))), series=(series,))
    recording = assemble(found, Choices(0.1, rename={"vx": "velocity x [cm/s]"}))
    assert [(channel.name, channel.unit) for channel in recording.channels] == [("velocity x", "cm/s"), ("vy", "")]
    with pytest.raises(BadInputError, match=r"--rename: expected a condition \(velocity x, vy\), found 'vz'"):
        renamed_conditions(recording, {"vz": "velocity z"})


def test_a_recording_is_cut_into_repeats():
    timed = Binned(np.ones((12, 2)), starts_s=np.array([3.0]))
    recording = assemble(Found(timed), Choices(0.5, repeat_bins=4))
    assert recording.counts.shape == (3, 4, 2)
    assert recording.starts_s == (3.0, 5.0, 7.0)
    untimed = assemble(Found(Binned(np.ones((12, 2)))), Choices(0.5, repeat_bins=4))
    assert (untimed.starts_s, untimed.driven_by) == (None, None)
    with pytest.raises(BadInputError, match="can't be cut into repeats of 5"):
        assemble(Found(Binned(np.ones((12, 2)))), Choices(0.5, repeat_bins=5))


def test_names_that_fit_another_axis_are_a_hint_at_the_order():
    with pytest.raises(BadInputError, match="expected a name for each of 12 units, found 2 names.*--transpose"):
        assemble(Found(Binned(np.ones((2, 12))), ("a", "b")), Choices(0.1))


def test_bins_of_the_file_are_joined_to_the_chosen_size(random):
    counts = random.integers(0, 3, (60, 4))
    recording = assemble(Found(Binned(counts, bin_size_s=0.001)), Choices(bin_size_s=0.02))
    np.testing.assert_array_equal(recording.counts[0], counts.reshape(3, 20, 4).sum(axis=1))
    assert recording.bin_size_s == pytest.approx(0.02)
    same = assemble(Found(Binned(counts, bin_size_s=1 / 30)), Choices(bin_size_s=0.0333))
    assert same.bin_size_s == 1 / 30


@pytest.mark.parametrize("size", [0.0005, 0.0015, 0.025])
def test_a_bin_size_that_is_no_multiple_of_the_files_is_refused(size):
    message = "its counts are in bins of 10 ms; expected --bin-size-ms .* a multiple"
    with pytest.raises(BadInputError, match=message):
        assemble(Found(Binned(np.ones((60, 4)), bin_size_s=0.01)), Choices(bin_size_s=size))


@pytest.mark.parametrize("size", [0.0, -0.01, 1e-320, np.nan, np.inf])
def test_a_file_whose_bins_have_no_possible_size_is_refused(size):
    with pytest.raises(BadInputError, match="expected a bin size from 1e-05 to 10 s"):
        assemble(Found(Binned(np.ones((60, 4)), bin_size_s=size)), Choices(bin_size_s=0.02))


def test_conditions_are_cut_into_the_trials_of_the_file_with_the_counts():
    intervals = Intervals(np.array([0.05, 0.5]), np.array([0.35, 0.7]))
    series = Series(np.arange(10.0)[:, np.newaxis], None, ("x",), ("",))
    found = Found(Binned(np.arange(10)[:, np.newaxis]), trials=intervals, series=(series,))
    recording = assemble(found, Choices(0.1, trials="all"))
    np.testing.assert_array_equal(recording.conditions, recording.counts)


def test_a_new_unit_of_length_or_speed_converts_the_values():
    series = Series(np.full((10, 1), 0.3), None, ("vx",), ("m/s",))
    found = Found(Binned(np.ones((10, 2))), series=(series,))
    recording = assemble(found, Choices(0.1, rename={"vx": "velocity x [cm/s]"}))
    np.testing.assert_allclose(recording.conditions, 30, rtol=1e-6)
    assert recording.channels[0].high == pytest.approx(30, rel=1e-6)
    labelled = assemble(found, Choices(0.1, rename={"vx": "velocity x [a.u.]"}))
    np.testing.assert_allclose(labelled.conditions, 0.3, rtol=1e-6)


def test_values_that_hold_are_not_interpolated():
    target = Series(np.array([[1.0], [3.0]]), np.array([0.0, 0.54]), ("target",), ("",), stops_s=np.array([0.5, 1.0]))
    found = Found(Binned(np.ones((50, 2))), series=(target,))
    assert set(np.unique(assemble(found, Choices(0.02)).conditions)) == {1.0, 3.0}


@given(size=st.sampled_from([0.001, 0.02, 1 / 30]), ratio=st.floats(1, 200))
def test_no_size_is_taken_that_is_off_by_more_than_a_hundredth_of_a_bin(size, ratio):
    spikes, choices = Binned(np.ones((400, 2)), bin_size_s=size), Choices(bin_size_s=ratio * size)
    if abs(ratio - round(ratio)) < 0.0099:
        assert assemble(Found(spikes), choices).bin_size_s == pytest.approx(size * round(ratio))
    elif abs(ratio - round(ratio)) > 0.0101:
        with pytest.raises(BadInputError, match="to be a multiple of that"):
            assemble(Found(spikes), choices)


@pytest.mark.parametrize("stated", [0.0, np.nan, -1.0, np.inf])
def test_a_size_that_no_bin_can_have_is_refused(stated):
    with pytest.raises(BadInputError, match="expected a bin size from"):
        assemble(Found(Binned(np.ones((40, 2)), bin_size_s=stated)), Choices(bin_size_s=0.02))


def test_numbers_that_are_almost_nothing_are_no_rates(random):
    for values in (random.uniform(1e-5, 4e-5, (50, 4)), np.where(np.arange(200) % 3, 50.0, 3e-5).reshape(50, 4)):
        with pytest.raises(BadInputError, match="expected whole spike counts"):
            assemble(Found(Binned(values)), Choices(bin_size_s=0.02))


def test_whole_numbers_are_counts_though_they_could_be_rates():
    counts = np.full((2, 20, 3), 150, np.uint8)  # 150 Hz would be 3 spikes in 20 ms
    recording = assemble(Found(Binned(counts)), Choices(bin_size_s=0.02))
    np.testing.assert_array_equal(recording.counts, counts)
    assert recording.history == ()
