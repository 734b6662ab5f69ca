import h5py
import numpy as np
import pytest

from spikeloop.exporters.formats.read import read_arrays, read_recording
from spikeloop.models.errors import BadInputError
from tests.support.matlab73 import write_mat73

CELLS = np.array([["a", "b"]], object)


def test_a_damaged_cell_of_version_73_is_named_and_the_others_are_read(tmp_path):
    write_mat73(tmp_path / "a.mat", {"spikes": np.eye(30, 2), "cells": CELLS})
    with h5py.File(tmp_path / "a.mat", "r+") as file:
        del file["#refs#"]
    assert read_recording(tmp_path / "a.mat", 0.02).counts.sum() == 2
    with pytest.raises(BadInputError, match="not a readable .mat file of version 7.3"):
        read_recording(tmp_path / "a.mat", 0.02, key="cells")


def test_matlab_objects_are_named_with_what_to_do(tmp_path):
    """Objects of class string, table and so on are numbers that only MATLAB can follow."""
    write_mat73(tmp_path / "a.mat", {"spikes": np.eye(30, 2), "unit_names": np.arange(6)})
    with h5py.File(tmp_path / "a.mat", "r+") as file:
        file["unit_names"].attrs["MATLAB_class"] = np.bytes_("string")
        file["unit_names"].attrs["MATLAB_object_decode"] = np.int32(3)
    with pytest.raises(BadInputError, match="unit_names is a MATLAB string.*cellstr"):
        read_recording(tmp_path / "a.mat", 0.02)
    with pytest.raises(BadInputError, match="unit_names is a MATLAB string.*cellstr"):
        read_recording(tmp_path / "a.mat", 0.02, key="unit_names")


def test_arrays_that_no_matlab_wrote_keep_their_axes(tmp_path):
    with h5py.File(tmp_path / "a.mat", "w") as file:
        file["spikes"] = np.eye(30, 2)
        file["unit_names"] = ["a", "b"]
    recording = read_recording(tmp_path / "a.mat", 0.02)
    assert (recording.counts.shape, recording.unit_names) == ((1, 30, 2), ("a", "b"))


def test_sizes_that_the_stored_bytes_can_not_hold_are_refused(tmp_path):
    write_mat73(tmp_path / "a.mat", {"spikes": np.eye(30, 2)})
    with h5py.File(tmp_path / "a.mat", "r+") as file:
        huge = file.create_dataset("counts", (2**30, 2**10), np.uint8, chunks=(2**10, 2**10))
        huge.attrs["MATLAB_class"] = np.bytes_("uint8")
    with pytest.raises(BadInputError, match="of 1099511627776 bytes, stored in 0"):
        read_recording(tmp_path / "a.mat", 0.02, key="counts")


def test_empty_text_and_empty_numbers_keep_their_kind(tmp_path):
    write_mat73(tmp_path / "a.mat", {"spikes": np.eye(30, 2), "nothing": np.empty((0, 3))})
    assert read_arrays(tmp_path / "a.mat")["nothing"].shape == (0, 3)
