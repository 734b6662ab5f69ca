import tracemalloc

import numpy as np
import pytest
import spikeinterface.extractors as extractors
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.exporters.formats.choices import Choices
from spikeloop.exporters.formats.inspection import inspect_recording
from spikeloop.exporters.formats.read import read_recording
from spikeloop.exporters.formats.sorters import folder as sorter_folder
from spikeloop.models.errors import BadInputError

RATE = 30_000


def make_folder(folder, samples, clusters, params=True):
    folder.mkdir(exist_ok=True)
    np.save(folder / "spike_times.npy", np.asarray(samples, np.uint64)[:, np.newaxis])
    np.save(folder / "spike_clusters.npy", np.asarray(clusters, np.int32))
    if params:
        text = f"dat_path = 'x.dat'\nn_channels_dat = 4\ndtype = 'int16'\noffset = 0\nsample_rate = {RATE}.\n"
        (folder / "params.py").write_text(text + "hp_filtered = False\n")
    return folder


@pytest.fixture
def folder(tmp_path, random):
    samples = np.sort(random.integers(0, 10 * RATE, 400))
    folder = make_folder(tmp_path / "phy", samples, random.choice([2, 5, 9, 11], 400))
    (folder / "cluster_KSLabel.tsv").write_text("cluster_id\tKSLabel\n2\tmua\n5\tgood\n9\tgood\n11\tmua\n")
    (folder / "cluster_group.tsv").write_text("cluster_id\tgroup\n2\tmua\n5\tgood\n9\tnoise\n")
    return folder


def test_counts_are_those_of_spikeinterfaces_reading(folder):
    recording = read_recording(folder, 0.02, units="all")
    sorting = extractors.read_phy(folder)
    assert sorting.unit_ids.tolist() == [2, 5, 9]  # it leaves out clusters without a label
    for unit, row in zip(sorting.unit_ids, recording.counts[0].T[:3], strict=True):
        times = sorting.get_unit_spike_train(unit) / RATE
        edges = np.arange(recording.bins + 1) * 0.02
        np.testing.assert_array_equal(row, np.histogram(times, edges)[0])


@pytest.mark.parametrize("last", [None, 2**33, 2**45])
@pytest.mark.parametrize("units", [4, 50])
@pytest.mark.parametrize("time_unit", [None, "s"])
def test_inspecting_takes_little_memory_or_says_what_to_do(tmp_path, random, last, units, time_unit):
    samples = np.sort(random.integers(0, 1200 * RATE, 3000 * units))
    samples[-1] = samples[-1] if last is None else last
    folder = make_folder(tmp_path / "phy", samples, np.arange(len(samples)) % units)
    stored = sum(path.stat().st_size for path in folder.iterdir())
    tracemalloc.start()
    found = inspect_recording(folder, Choices.checked(0.02, time_unit=time_unit))
    assert (found.recording is None) == (found.summary is None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * stored + 500e6
    assert found.recording is not None or "--time-unit" in found.problem


def test_clusters_labelled_noise_are_left_out_unless_asked_for(folder):
    recording = read_recording(folder, 0.02)
    assert recording.unit_names == ("unit 2", "unit 5", "unit 11")
    assert "left out 1 of 4 units, labelled noise" in " ".join(recording.history)
    assert read_recording(folder, 0.02, units="all").units == 4
    assert read_recording(folder, 0.02, units="noise").unit_names == ("unit 9",)
    assert read_recording(folder, 0.02, units="unit 9,unit 2").unit_names == ("unit 9", "unit 2")


def test_units_are_chosen_by_label_the_curators_before_the_sorters(folder):
    assert read_recording(folder, 0.02, units="good").unit_names == ("unit 5",)
    assert read_recording(folder, 0.02, units="MUA").unit_names == ("unit 2", "unit 11")


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ("2", ("unit 2",)),
        ("11, 2", ("unit 11", "unit 2")),
        ("3-10", ("unit 5",)),
        ("0-100", ("unit 2", "unit 5", "unit 11")),
        ("9", ("unit 9",)),
    ],
)
def test_numbers_are_those_of_clusters_and_not_places(folder, asked, names):
    assert read_recording(folder, 0.02, units=asked).unit_names == names


