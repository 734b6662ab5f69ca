import io
import itertools
from contextlib import suppress

import h5py
import numpy as np
import pytest
import scipy.io
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spikeloop.exporters.formats.matlab import reader as matlab
from spikeloop.exporters.formats.matlab import version_7_3 as matlab_hdf5
from spikeloop.exporters.formats.read import read_arrays, read_recording
from spikeloop.exporters.formats.write import write_recording
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.conditioning import with_conditions
from spikeloop.models.recordings.recording import from_counts
from tests.support.matlab73 import write_mat73


def cell(*parts: object) -> np.ndarray:
    """A row of cells."""
    filled = np.empty((1, len(parts)), object)
    for number, part in enumerate(parts):
        filled[0, number] = part
    return filled


def trains(random: np.random.Generator, *spikes: int) -> np.ndarray:
    return cell(*(np.sort(random.uniform(0, 4, number))[:, np.newaxis] for number in spikes))


def write_5(path, variables) -> None:
    scipy.io.savemat(path, {name: _scipy(value) for name, value in variables.items()})


def _scipy(value):
    """SciPy writes an array of structs where it is given one of named fields."""
    if isinstance(value, list):
        rows = np.empty((1, len(value)), [(field, object) for field in value[0]])
        for number, struct in enumerate(value):
            rows[0, number] = tuple(struct.values())
        return rows
    return value


WRITERS = {"v5": write_5, "v7.3": write_mat73}


@pytest.fixture(params=WRITERS)
def write(request):
    """Both layouts of the same variables."""
    return WRITERS[request.param]


def test_a_sparse_array_of_counts_is_read_as_a_full_one(write, tmp_path, random):
    counts = scipy.sparse.csc_matrix(random.poisson(0.05, (2000, 30)).astype(float))
    write(tmp_path / "a.mat", {"spikes": counts})
    np.testing.assert_array_equal(read_recording(tmp_path / "a.mat", 0.02).counts[0], counts.toarray())


def test_a_sparse_array_without_values_is_read(write, tmp_path):
    write(tmp_path / "a.mat", {"spikes": scipy.sparse.csc_matrix((40, 3))})
    assert read_recording(tmp_path / "a.mat", 0.02).counts.shape == (1, 40, 3)


def test_a_sparse_array_that_no_memory_holds_is_refused_in_words(write, tmp_path):
    write(tmp_path / "a.mat", {"spikes": scipy.sparse.csc_matrix(([1.0], ([5], [2])), (2**31 - 1, 3))})
    with pytest.raises(BadInputError, match=r"sparse matrix of shape \(2147483647, 3\) needs 6.44 GB"):
        read_recording(tmp_path / "a.mat", 0.02)


def test_upper_case_suffixes_are_matlab_files_too(write, tmp_path):
    write(tmp_path / "A.MAT", {"spikes": np.eye(30, 4)})
    assert read_recording(tmp_path / "A.MAT", 0.02).counts.sum() == 4


def test_axes_are_those_that_matlab_shows(write, tmp_path, random):
    counts = random.poisson(0.3, (4, 50, 6)).astype(float)
    write(tmp_path / "a.mat", {"spikes": counts, "flags": random.random((3, 5)) < 0.5})
    np.testing.assert_array_equal(read_recording(tmp_path / "a.mat", 0.02).counts, counts)
    assert read_arrays(tmp_path / "a.mat")["flags"].dtype == bool


def test_names_in_cells_and_char_arrays_are_names(write, tmp_path):
    variables = {
        "spikes": np.eye(30, 3),
        "unit_names": cell("ch0", "ch 1", "µ2"),
        "conditions": np.zeros((30, 1)),
        "condition_names": cell("velocity x"),
        "condition_units": cell("cm/s"),
        "name": "a session",
    }
    write(tmp_path / "a.mat", variables)
    recording = read_recording(tmp_path / "a.mat", 0.02)
    assert recording.unit_names == ("ch0", "ch 1", "µ2")
    assert [(channel.name, channel.unit) for channel in recording.channels] == [("velocity x", "cm/s")]
    assert recording.name == "a session"


