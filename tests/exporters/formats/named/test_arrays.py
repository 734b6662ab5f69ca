import numpy as np
import pytest

from spikeloop.exporters.formats.named import npy, npz
from spikeloop.exporters.formats.read import read_recording
from spikeloop.exporters.formats.write import write_recording
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.recording import from_counts


@pytest.fixture
def counts(random):
    return random.poisson(0.3, (60, 5))


def saved(path, **arrays):
    np.savez(path, **arrays)
    return path


def test_extra_arrays_of_objects_do_not_matter(tmp_path, counts):
    path = saved(tmp_path / "a.npz", spikes=counts, bin_size_s=0.02, notes=np.array([{"a": 1}], object))
    np.testing.assert_array_equal(read_recording(path).counts[0], counts)
    assert {item.path: item.what for item in npz.items(path)}["notes"] == "objects"


def test_ragged_trials_saved_as_objects_are_refused_with_what_to_do(tmp_path):
    ragged = np.empty(2, object)
    ragged[0], ragged[1] = np.zeros((3, 2)), np.zeros((4, 2))
    with pytest.raises(BadInputError, match="never loaded.*pad the short ones with NaN"):
        read_recording(saved(tmp_path / "a.npz", spikes=ragged), 0.02)
    np.save(tmp_path / "a.npy", ragged)
    with pytest.raises(BadInputError, match="never loaded.*pad the short ones with NaN"):
        read_recording(tmp_path / "a.npy", 0.02)


def test_trials_padded_with_nan_have_unequal_lengths_and_keep_their_conditions(tmp_path, random):
    counts, velocity = random.poisson(0.3, (3, 150, 30)).astype(float), random.normal(size=(3, 150, 2))
    counts[1, 100:], counts[2, 50:] = np.nan, np.nan
    path = saved(tmp_path / "a.npz", spikes=counts, conditions=velocity, bin_size_s=0.02)
    recording = read_recording(path)
    assert recording.lengths == (150, 100, 50)
    for trial, length in enumerate((150, 100, 50)):
        np.testing.assert_array_equal(recording.counts[trial, :length], counts[trial, :length])
        np.testing.assert_array_equal(recording.conditions[trial, :length], velocity[trial, :length].astype(np.float32))
    assert recording.counts[2, 50:].sum() == 0
    chosen = read_recording(path, trials="0,2")
    np.testing.assert_array_equal(chosen.conditions[1, :50], recording.conditions[2, :50])


def test_a_trial_of_nan_alone_is_left_out_with_its_conditions(tmp_path, random):
    counts, velocity = random.poisson(0.3, (3, 40, 4)).astype(float), random.normal(size=(3, 40, 1))
    counts[1] = np.nan
    path = saved(tmp_path / "a.npz", spikes=counts, conditions=velocity, starts_s=[1.0, 2.0, 3.0], bin_size_s=0.02)
    recording = read_recording(path)
    np.testing.assert_array_equal(recording.counts, counts[[0, 2]])
    np.testing.assert_array_equal(recording.conditions, velocity[[0, 2]].astype(np.float32))
    assert recording.starts_s == (1.0, 3.0)
    with pytest.raises(BadInputError, match="no recorded bin"):
        read_recording(path, trials="1")


def test_nan_in_conditions_is_told_and_filled_or_left_out(tmp_path, random):
    counts, velocity = random.poisson(0.3, (2000, 30)), random.normal(size=(2000, 2))
    velocity[100, 0], velocity[500:502, 1] = np.nan, np.nan
    path = saved(tmp_path / "a.npz", spikes=counts, conditions=velocity, bin_size_s=0.02)
    recording = read_recording(path)
    assert "missing in 3 of 2000 bins, first in bin 100; 3 interpolated" in recording.history[-1]
    expected = velocity[99:102:2, 0].astype(np.float32).mean()
    np.testing.assert_allclose(recording.conditions[0, 100, 0], expected, rtol=1e-6)
    dropped = read_recording(path, max_gap_s=0)
    assert "3 left out with their spikes" in dropped.history[-1]
    assert dropped.lengths == (100, 399, 1498)
    np.testing.assert_array_equal(dropped.counts[2, :1498], counts[502:])


