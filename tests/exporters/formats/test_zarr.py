"""Recordings to Zarr folders and back, and folders that others made."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings

from spikeloop.exporters.formats import zarr as zarr_module
from spikeloop.exporters.formats.read import read_recording
from spikeloop.exporters.formats.registry import format_of
from spikeloop.exporters.formats.write import write_recording
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.recordings.recording import from_counts
from tests.support.any_recording import any_recordings, assert_same_recording

FEW = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
COUNTS = np.arange(40).reshape(20, 2) % 5


@FEW
@given(recording=any_recordings())
def test_a_recording_comes_back_as_it_was(tmp_path, recording):
    write_recording(recording, tmp_path / "there.zarr")
    assert_same_recording(read_recording(tmp_path / "there.zarr"), recording)


def test_a_group_of_arrays_below_other_groups_is_read_by_key(tmp_path):
    group = zarr.open_group(str(tmp_path / "other.zarr"), mode="w")
    group["session/binned"] = COUNTS
    group["session/speed"] = np.arange(20.0)
    recording = read_recording(
        tmp_path / "other.zarr", 0.02, key="session/binned", conditions={"speed [cm/s]": "session/speed"}
    )
    np.testing.assert_array_equal(recording.counts[0], COUNTS)
    np.testing.assert_array_equal(recording.conditions[0, :, 0], np.arange(20))


def test_texts_of_any_length_are_read(tmp_path):
    group = zarr.open_group(str(tmp_path / "other.zarr"), mode="w")
    group["counts"] = COUNTS
    group.create_dataset("unit_names", data=np.array(["a", "long name"], object), dtype=str)
    assert read_recording(tmp_path / "other.zarr", 0.02).unit_names == ("a", "long name")


def test_a_single_array_is_read_as_counts(tmp_path):
    zarr.save_array(str(tmp_path / "one.ZARR"), COUNTS)
    np.testing.assert_array_equal(read_recording(tmp_path / "one.ZARR", 0.02).counts[0], COUNTS)


def test_arrays_are_listed(tmp_path):
    write_recording(from_counts(COUNTS, 0.02), tmp_path / "there.zarr")
    found = format_of(tmp_path / "there.zarr")
    assert found is not None
    listed = {item.path: item for item in found.reader().items(tmp_path / "there.zarr")}
    assert (listed["spikes"].what, listed["spikes"].shape) == ("counts", (1, 20, 2))
    assert listed["unit_names"].what == "text"


def test_listing_reads_no_large_array_and_a_damaged_one_does_not_matter_to_others(tmp_path):
    write_recording(from_counts(COUNTS, 0.02), tmp_path / "there.zarr")
    group = zarr.open_group(str(tmp_path / "there.zarr"), mode="a")
    group.create_dataset("raw", data=np.zeros((3000, 2000)), chunks=(100, 2000))
    for chunk in (tmp_path / "there.zarr" / "raw").glob("[0-9]*"):
        chunk.write_bytes(b"damaged")
    found = format_of(tmp_path / "there.zarr")
    assert found is not None
    listed = {item.path: item for item in found.reader().items(tmp_path / "there.zarr")}
    assert listed["raw"].shape == (3000, 2000)
    np.testing.assert_array_equal(read_recording(tmp_path / "there.zarr").counts[0], COUNTS)
    with pytest.raises(BadInputError, match="is it complete"):
        read_recording(tmp_path / "there.zarr", 0.02, key="raw")


def test_pickles_are_never_loaded(tmp_path):
    import numcodecs

    group = zarr.open_group(str(tmp_path / "evil.zarr"), mode="w")
    group.create_dataset("spikes", data=np.array([{}, {}], object), object_codec=numcodecs.Pickle())
    with pytest.raises(BadInputError, match="never loaded"):
        read_recording(tmp_path / "evil.zarr", 0.02)


def test_a_size_that_can_not_be_is_refused(tmp_path):
    write_recording(from_counts(COUNTS, 0.02), tmp_path / "big.zarr")
    entry = tmp_path / "big.zarr" / "spikes" / ".zarray"
    entry.write_text(json.dumps(json.loads(entry.read_text()) | {"shape": [1, 10**10, 2]}))
    with pytest.raises(BadInputError, match="complete"):
        read_recording(tmp_path / "big.zarr")


@pytest.mark.parametrize("where", ["none.zarr", "file.zarr", "empty.zarr"])
def test_what_is_no_zarr_folder_is_refused(tmp_path, where):
    (tmp_path / "file.zarr").write_text("a file")
    (tmp_path / "empty.zarr").mkdir()
    with pytest.raises(BadInputError, match=where):
        read_recording(tmp_path / where, 0.02)


def test_a_folder_that_is_something_else_is_not_replaced(tmp_path):
    (tmp_path / "mine.zarr").mkdir()
    (tmp_path / "mine.zarr" / "precious").write_text("keep")
    with pytest.raises(BadInputError, match="something else"):
        write_recording(from_counts(COUNTS, 0.02), tmp_path / "mine.zarr")
    assert (tmp_path / "mine.zarr" / "precious").read_text() == "keep"


def test_a_folder_is_replaced_whole(tmp_path):
    write_recording(from_counts(COUNTS, 0.02, name="one"), tmp_path / "there.zarr")
    write_recording(from_counts(COUNTS[:5], 0.02, name="two"), tmp_path / "there.zarr")
    assert read_recording(tmp_path / "there.zarr").name == "two"
    assert [path.name for path in tmp_path.iterdir()] == ["there.zarr"]


def test_a_disk_that_refuses_is_told(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(FailureError, match="could not write"):
        write_recording(from_counts(COUNTS, 0.02), tmp_path / "file" / "x.zarr")


@pytest.mark.parametrize("name", ["session.nwb.zarr", "session.nwb"])
def test_an_nwb_session_that_was_saved_as_zarr_is_read_by_its_structure(tmp_path, name):
    root = zarr.open_group(str(tmp_path / name), mode="w")
    root.attrs.update(nwb_version="2.6.0", neurodata_type="NWBFile")
    root["units/spike_times"] = np.array([0.11, 0.31, 0.32, 0.51])
    root["units/spike_times_index"] = np.array([1, 4])
    root["units/id"] = np.array([4, 9])
    root.create_dataset("units/quality", data=np.array(["mua", "good"], object), dtype=str)
    root["intervals/trials/start_time"] = np.array([0.0, 0.3])
    root["intervals/trials/stop_time"] = np.array([0.2, 0.6])
    root["processing/behavior/Velocity/data"] = np.arange(12.0).reshape(6, 2)
    root["processing/behavior/Velocity/data"].attrs.update(unit="m/s", conversion=2.0)
    root["processing/behavior/Velocity/starting_time"] = np.array([0.0])
    root["processing/behavior/Velocity/starting_time"].attrs["rate"] = 10.0
    recording = read_recording(tmp_path / name, 0.1, units="good", trials="1", conditions={"v": "Velocity"})
    assert recording.unit_names == ("unit 9",)
    assert recording.counts[0, :, 0].tolist() == [2, 0, 1]
    np.testing.assert_allclose(recording.conditions[0, :, 1], [14, 18, 22])
    assert recording.channels[0].unit == "m/s"


def test_texts_that_state_to_be_more_than_fit_are_refused(tmp_path):
    group = zarr.open_group(str(tmp_path / "odd.zarr"), mode="w")
    group["counts"] = COUNTS
    group.create_dataset("unit_names", data=np.array(["a", "b"], object), dtype=str, compressor=None)
    chunk = tmp_path / "odd.zarr" / "unit_names" / "0"
    chunk.write_bytes(b"\xff\xff\xff\x7f" + chunk.read_bytes()[4:])
    with pytest.raises(BadInputError, match="states 2147483647 texts"):
        read_recording(tmp_path / "odd.zarr", 0.02, key="counts")


def test_texts_are_those_that_zarr_reads_to_the_last_nul(tmp_path, monkeypatch):
    recording = replace(from_counts(COUNTS, 0.02, ["a", "é"], "name\0"), history=("one\0", "x" * 1000, "\ud800"))
    monkeypatch.setattr(zarr_module, "LARGEST_PART", 5000)  # one text a part
    write_recording(recording, tmp_path / "there.zarr")
    group: Any = zarr.open_group(str(tmp_path / "there.zarr"), mode="r")
    assert group["name"][()] == "name\0"
    assert group["unit_names"][:].tolist() == ["a", "é"]
    assert group["history"][:].tolist() == ["one\0", "x" * 1000, "?"]  # a surrogate is no UTF-8
    assert group["history"].chunks == (1,)
