import os
from typing import Any

import numpy as np
import pytest
import scipy.io

from spikeloop.exporters.formats.choices import Choices
from spikeloop.exporters.formats.inspection import inspect_recording
from spikeloop.exporters.formats.read import read_recording
from spikeloop.exporters.formats.write import write_recording
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.recording import from_counts
from tests.support.bad_values import NO_NUMBER, NO_WHOLE_NUMBER
from tests.support.stamped import stamped


@pytest.mark.parametrize(
    ("option", "values"), [("bin_size_s", [*NO_NUMBER, float("nan")]), ("repeat_bins", [*NO_WHOLE_NUMBER, 3])]
)
def test_of_reading_a_file_no_other_error_than_bad_input_leaves(tmp_path, option, values):
    write_recording(from_counts(np.zeros((20, 2)), 0.02), tmp_path / "some.npz")
    for value in values:
        with pytest.raises(BadInputError):
            read_recording(tmp_path / "some.npz", **{option: value})
    with pytest.raises(BadInputError, match="m1-sim:10 has its own layout"):
        choice: dict[str, Any] = {option: 2}
        read_recording("m1-sim:10", **choice)


def test_npz_round_trips_with_names_and_bin_size(tmp_path, random):
    counts = random.integers(0, 3, (4, 30, 5)).astype(np.uint8)
    np.savez(tmp_path / "a.npz", spikes=counts, bin_size_s=0.01, unit_names=np.array(list("abcde")))
    recording = read_recording(tmp_path / "a.npz")
    np.testing.assert_array_equal(recording.counts, counts)
    assert (recording.bin_size_s, recording.unit_names) == (0.01, tuple("abcde"))


def test_mat_as_published_is_cut_into_repeats(tmp_path, random):
    data = random.integers(0, 2, (6 * 11, 5)).astype(float)
    scipy.io.savemat(tmp_path / "a.mat", {"data": data})
    recording = read_recording(tmp_path / "a.mat", bin_size_s=0.02, repeat_bins=11)
    np.testing.assert_array_equal(recording.counts, data.reshape(6, 11, 5))
    with pytest.raises(BadInputError, match="can't be cut into repeats of 13"):
        read_recording(tmp_path / "a.mat", bin_size_s=0.02, repeat_bins=13)


def test_files_that_hold_no_recording_are_refused(tmp_path):
    with pytest.raises(BadInputError, match="no such file"):
        read_recording(tmp_path / "a.npz")
    with pytest.raises(BadInputError, match=r"no recording named .*others go by path"):
        read_recording(tmp_path / "a.docx")
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(BadInputError, match="is it complete"):
        read_recording(tmp_path / "cut.npz")
    (tmp_path / "cut.mat").write_bytes(b"\0" * 40)
    with pytest.raises(BadInputError, match="is it complete"):
        read_recording(tmp_path / "cut.mat")
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(BadInputError, match="found a folder"):
        read_recording(tmp_path / "folder.npz")
    np.savez(tmp_path / "named.npz", spikes=np.zeros((4, 2)), bin_size_s=0.1, unit_names=np.array("ab"))
    with pytest.raises(BadInputError, match="a name for each of 2 units, found 1"):
        read_recording(tmp_path / "named.npz")
    np.savez(tmp_path / "other.npz", voltage=np.zeros(3))
    with pytest.raises(BadInputError, match=r"expected an array named spikes.*found voltage"):
        read_recording(tmp_path / "other.npz")
    np.savez(tmp_path / "sizeless.npz", spikes=np.zeros((4, 2)))
    with pytest.raises(BadInputError, match="--bin-size-ms"):
        read_recording(tmp_path / "sizeless.npz")
    for odd in ("twenty", [], [0.1, 0.2]):
        np.savez(tmp_path / "odd.npz", spikes=np.zeros((4, 2)), bin_size_s=odd)
        with pytest.raises(BadInputError, match="bin_size_s to be one number"):
            read_recording(tmp_path / "odd.npz")


def test_a_pickled_array_is_not_unpickled(tmp_path):
    np.savez(tmp_path / "pickled.npz", spikes=np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(BadInputError, match="Python objects, which are never loaded"):
        read_recording(tmp_path / "pickled.npz")


def test_files_hold_conditions_too(tmp_path):
    recording = stamped(1, 12)
    arrays = {"spikes": recording.counts[0], "conditions": recording.conditions[0], "bin_size_s": 0.02}
    np.savez(tmp_path / "a.npz", **arrays, condition_names=["repeat", "bin"], condition_units=["", "bin"])
    read = read_recording(tmp_path / "a.npz")
    np.testing.assert_array_equal(read.conditions, recording.conditions)
    assert read.channels == recording.channels
    cut = read_recording(tmp_path / "a.npz", repeat_bins=4)
    assert cut.repeats == 3
    np.testing.assert_array_equal(cut.conditions, cut.counts)
    np.savez(tmp_path / "nameless.npz", **arrays)
    assert [channel.name for channel in read_recording(tmp_path / "nameless.npz").channels] == [
        "condition 0",
        "condition 1",
    ]
    np.savez(tmp_path / "short.npz", spikes=recording.counts[0], conditions=np.zeros((11, 2)), bin_size_s=0.02)
    with pytest.raises(BadInputError, match=r"expected conditions of shape \(1, 12, 2\)"):
        read_recording(tmp_path / "short.npz")
    np.savez(tmp_path / "flat.npz", spikes=recording.counts[0], conditions=np.arange(12.0), bin_size_s=0.02)
    np.testing.assert_array_equal(read_recording(tmp_path / "flat.npz").conditions[0, :, 0], np.arange(12.0))
    np.savez(tmp_path / "scalar.npz", spikes=recording.counts[0], conditions=np.array(3.0), bin_size_s=0.02)
    with pytest.raises(BadInputError, match=r"expected conditions of shape \(1, 12, 1\)"):
        read_recording(tmp_path / "scalar.npz")


def test_pipes_devices_and_links_in_a_circle_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.npz")
    (tmp_path / "zero.npz").symlink_to("/dev/zero")
    (tmp_path / "one.npz").symlink_to("two.npz")
    (tmp_path / "two.npz").symlink_to("one.npz")
    for name, message in (("pipe", "found a pipe, a socket or a device"), ("zero", "a device"), ("one", "in a circle")):
        for read in (read_recording, lambda path: inspect_recording(path, Choices())):
            with pytest.raises(BadInputError, match=message):
                read(tmp_path / f"{name}.npz")
