"""HDF5 files on which the library would crash or never end, and others that are none."""

import h5py
import numpy as np
import pytest

from spikeloop.exporters.formats.read import read_recording
from spikeloop.exporters.formats.storage.hdf5_guard import require_sound
from spikeloop.models.errors import BadInputError
from tests.support.nwb_sessions import session_of_a_lab

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def test_a_file_that_states_more_than_it_holds_is_refused(tmp_path):
    session_of_a_lab(tmp_path / "huge.nwb")
    with h5py.File(tmp_path / "huge.nwb", "a") as file:
        del file["units/spike_times"]
        file.create_dataset("units/spike_times", (10**12,), chunks=(1000,), dtype="f8")
    with pytest.raises(BadInputError, match="is it complete"):
        read_recording(tmp_path / "huge.nwb", 0.02)


@pytest.mark.parametrize("data", [b"", b"\x89HDF\r\n\x1a\n", b"not HDF5 at all" * 100])
def test_what_is_no_hdf5_file_is_refused(tmp_path, data):
    (tmp_path / "no.nwb").write_bytes(data)
    with pytest.raises(BadInputError, match=r"no\.nwb"):
        read_recording(tmp_path / "no.nwb", 0.02)


def test_a_file_whose_reading_never_ends_is_refused(tmp_path, monkeypatch):
    """HDF5 2.0 walks in a circle on some damaged files; a program that sleeps stands in for it."""
    from spikeloop.exporters.formats.storage import hdf5_guard

    (tmp_path / "sleeps.py").write_text("import time\nprint('.', flush=True)\ntime.sleep(60)")
    monkeypatch.setattr(hdf5_guard, "PROBE", tmp_path / "sleeps.py")
    monkeypatch.setattr(hdf5_guard, "SILENT_S", 0.2)
    with h5py.File(tmp_path / "circle.nwb", "w") as file:
        file["units/spike_times"] = [0.1]
    with pytest.raises(BadInputError, match="does not end"):
        read_recording(tmp_path / "circle.nwb", 0.02)


def test_a_file_on_which_hdf5_crashes_is_refused(tmp_path, monkeypatch):
    from spikeloop.exporters.formats.storage import hdf5_guard

    (tmp_path / "crashes.py").write_text("import os\nprint('.', flush=True)\nos.abort()")
    monkeypatch.setattr(hdf5_guard, "PROBE", tmp_path / "crashes.py")
    with h5py.File(tmp_path / "crash.nwb", "w") as file:
        file["units/spike_times"] = [0.1]
    with pytest.raises(BadInputError, match="crashes"):
        read_recording(tmp_path / "crash.nwb", 0.02)


def test_a_file_that_makes_hdf5_take_far_more_memory_than_its_size_is_refused(tmp_path, monkeypatch):
    """A text of variable length, whose length a changed byte makes a gigabyte."""
    from spikeloop.exporters.formats.storage import hdf5_guard

    monkeypatch.setattr(hdf5_guard, "SILENT_S", 120.0)  # a busy machine needs seconds for so much memory
    path = tmp_path / "text.nwb"
    with h5py.File(path, "w") as file:
        file["units/spike_times"] = [0.1]
        file["units"].attrs["description"] = "a text"
    whole = path.read_bytes()
    where = whole.index(b"GCOL").to_bytes(8, "little") + b"\x01\x00\x00\x00"  # the text, as the attribute refers to it
    length = whole.index(len("a text").to_bytes(4, "little") + where)
    path.write_bytes(whole[:length] + (2**30).to_bytes(4, "little") + whole[length + 4 :])
    with pytest.raises(BadInputError, match="far more memory than its size"):
        read_recording(path, 0.02)


def external_link(file: h5py.File, other: str) -> None:
    file["units/spike_times"] = h5py.ExternalLink(other, "/secret")


def external_storage(file: h5py.File, other: str) -> None:
    file.create_dataset("units/spike_times", (8,), "f8", external=[(other, 0, h5py.h5f.UNLIMITED)])


def virtual_array(file: h5py.File, other: str) -> None:
    layout = h5py.VirtualLayout((8,), "f8")
    layout[:] = h5py.VirtualSource(other, "secret", (8,))
    file.create_virtual_dataset("units/spike_times", layout)


@pytest.mark.parametrize("refer", [external_link, external_storage, virtual_array])
@pytest.mark.parametrize("deep", [0, 40])
def test_a_file_that_refers_to_others_is_refused(tmp_path, refer, deep):
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["secret"] = np.arange(8.0)
    with h5py.File(tmp_path / "refers.nwb", "w") as file:
        refer(file.create_group("deep/" * deep) if deep else file, str(tmp_path / "other.h5"))
    with pytest.raises(BadInputError, match="it refers to other files; copy what it needs into one file"):
        require_sound(tmp_path / "refers.nwb")


def test_links_and_virtual_arrays_inside_of_a_file_are_followed(tmp_path):
    with h5py.File(tmp_path / "inside.nwb", "w") as file:
        file["times"] = np.arange(8.0)
        file["units/spike_times"] = h5py.SoftLink("/times")
        file["units/again"] = file["units"]  # a circle
        file["units/lost"] = h5py.SoftLink("/nowhere")
        layout = h5py.VirtualLayout((8,), "f8")
        layout[:] = h5py.VirtualSource(file["times"])
        file.create_virtual_dataset("virtual", layout)
    require_sound(tmp_path / "inside.nwb")