def test_conditions_stay_with_their_bins_where_times_are_chosen(tmp_path, counts):
    path = saved(tmp_path / "a.npz", spikes=counts, conditions=np.arange(60.0), bin_size_s=0.1)
    recording = read_recording(path, start_s=1.0, stop_s=2.0)
    np.testing.assert_array_equal(recording.conditions[0, :, 0], np.arange(10, 20))
    np.testing.assert_array_equal(recording.counts[0], counts[10:20])


@pytest.mark.parametrize("shape", [(2, 60), (60, 2), (60,), (1, 60)])
def test_conditions_with_their_bins_on_either_axis_fit(shape, tmp_path, counts, random):
    values = random.normal(size=shape).astype(np.float32)
    path = saved(tmp_path / "a.npz", spikes=counts, bin_size_s=0.02, vel=values)
    recording = read_recording(path, conditions={"v": "vel"})
    expected = values if shape == (60, 2) else values.reshape(-1, 60).T
    np.testing.assert_array_equal(recording.conditions[0], expected)


@pytest.mark.parametrize(
    ("shape", "names", "order"),
    [((30, 2000), 30, "units,bins"), ((98, 500, 100), 98, "units,bins,trials"), ((9, 30, 50), 30, "trials,units,bins")],
)
def test_names_that_fit_another_axis_say_the_order(shape, names, order, tmp_path, random):
    counts = random.poisson(0.3, shape)
    path = saved(tmp_path / "a.npz", spikes=counts, unit_names=[f"ch{i}" for i in range(names)])
    with pytest.raises(BadInputError, match=f"found {names} names, as many as on axis .*--axes {order}$"):
        read_recording(path, 0.01)
    recording = read_recording(path, 0.01, axes=order)
    assert recording.units == names
    unit_axis = order.split(",").index("units")
    np.testing.assert_array_equal(recording.counts[..., 3].sum(), counts.take(3, axis=unit_axis).sum())


@pytest.mark.parametrize("suffix", [".npz", ".mat", ".zarr"])
def test_a_single_bin_of_many_units_is_no_row_of_one_unit(suffix, tmp_path):
    counts, names = np.array([[1, 0, 2]]), ["a", "b", "c"]
    write_recording(from_counts(counts, 0.02, names), tmp_path / f"a{suffix}")
    recordings = [read_recording(tmp_path / f"a{suffix}")]
    if suffix == ".npz":
        recordings.append(read_recording(saved(tmp_path / "b.npz", spikes=counts, unit_names=names, bin_size_s=0.02)))
    for recording in recordings:
        assert recording.unit_names == ("a", "b", "c")
        np.testing.assert_array_equal(recording.counts, [counts])


def test_a_single_row_is_one_unit(tmp_path, random):
    row = random.poisson(0.3, 2000)
    for number, values in enumerate((row, row[np.newaxis], row[:, np.newaxis])):
        recording = read_recording(saved(tmp_path / f"{number}.npz", spikes=values), 0.02)
        np.testing.assert_array_equal(recording.counts[0, :, 0], row)


@pytest.mark.parametrize("dtype", [np.int64, np.float16, np.float32, bool, np.uint8, ">i4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_single_arrays_of_any_type_and_order_are_read(dtype, order, tmp_path, counts):
    np.save(tmp_path / "a.npy", np.asarray(counts.astype(dtype), order=order))
    np.testing.assert_array_equal(read_recording(tmp_path / "a.npy", 0.02).counts[0], counts.astype(dtype))
    assert npy.items(tmp_path / "a.npy")[0].what == "counts"


def test_a_single_array_is_mapped_and_not_read_to_be_listed(tmp_path):
    path = tmp_path / "a.npy"
    mapped = np.lib.format.open_memmap(path, "w+", np.uint8, (2**33, 100))  # 800 GiB, of which the disk holds none
    del mapped
    assert npy.items(path)[0].shape == (2**33, 100)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.ones((4, 2), complex), "values of type complex128"),
        (np.full((4, 2), "a"), "values of type <U1"),
        (np.zeros((0, 3)), "expected counts of shape"),
        (np.zeros(0), "expected counts of shape"),
        (np.float64(3), "expected counts of shape"),
        (np.zeros((2, 3, 4, 5)), "expected counts of shape"),
        (np.zeros((4, 2), "M8[s]"), "values of type datetime64"),
        (np.zeros(4, "i4,f8"), "values of type"),
        (np.full((4, 2), 377), r"found values from 377 to 377; count the spikes again, in smaller bins \(counts that"),
        (np.full((4, 2), 0.5), "from 0.5 to 0.5; .*rates in Hz, multiply by the bin size"),
        (np.full((4, 2), -70.0), "whole spike counts from 0 to 255, found values from -70.0"),
    ],
)
def test_arrays_that_are_no_counts_are_refused_in_words(values, message, tmp_path):
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(BadInputError, match=message):
        read_recording(tmp_path / "a.npy", 0.02)


