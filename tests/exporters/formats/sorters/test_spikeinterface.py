import json

import numpy as np
import pytest
import spikeinterface as si
from spikeinterface.core import NpzSortingExtractor

from spikeloop.exporters.formats.read import read_recording
from spikeloop.exporters.formats.sorters import spikeinterface
from spikeloop.models.errors import BadInputError

pytestmark = pytest.mark.filterwarnings("ignore")  # SpikeInterface and Zarr warn about themselves
RATE, SIZE = 20_000.0, 0.02


@pytest.fixture(params=["numbers", "texts"])
def sorting(request, random):
    ids = np.array([3, 7, 12] if request.param == "numbers" else ["a", "b", "c"])
    samples = [np.sort(random.integers(0, int(seconds * RATE), 200)) for seconds in (5, 3)]
    labels = [ids[random.integers(0, 3, 200)] for _ in samples]
    sorting = si.NumpySorting.from_samples_and_labels(samples, labels, RATE, unit_ids=ids)
    sorting.set_property("quality", np.array(["good", "noise", "mua"]))
    return sorting


def saved(sorting, folder, form):
    if form == "zarr":
        sorting.save(folder=folder.with_suffix(".zarr"), format="zarr")
        return folder.with_suffix(".zarr")
    if form == "npz":
        NpzSortingExtractor.write_sorting(sorting, folder.with_suffix(".npz"))
        return folder.with_suffix(".npz")
    sorting.save(folder=folder, format=form)
    return folder


@pytest.mark.parametrize("form", ["numpy_folder", "npz_folder", "npz", "zarr"])
def test_counts_are_those_of_spikeinterfaces_own_reading(tmp_path, sorting, form):
    path = saved(sorting, tmp_path / "sorting", form)
    recording = read_recording(path, SIZE, units="all")
    assert (recording.repeats, recording.units) == (2, 3)
    for segment in range(2):
        for number, unit in enumerate(sorting.unit_ids):
            times = sorting.get_unit_spike_train(unit, segment_index=segment) / RATE
            expected = np.histogram(times, np.arange(recording.bins + 1) * SIZE)[0]
            np.testing.assert_array_equal(recording.counts[segment, :, number], expected)
    expected = [f"unit {i}" if i in (3, 7, 12) else i for i in sorting.unit_ids.tolist()]
    assert list(recording.unit_names) == expected


@pytest.mark.parametrize("form", ["numpy_folder", "npz_folder", "zarr"])
def test_units_are_chosen_by_the_property_quality(tmp_path, sorting, form):
    path = saved(sorting, tmp_path / "sorting", form)
    assert read_recording(path, SIZE).units == 2
    names = read_recording(path, SIZE, units="all").unit_names
    assert read_recording(path, SIZE, units="mua").unit_names == names[2:]


@pytest.mark.parametrize("form", ["binary_folder", "zarr"])
def test_analyzers_are_read(tmp_path, form):
    recording, sorting = si.generate_ground_truth_recording(durations=[4.0], num_units=3, seed=0)
    folder = tmp_path / ("analyzer.zarr" if form == "zarr" else "analyzer")
    si.create_sorting_analyzer(sorting, recording, format=form, folder=folder, sparse=False)
    read = read_recording(folder, SIZE)
    assert read.counts.sum() == len(sorting.to_spike_vector())
    assert read.units == 3
    if form == "binary_folder":
        assert read.bins == 200


def test_segments_of_an_analyzer_are_as_long_as_they_were_recorded(tmp_path):
    recording, sorting = si.generate_ground_truth_recording(durations=[4.0, 1.5], num_units=3, seed=0)
    si.create_sorting_analyzer(sorting, recording, format="binary_folder", folder=tmp_path / "analyzer", sparse=False)
    read = read_recording(tmp_path / "analyzer", SIZE)
    assert read.bins_of_repeats.tolist() == [200, 75]


def test_segments_without_a_known_length_end_with_their_last_spike_whatever_units_are_chosen(tmp_path):
    samples, labels = [[100, 5 * int(RATE)], [10, int(2.05 * RATE)]], [["a", "b"], ["a", "b"]]
    sorting = si.NumpySorting.from_samples_and_labels([*map(np.array, samples)], labels, RATE, unit_ids=["a", "b"])
    path = saved(sorting, tmp_path / "sorting", "numpy_folder")
    for units in ("all", "a"):
        read = read_recording(path, SIZE, units=units)
        assert read.bins_of_repeats.tolist() == [251, 103]
        assert read.counts.sum(axis=(1, 2)).tolist() == ([2, 2] if units == "all" else [1, 1])


def test_what_is_in_it_is_listed(tmp_path, sorting):
    path = saved(sorting, tmp_path / "sorting", "numpy_folder")
    assert [item.path for item in spikeinterface.items(path)] == ["spikes", "properties/quality"]


def test_a_folder_that_does_not_fit_together_is_told(tmp_path, sorting):
    path = saved(sorting, tmp_path / "sorting", "numpy_folder")
    info = json.loads((path / "numpysorting_info.json").read_text())
    for changed, said in (
        ({"unit_ids": [3]}, "spikes of 1 units, found others"),
        ({"num_segments": 1}, "spikes of 1 segments, found others"),
        ({"sampling_frequency": "fast"}, "expected a sampling frequency"),
        ({"unit_ids": None}, "unit_ids in numpysorting_info.json"),
    ):
        (path / "numpysorting_info.json").write_text(json.dumps(info | changed))
        with pytest.raises(BadInputError, match=said):
            read_recording(path, SIZE)