def test_rows_of_a_char_array_are_names(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"spikes": np.eye(30, 3), "unit_names": np.array(["a  ", "bb ", "ccc"])})
    assert read_recording(tmp_path / "a.mat", 0.02).unit_names == ("a", "bb", "ccc")


def test_fields_of_structs_have_dotted_names(write, tmp_path, random):
    counts = random.poisson(0.3, (60, 5)).astype(float)
    session = {"spikeratedata": counts / 0.05, "velocbin": random.normal(size=(60, 2)), "bin_size_s": 0.05}
    write(tmp_path / "a.mat", {"train_data": session, "other": {"deeper": {"speed": 5.0}}})
    with pytest.raises(BadInputError, match="e.g. --key train_data.spikeratedata$"):
        read_recording(tmp_path / "a.mat")
    recording = read_recording(
        tmp_path / "a.mat", key="train_data.spikeratedata", conditions={"velocity": "train_data.velocbin"}
    )
    np.testing.assert_array_equal(recording.counts[0], counts)
    np.testing.assert_allclose(recording.conditions[0], session["velocbin"], rtol=1e-6)
    assert recording.bin_size_s == 0.05  # of the same struct
    again = read_recording(tmp_path / "a.mat", key="spikeratedata", conditions={"velocity": "velocbin"})
    np.testing.assert_array_equal(again.counts, recording.counts)


def test_cells_of_spike_times_are_units(write, tmp_path, random):
    cells = trains(random, 40, 0, 25, 60)
    write(tmp_path / "a.mat", {"spikes": cells, "unit_names": cell("a", "b", "c", "d")})
    recording = read_recording(tmp_path / "a.mat", 0.1, start_s=0.0, stop_s=4.0)
    expected = [np.histogram(train, np.arange(41) * 0.1)[0] for train in cells[0]]
    np.testing.assert_array_equal(recording.counts[0].T, expected)
    assert recording.unit_names == tuple("abcd")


def test_cells_of_spike_times_under_any_name_are_found_where_they_are_the_only_ones(write, tmp_path, random):
    write(tmp_path / "a.mat", {"Neurons": trains(random, 40, 20), "speed": random.normal(size=(50, 1))})
    assert read_recording(tmp_path / "a.mat", 0.1).counts.sum() == 60


@pytest.mark.parametrize("turned", [False, True])
def test_cells_of_units_by_trials_are_trials(write, turned, tmp_path, random):
    cells = np.concatenate([trains(random, 5, 7, 0, 9), trains(random, 3, 0, 2, 4), trains(random, 30, 31, 32, 33)])
    write(tmp_path / "a.mat", {"spikes": cells.T if turned else cells})
    recording = read_recording(tmp_path / "a.mat", 0.5, axes="trials,units" if turned else None, stop_s=4.0)
    expected = [[np.histogram(train, np.arange(9) * 0.5)[0] for train in row] for row in cells.T]
    np.testing.assert_array_equal(recording.counts.transpose(0, 2, 1), expected)


def test_cells_of_trials_in_which_are_cells_of_units_are_trials_where_it_is_said(write, tmp_path, random):
    cells = cell(trains(random, 5, 7), trains(random, 3, 1), trains(random, 2, 2))
    write(tmp_path / "a.mat", {"spikes": cells})
    assert read_recording(tmp_path / "a.mat", 0.5).counts.shape[::2] == (1, 6)
    recording = read_recording(tmp_path / "a.mat", 0.5, axes="trials,units")
    np.testing.assert_array_equal(recording.counts.sum(axis=1), [[5, 7], [3, 1], [2, 2]])


def test_arrays_of_structs_hold_a_unit_each(write, tmp_path, random):
    units = [
        {"name": f"cell {i}", "times": np.sort(random.uniform(0, 4, 20 + i)), "quality": ["good", "mua"][i % 2]}
        for i in range(4)
    ]
    write(tmp_path / "a.mat", {"units": units})
    recording = read_recording(tmp_path / "a.mat", 0.1)
    assert recording.unit_names == tuple(f"cell {i}" for i in range(4))
    assert recording.counts.sum(axis=(0, 1)).tolist() == [20, 21, 22, 23]
    assert read_recording(tmp_path / "a.mat", 0.1, units="good").unit_names == ("cell 0", "cell 2")


