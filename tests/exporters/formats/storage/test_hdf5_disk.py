"""Files that HDF5 writes on a disk that refuses: an error, and a process that ends as it should."""

import json
import subprocess
import sys
from typing import Any

import h5py
import numpy as np
import pytest

from spikeloop.exporters.formats.storage.hdf5_disk import whole_hdf5_file

pytest.importorskip("resource", reason="the system has no limits of files' sizes")

# A child for each limit, which ends as any interpreter does: there HDF5 crashes where a write was refused.
PROGRAM = """
import importlib, json, os, resource, sys
import numpy as np
import spikeloop
from spikeloop.models.errors import FailureError

recording = spikeloop.Recording.from_counts(np.random.default_rng(0).poisson(0.2, (1, 400, 60)).astype(np.uint8), 0.02)
out = sys.argv[1]
spikeloop.write_recording(recording, out)
size, codes = os.path.getsize(out), {}
for share in (0, 1, 4, 7):
    sys.stdout.flush()
    if not (child := os.fork()):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size * share // 8, size * share // 8))
        try:
            spikeloop.write_recording(recording, out + "." + out.rpartition(".")[2])
        except FailureError as error:
            sys.exit(41 if "could not write" in str(error) else 42)
        sys.exit(0)
    codes[share] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(json.dumps([codes, os.listdir(os.path.dirname(out))]))
"""


@pytest.mark.parametrize("suffix", [".nwb", ".nix"])
def test_wherever_the_disk_is_full_an_hdf5_file_fails_with_an_error_and_the_process_ends_well(tmp_path, suffix):
    out = tmp_path / "folder" / f"x{suffix}"
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(out)], capture_output=True, text=True)
    codes, left = json.loads(done.stdout)
    assert set(codes.values()) == {41}
    assert left == [out.name]
    assert done.stderr == ""


def test_what_hdf5_writes_through_it_is_what_it_writes_by_itself(tmp_path):
    values = np.random.default_rng(0).normal(size=(3000, 50))
    with whole_hdf5_file(tmp_path / "a.h5") as disk, h5py.File(disk, "w") as file:
        file["group/values"] = values
        file.create_dataset("chunks", data=values, chunks=(100, 50), compression="gzip")
        file["texts"] = ["one", "two"]
        file["group"].attrs["note"] = "n" * 3000
    with h5py.File(tmp_path / "a.h5") as opened:
        file: Any = opened
        assert np.array_equal(file["group/values"][()], values)
        assert np.array_equal(file["chunks"][()], values)
        assert file["texts"].asstr()[1] == "two"
        assert file["group"].attrs["note"] == "n" * 3000
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]
