import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.exporters.formats.named.cells_of_times import leaves_of, look_like_trains
from spikeloop.exporters.formats.read import read_recording
from spikeloop.models.errors import BadInputError


def spikes(random, number=400):
    return np.sort(random.uniform(0, 10, number)), random.integers(0, 6, number)


def binned(times, units, size=0.1, bins=100):
    return np.histogram2d(times, units, [np.arange(bins + 1) * size, np.arange(units.max() + 2) - 0.5])[0]


@pytest.mark.parametrize("times", ["spike_times", "spiketimes", "SpikeTimes", "times", "timestamps"])
@pytest.mark.parametrize("units", ["unit_ids", "neuron_ids", "spike_clusters", "clusters", "Units"])
def test_times_and_units_are_found_by_the_names_that_people_give(times, units, tmp_path, random):
    time, unit = spikes(random)
    np.savez(tmp_path / "a.npz", **{times: time, units: unit.astype(float), "other": np.zeros(3)})
    recording = read_recording(tmp_path / "a.npz", 0.1, start_s=0.0, stop_s=10.0)
    np.testing.assert_array_equal(recording.counts[0], binned(time, unit))
    assert recording.unit_names == tuple(f"unit {i}" for i in range(6))


def test_a_time_axis_alone_is_no_spike_times(tmp_path, random):
    np.savez(tmp_path / "a.npz", times=np.arange(50) * 0.1, rates=random.random((50, 3)))
    with pytest.raises(BadInputError, match="e.g. --key rates"):
        read_recording(tmp_path / "a.npz", 0.1)


def test_other_names_are_said_by_option(tmp_path, random):
    time, unit = spikes(random)
    np.savez(tmp_path / "a.npz", when=time, who=np.array([f"cell {i}" for i in unit]))
    recording = read_recording(tmp_path / "a.npz", 0.1, key="when", unit_key="who", start_s=0.0, stop_s=10.0)
    np.testing.assert_array_equal(recording.counts[0], binned(time, unit))
    assert recording.unit_names[0] == "cell 0"


def test_numbers_of_samples_need_their_rate(tmp_path, random):
    time, unit = spikes(random)
    np.savez(tmp_path / "a.npz", spike_times=np.floor(time * 30000).astype(np.uint64), spike_clusters=unit)
    with pytest.raises(BadInputError, match="found whole numbers up to .*--time-unit ms.*'30000 Hz'"):
        read_recording(tmp_path / "a.npz", 0.1)
    recording = read_recording(tmp_path / "a.npz", 0.1, time_unit="30000 Hz", start_s=0.0, stop_s=10.0)
    np.testing.assert_array_equal(recording.counts[0], binned(np.floor(time * 30000) / 30000, unit))


def test_numbers_of_samples_saved_as_data_are_no_counts(tmp_path, random):
    samples = np.sort(random.integers(0, 10**7, 5000))
    np.save(tmp_path / "a.npy", samples)
    np.savez(tmp_path / "a.npz", data=samples, clu=random.integers(0, 4, 5000))
    for name in ("a.npy", "a.npz"):
        with pytest.raises(BadInputError, match="look like spike times or numbers of samples.*--unit-key"):
            read_recording(tmp_path / name, 0.02)
    recording = read_recording(tmp_path / "a.npz", 0.02, key="data", unit_key="clu", time_unit="30000 Hz")
    assert recording.counts.sum() == 5000


def test_rows_filled_up_with_nan_are_a_unit_each(tmp_path, random):
    rows = np.full((3, 50), np.nan)
    for row, number in zip(rows, (50, 20, 0), strict=True):
        row[:number] = np.sort(random.uniform(0, 10, number))
    np.savez(tmp_path / "a.npz", spike_times=rows, tmin=0.0, tmax=10.0)
    recording = read_recording(tmp_path / "a.npz", 0.1)
    assert recording.counts.sum(axis=(0, 1)).tolist() == [50, 20, 0]
    assert recording.bins == 100


@pytest.mark.parametrize("ids", [[0, 1], [0, 1, 2, 3, 4], [4, 1, 3, 0, 2], ["b", "c", "a"]])
def test_times_that_run_on_from_trial_to_trial_are_cut_where_trials_are(ids, tmp_path, random):
    parts = [np.sort(random.uniform(place * 30, place * 30 + 5, 100)) for place in range(len(ids))]
    time, trial = np.concatenate(parts), np.repeat(ids, 100)
    np.savez(tmp_path / "a.npz", spike_times=time, unit_ids=random.integers(0, 4, len(time)), trial=trial)
    recording = read_recording(tmp_path / "a.npz", 0.1)
    assert recording.repeats == len(ids)
    assert recording.bins <= 51
    assert recording.counts.sum(axis=(1, 2)).tolist() == [100] * len(ids)
    assert any("as times run on from one trial to another" in sentence for sentence in recording.history)
    one = read_recording(tmp_path / "a.npz", 0.1, trial_key="trial", trials="0")
    assert one.starts_s == (pytest.approx(30 * ids.index(min(ids)), abs=1),)


def test_trials_without_spikes_keep_their_number(tmp_path):
    times, trial = [0.01, 0.03, 0.011, 0.012, 0.02], [0, 1, 3, 0, 1]
    np.savez(tmp_path / "a.npz", spike_times=times, unit_ids=np.zeros(5), trial=trial)
    recording = read_recording(tmp_path / "a.npz", 0.01)
    assert recording.counts.sum(axis=(1, 2)).tolist() == [2, 2, 0, 1]
    assert "trial 0 to 3 are trials 0 to 3, of which 1 has no spike" in recording.history
    assert read_recording(tmp_path / "a.npz", 0.01, trials="3").counts.sum() == 1


def test_the_recording_of_smells_needs_its_unit_of_time(data_folder):
    path = data_folder / "formats" / "pinene_data.npz"
    with pytest.raises(BadInputError, match="spiketimes, found whole numbers up to 499.*--time-unit ms"):
        read_recording(path, 0.001)
    recording = read_recording(path, 0.001, time_unit="ms")
    held = np.load(path)
    expected = np.zeros((45, 500, 30), int)
    np.add.at(expected, (held["trials"], held["spiketimes"].astype(int), held["neuron_ids"]), 1)
    np.testing.assert_array_equal(recording.counts, expected)


def cells(*trains):
    filled = np.empty((1, len(trains)), object)
    for number, train in enumerate(trains):
        filled[0, number] = np.asarray(train)
    return filled


@given(
    trains=st.lists(st.lists(st.floats(0, 1e4), max_size=20), min_size=1, max_size=5).filter(any),
)
def test_cells_of_rising_numbers_are_spike_times(trains):
    leaves = leaves_of(cells(*(np.sort(np.array(train, float)) for train in trains)))
    assert leaves is not None
    assert [len(leaf.times) for leaf in leaves] == [len(train) for train in trains]
    whole = all(float(time).is_integer() for train in trains for time in train)
    assert whole or look_like_trains(leaves)


def test_cells_of_counts_and_of_signals_are_no_spike_times(random):
    assert not look_like_trains(leaves_of(cells(*random.poisson(0.3, (4, 200)))))
    assert not look_like_trains(leaves_of(cells(*random.normal(size=(4, 200)))))
    assert leaves_of(cells(np.zeros((3, 4)), np.zeros(5))) is None
    assert not look_like_trains(leaves_of(cells(np.empty(0), np.empty(0))))