def test_ragged_trials_are_padded_and_their_axis_of_units_is_found(write, tmp_path, random):
    trials = [random.poisson(0.4, (5, length)).astype(float) for length in (30, 40, 35)]
    velocity = [random.normal(size=(2, length)) for length in (30, 40, 35)]
    structs = [{"spikes": counts, "vel": moved} for counts, moved in zip(trials, velocity, strict=True)]
    write(tmp_path / "a.mat", {"dat": structs})
    recording = read_recording(tmp_path / "a.mat", 0.02, conditions={"velocity": "dat.vel"})
    assert recording.lengths == (30, 40, 35)
    assert "took the first axis of each trial" in recording.history[0]
    for number, (counts, moved) in enumerate(zip(trials, velocity, strict=True)):
        np.testing.assert_array_equal(recording.counts[number, : counts.shape[1]], counts.T)
        np.testing.assert_allclose(recording.conditions[number, : counts.shape[1]], moved.T, rtol=1e-6)


def test_what_a_file_holds_is_listed_by_the_names_to_ask_for_it(write, tmp_path, random):
    variables = {
        "session": {"rates": random.random((50, 4)), "label": "here"},
        "cells": trains(random, 20, 30),
        "lfp": random.normal(size=(30, 2)) + 1j,
    }
    write(tmp_path / "a.mat", variables)
    module = matlab_hdf5 if h5py.is_hdf5(tmp_path / "a.mat") else matlab
    what = {item.path: (item.what, item.shape) for item in module.items(tmp_path / "a.mat")}
    assert what == {
        "session.rates": ("counts or series", (50, 4)),
        "session.label": ("text", (1,)),
        "cells": ("spike times", (1, 2)),
        "lfp": ("numbers", (30, 2)),
    }


def test_complex_numbers_are_no_counts(write, tmp_path):
    write(tmp_path / "a.mat", {"spikes": np.ones((30, 2)) * 1j})
    with pytest.raises(BadInputError, match="expected whole spike counts in spikes, found values of type complex128"):
        read_recording(tmp_path / "a.mat", 0.02)


def test_empty_variables_are_refused_in_words(write, tmp_path):
    write(tmp_path / "a.mat", {"spikes": np.empty((0, 5))})
    with pytest.raises(BadInputError, match=r"expected counts of shape \(bins, units\)"):
        read_recording(tmp_path / "a.mat", 0.02)


@settings(max_examples=40)
@given(
    values=hnp.arrays(
        st.sampled_from([np.float64, np.float32, np.int8, np.uint16, np.int32, np.int64, np.bool_]),
        hnp.array_shapes(min_dims=2, max_dims=3, min_side=0, max_side=5),
    ),
    packed=st.booleans(),
)
def test_numbers_are_those_that_scipy_reads(values, packed, tmp_path_factory):
    path = tmp_path_factory.mktemp("numbers") / "a.mat"
    held = {"a": values, "b": cell(values, "text", cell(values, {"c": values}))}
    scipy.io.savemat(path, held, do_compression=packed)
    found, expected = read_arrays(path), scipy.io.loadmat(path)
    np.testing.assert_array_equal(found["a"], expected["a"])
    np.testing.assert_array_equal(found["b"][0, 0], expected["b"][0, 0])
    np.testing.assert_array_equal(found["b"][0, 2][0, 1]["c"], expected["b"][0, 2][0, 1]["c"][0, 0])