def test_clusters_that_there_are_not_are_refused(folder):
    with pytest.raises(BadInputError, match=r"--units: expected numbers of units .*\(2, 5, 11\), found 3"):
        read_recording(folder, 0.02, units="2,3")


@pytest.mark.parametrize("name", ["cluster_group.csv", "cluster_group.tsv"])
def test_labels_are_read_with_commas_and_with_numbers_that_end_in_0(folder, name):
    (folder / "cluster_group.tsv").unlink()
    separator = "," if name.endswith("csv") else "\t"
    (folder / name).write_text(f"cluster_id{separator}group\n2.0{separator}noise\n")
    assert read_recording(folder, 0.02).unit_names == ("unit 5", "unit 9", "unit 11")


@pytest.mark.parametrize("unit", ["s", "ms"])
def test_numbers_of_samples_are_not_taken_for_times(folder, unit):
    with pytest.raises(BadInputError, match="--time-unit: expected a sampling rate .* whole numbers of samples"):
        read_recording(folder, 0.02, time_unit=unit)


@pytest.mark.parametrize("name", ["spike_times.npy", "spike_clusters.npy", "params.py", "cluster_group.tsv"])
def test_one_of_its_files_stands_for_the_folder(folder, name):
    assert read_recording(folder / name, 0.02).units == 3


def test_without_params_the_rate_is_asked_for(folder):
    (folder / "params.py").unlink()
    with pytest.raises(BadInputError, match=r"params.py, which is missing; give it: --time-unit '30000 Hz'"):
        read_recording(folder, 0.02)
    found = read_recording(folder, 0.02, time_unit="30000 Hz")
    assert found.counts.sum() == 400 - read_recording(folder, 0.02, units="noise", time_unit="30000 Hz").counts.sum()


def test_params_is_never_run(folder, tmp_path):
    told = tmp_path / "ran"
    (folder / "params.py").write_text(f"open({str(told)!r}, 'w')\nsample_rate = 3e4\n")
    assert read_recording(folder, 0.02).units == 3
    assert not told.exists()


def test_templates_stand_in_where_there_are_no_clusters(folder):
    (folder / "spike_clusters.npy").rename(folder / "spike_templates.npy")
    assert read_recording(folder, 0.02).units == 3


def test_folders_of_alf_have_seconds(tmp_path):
    np.save(tmp_path / "spikes.times.npy", [0.01, 0.03, 0.05])
    np.save(tmp_path / "spikes.clusters.npy", [0, 1, 0])
    assert read_recording(tmp_path, 0.02).counts[0].tolist() == [[1, 0], [0, 1], [1, 0]]


def test_arrays_that_do_not_fit_are_told(folder):
    np.save(folder / "spike_clusters.npy", np.zeros(399, int))
    with pytest.raises(BadInputError, match=r"a time and a unit for every spike"):
        read_recording(folder, 0.02)


def test_a_pickle_is_never_loaded(folder):
    np.save(folder / "spike_clusters.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(BadInputError, match="not a readable .npy file"):
        read_recording(folder, 0.02)


def test_conditions_are_refused(folder):
    with pytest.raises(BadInputError, match="--condition: expected none"):
        read_recording(folder, 0.02, conditions={"x": "y"})


def test_what_is_in_it_is_listed(folder):
    found = {item.path: item for item in sorter_folder.items(folder)}
    assert found["spike_times.npy"].what == "spike times"
    assert found["spike_times.npy"].shape == (400, 1)
    assert "cluster_group.tsv" in found


@given(st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 300)), min_size=1, max_size=60))
def test_every_spike_is_counted_once(tmp_path_factory, spikes):
    folder = make_folder(tmp_path_factory.mktemp("phy"), [at for at, _ in spikes], [cluster for _, cluster in spikes])
    recording = read_recording(folder, 0.02)
    assert recording.counts.sum() == len(spikes)
    assert recording.units == len({cluster for _, cluster in spikes})
