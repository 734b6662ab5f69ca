import numpy as np
import pytest
import scipy.io

from spikeloop.exporters.formats.read import read_recording
from spikeloop.exporters.formats.sorters import suite2p
from spikeloop.models.errors import BadInputError


@pytest.fixture
def folder(tmp_path, random):
    """A suite2p folder of two planes."""
    for plane, frames in ((0, 50), (1, 49)):
        at = tmp_path / "suite2p" / f"plane{plane}"
        at.mkdir(parents=True)
        np.save(at / "spks.npy", random.random((3, frames)).astype(np.float32))
        np.save(at / "F.npy", random.normal(size=(3, frames)).astype(np.float32))
        np.save(at / "Fneu.npy", random.random((3, frames)).astype(np.float32))
        np.save(at / "iscell.npy", np.array([[1, 0.9], [0, 0.1], [1, 0.8]]))
        np.save(at / "ops.npy", np.array({"fs": 30}, object), allow_pickle=True)
    return tmp_path / "suite2p"


@pytest.fixture
def plane(folder):
    return folder / "plane0"


def test_deconvolved_traces_of_cells_are_read(plane):
    recording = read_recording(plane, 1 / 30)
    np.testing.assert_array_equal(recording.counts[0], np.load(plane / "spks.npy")[[0, 2]].T)
    assert (recording.signal, recording.unit_names) == ("fluorescence", ("roi 0", "roi 2"))
    assert "left out 1 of 3 units, labelled not cell" in " ".join(recording.history)
    assert read_recording(plane, 1 / 30, units="all").units == 3
    assert read_recording(plane, 1 / 30, units="not cell").unit_names == ("roi 1",)


def test_planes_are_joined_and_cut_to_the_same_frames(folder):
    for path in (folder, folder.parent):
        recording = read_recording(path, 1 / 15)
        assert recording.counts.shape == (1, 49, 4)
        assert recording.unit_names[::2] == ("plane0 roi 0", "plane1 roi 0")
        assert "cut all planes to 49 frames" in recording.history


def test_raw_fluorescence_is_raised_where_it_is_negative(plane):
    recording = read_recording(plane / "F.npy", 1 / 30, key="F")
    raw = np.load(plane / "F.npy")[[0, 2]].T
    np.testing.assert_allclose(recording.counts[0], raw - raw.min(axis=0), rtol=1e-5, atol=1e-5)
    assert "raised 2 traces of F" in " ".join(recording.history)


def test_the_frame_rate_is_asked_for_as_a_pickle_is_never_loaded(plane):
    with pytest.raises(BadInputError, match=r"ops.npy, a pickle.*--bin-size-ms 33.3"):
        read_recording(plane)


def test_the_frame_rate_of_the_matlab_file_is_used(plane):
    scipy.io.savemat(plane / "Fall.mat", {"ops": {"fs": 30.0, "nplanes": 1}, "F": np.zeros((2, 2))})
    assert read_recording(plane).bin_size_s == pytest.approx(1 / 30)
    (plane / "Fall.mat").write_bytes(b"MATLAB 5.0 nothing")
    with pytest.raises(BadInputError, match="--bin-size-ms"):
        read_recording(plane)


def test_other_arrays_and_conditions_are_refused(plane):
    with pytest.raises(BadInputError, match="--key: expected spks, F, Fneu"):
        read_recording(plane, 0.03, key="dff")
    with pytest.raises(BadInputError, match="--condition"):
        read_recording(plane, 0.03, conditions={"x": "y"})


def test_a_table_of_cells_that_does_not_fit_is_told(plane):
    np.save(plane / "iscell.npy", np.ones((2, 2)))
    with pytest.raises(BadInputError, match="expected a row for each of 3 regions"):
        read_recording(plane, 0.03)


def test_arrays_are_listed(folder):
    paths = [item.path for item in suite2p.items(folder)]
    assert paths == [f"plane{plane}/{key}" for plane in (0, 1) for key in ("spks", "F", "Fneu")]