@pytest.mark.parametrize("big_endian", [False, True])
def test_files_of_version_4_are_read(big_endian, tmp_path, random):
    counts = random.poisson(0.3, (50, 4)).astype(float)
    held = {"spikes": counts, "label": "here", "some": scipy.sparse.csc_matrix(counts), "z": counts[:3] * 1j}
    scipy.io.savemat(tmp_path / "a.mat", held, format="4")
    found, expected = read_arrays(tmp_path / "a.mat"), scipy.io.loadmat(tmp_path / "a.mat")
    np.testing.assert_array_equal(found["spikes"], expected["spikes"])
    np.testing.assert_array_equal(found["some"], counts)
    np.testing.assert_array_equal(found["z"], expected["z"])
    assert found["label"].tolist() == ["here"]
    assert read_recording(tmp_path / "a.mat", 0.02).counts.sum() == counts.sum()


def test_scipy_reads_what_is_written_with_names_as_cells_of_text(tmp_path, random):
    counts = random.poisson(0.3, (3, 40, 5))
    recording = from_counts(counts, 0.02, ["a", "bb", "µ", "d" * 60, "e"], "réaches")
    write_recording(with_conditions(recording, np.zeros((3, 40, 1)), ["velocity x"], ["cm/s"]), tmp_path / "a.mat")
    held = scipy.io.loadmat(tmp_path / "a.mat", simplify_cells=True)
    np.testing.assert_array_equal(held["spikes"], counts)
    assert held["unit_names"].tolist() == ["a", "bb", "µ", "d" * 60, "e"]
    assert (held["name"], held["condition_names"]) == ("réaches", "velocity x")


def test_no_tag_of_an_element_whatever_its_value_ends_the_interpreter(tmp_path):
    """SciPy takes the type of an element for an index, unchecked: a 9 that is a 128 ends the program."""
    held = io.BytesIO()
    scipy.io.savemat(held, {"spikes": np.eye(5, 2), "unit_names": cell("a", "b"), "s": {"f": 1.5}})
    whole, path = held.getvalue(), tmp_path / "a.mat"
    for at, value in itertools.product(range(124, len(whole)), (0, 14, 15, 128, 255)):
        path.write_bytes(whole[:at] + bytes([value]) + whole[at + 1 :])
        with suppress(BadInputError):
            assert read_recording(path, 0.02).units > 0


@pytest.mark.parametrize("kind", ["cut", "empty", "text", "no header"])
def test_what_is_no_matlab_file_is_refused_in_words(kind, tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"spikes": np.eye(30, 2)})
    whole = (tmp_path / "a.mat").read_bytes()
    (tmp_path / "a.mat").write_bytes(
        {"cut": whole[:-5], "empty": b"", "text": b"hello " * 50, "no header": b"\0" * 9}[kind]
    )
    with pytest.raises(BadInputError, match="not a readable .mat file .*is it complete"):
        read_recording(tmp_path / "a.mat", 0.02)


def element(kind: int, data: bytes) -> bytes:
    return np.array([kind, len(data)], "<u4").tobytes() + data + bytes(-len(data) % 8)


def test_strings_of_version_5_are_named_with_what_to_do(tmp_path):
    """MATLAB saves what it calls strings as a number of an object in a part of the file that it alone can read."""
    scipy.io.savemat(tmp_path / "a.mat", {"spikes": np.eye(30, 2)})
    parts = [element(6, np.array([17, 0], "<u4").tobytes()), element(1, b"unit_names"), element(1, b"MCOS")]
    whole = (tmp_path / "a.mat").read_bytes() + element(14, b"".join([*parts, element(1, b"string")]))
    (tmp_path / "a.mat").write_bytes(whole)
    assert {item.path: item.what for item in matlab.items(tmp_path / "a.mat")}["unit_names"] == "string (not readable)"
    with pytest.raises(BadInputError, match="unit_names is a MATLAB string.*cellstr"):
        read_recording(tmp_path / "a.mat", 0.02)


def test_conditions_with_times_of_their_own_come_onto_the_bins(write, tmp_path, random):
    times = np.arange(0, 4.0001, 0.01)
    session = {"spikes": trains(random, 40, 30), "vel": np.stack([times, -times], axis=1), "vel_t": times}
    write(tmp_path / "a.mat", {"s": session})
    recording = read_recording(tmp_path / "a.mat", 0.1, conditions={"velocity": "s.vel"}, start_s=0.0, stop_s=4.0)
    expected = 0.1 * np.arange(40) + 0.045  # the mean of ten samples
    np.testing.assert_allclose(recording.conditions[0], np.stack([expected, -expected], axis=1), atol=1e-6)