def test_counts_that_are_whole_but_for_rounding_are_counts(tmp_path, counts):
    np.save(tmp_path / "a.npy", counts * (1 + 8e-12))
    np.testing.assert_array_equal(read_recording(tmp_path / "a.npy", 1.0).counts[0], counts)
    np.save(tmp_path / "a.npy", counts * (1 + 1e-4))
    with pytest.raises(BadInputError, match="whole spike counts"):
        read_recording(tmp_path / "a.npy", 1.0)


def test_a_key_is_found_in_any_case_or_the_error_names_what_there_is(tmp_path, counts):
    path = saved(tmp_path / "a.npz", Binned=counts, speed=-np.ones((60, 2)), label="x")
    with pytest.raises(BadInputError, match=r"found Binned \(60, 5\), speed \(60, 2\).*e.g. --key Binned$"):
        read_recording(path, 0.02)
    assert read_recording(path, 0.02, key="binned").units == 5
    with pytest.raises(BadInputError, match="--key: expected one of Binned, speed, label in .*found 'rates'"):
        read_recording(path, 0.02, key="rates")


def test_byte_strings_are_text(tmp_path, counts):
    path = saved(tmp_path / "a.npz", spikes=counts, unit_names=np.array([b"ch0", b"ch1", b"ch2", b"ch3", b"\xc2\xb5"]))
    assert read_recording(path, 0.02).unit_names == ("ch0", "ch1", "ch2", "ch3", "µ")


def test_a_damaged_array_does_not_matter_where_it_is_not_asked_for(tmp_path, counts):
    path = saved(tmp_path / "a.npz", spikes=counts, bin_size_s=0.02, voltage=np.arange(4000.0))
    whole = path.read_bytes()
    at = whole.index(np.arange(4000.0).tobytes()[8000:8016])
    path.write_bytes(whole[:at] + b"\xff" + whole[at + 1 :])
    assert read_recording(path).counts.sum() == counts.sum()
    with pytest.raises(BadInputError, match="not a readable .npz file .*CRC"):
        read_recording(path, key="voltage")


def test_the_general_name_data_is_that_of_the_spikes_only_where_there_is_no_other(tmp_path, random):
    image = random.integers(0, 255, (100, 64)).astype(np.uint8)
    times, units = np.sort(random.uniform(0, 10, 300)), random.integers(0, 5, 300)
    counts = random.integers(0, 3, (100, 6))
    for others in ({"spike_times": times, "unit_ids": units}, {"times": times, "clusters": units}, {"counts": counts}):
        np.savez(tmp_path / "a.npz", data=image, **others)
        assert read_recording(tmp_path / "a.npz", 0.1).units in (5, 6)
    np.savez(tmp_path / "a.npz", data=counts)
    np.testing.assert_array_equal(read_recording(tmp_path / "a.npz", 0.1).counts[0], counts)


@pytest.mark.parametrize("stated", [0.0, np.nan, -0.02, 1e9])
def test_a_bin_size_that_no_bin_can_have_counts_only_where_no_other_is_chosen(stated, tmp_path):
    np.savez(tmp_path / "a.npz", spikes=np.ones((40, 3)), bin_size_s=stated)
    assert read_recording(tmp_path / "a.npz", 0.02).bin_size_s == 0.02
    with pytest.raises(BadInputError, match="expected bin_size_s to be one number of seconds from 1e-05 to 10"):
        read_recording(tmp_path / "a.npz")


@pytest.mark.parametrize("lengths", [[50, -5, 20], [50, 51, 20]])
def test_lengths_that_no_trial_can_have_are_refused(lengths, tmp_path):
    np.savez(tmp_path / "a.npz", spikes=np.ones((3, 50, 2)), bin_size_s=0.02, lengths=lengths)
    with pytest.raises(BadInputError, match="expected lengths from 0 to 50 bins"):
        read_recording(tmp_path / "a.npz")