def test_nested_cells_of_the_hippocampus_are_units_named_by_their_place(data_folder):
    path = data_folder / "formats" / "linear_track_spikes.mat"
    recording = read_recording(path, 0.02)
    expected = {
        f"spikes{{1}}{{1}}{{{tetrode + 1}}}{{{unit + 1}}}": struct["time"].item().ravel()
        for tetrode, units in enumerate(scipy.io.loadmat(path)["spikes"][0, 0][0, 0][0])
        for unit, struct in enumerate(units.ravel())
        if struct.dtype.names
    }
    assert recording.unit_names == tuple(expected)
    assert recording.counts.sum(axis=(0, 1)).tolist() == [len(times) for times in expected.values()]
    assert recording.starts_s == (4396.9975,)  # `timerange`, which says until when, too
    assert recording.bins == int((6365.2707 - 4396.9975) / 0.02)
    edges = 4396.9975 + np.arange(recording.bins + 1) * 0.02
    last = np.histogram(expected["spikes{1}{1}{1}{1}"], edges)[0]
    assert np.abs(np.cumsum(recording.counts[0, :, 0]) - np.cumsum(last)).max() <= 1  # but for spikes on an edge


def test_exact_rates_are_counts_where_the_bin_is_known(data_folder):
    path = data_folder / "formats" / "mihi_demo.mat"
    with pytest.raises(BadInputError, match="e.g. --key Yte"):
        read_recording(path)
    recording = read_recording(path, 0.2, key="Yte", conditions={"velocity [cm/s]": "Xte"})
    held = scipy.io.loadmat(path)
    np.testing.assert_array_equal(recording.counts[0], np.rint(held["Yte"] * 0.2))
    np.testing.assert_array_equal(recording.conditions[0], held["Xte"].astype(np.float32))
    assert [(channel.name, channel.unit) for channel in recording.channels] == [
        ("velocity x", "cm/s"),
        ("velocity y", "cm/s"),
    ]


def test_a_trial_is_left_out_with_its_counterpart(write, tmp_path, random):
    spikes = [random.poisson(0.5, (bins, 12)).astype(float) for bins in (50, 0, 40, 30)]
    moved = [random.normal(size=(bins, 2)) for bins in (50, 40, 0, 30)]
    spikes[1], moved[2] = np.zeros((0, 0)), np.zeros((0, 0))
    write(tmp_path / "a.mat", {"spikes": cell(*spikes), "vel": cell(*moved)})
    recording = read_recording(tmp_path / "a.mat", 0.02, conditions={"v": "vel"})
    assert recording.bins_of_repeats.tolist() == [50, 30]
    np.testing.assert_array_equal(recording.counts[1, :30], spikes[3])
    np.testing.assert_allclose(recording.conditions[1, :30], moved[3], rtol=1e-6)
    assert "left out 2 of 4 trials, of which cells are empty" in recording.history


def test_cells_that_do_not_fit_are_refused(write, tmp_path, random):
    spikes = [random.poisson(0.5, (50, 12)).astype(float) for _ in range(3)]
    write(tmp_path / "a.mat", {"spikes": cell(*spikes), "vel": cell(*[np.ones((50, 2))] * 2)})
    with pytest.raises(BadInputError, match="a cell of vel for each of 3 trials of spikes, found 2"):
        read_recording(tmp_path / "a.mat", 0.02, conditions={"v": "vel"})


def test_texts_of_units_that_repeat_are_labels_and_no_names(write, tmp_path, random):
    labels = ["good", "mua", "good", "noise"]
    structs = [{"spike_times": np.sort(random.uniform(0, 4, 30))[:, np.newaxis], "label": text} for text in labels]
    write(tmp_path / "a.mat", {"units": structs})
    assert read_recording(tmp_path / "a.mat", 0.1).units == 4
    assert read_recording(tmp_path / "a.mat", 0.1, units="good").units == 2
