"""Whether a file can be written is found before the work, and nothing is left of finding out."""

import os
from pathlib import Path

import pytest

from spikeloop.exporters.formats.storage.writable import check_writable
from spikeloop.models.errors import FailureError


@pytest.mark.parametrize("path", ["new.npz", "there.npz", "a/b/c/new.nwb", "new.zarr", "zarr.zarr", "é ü.xdf"])
def test_what_can_be_written_passes_and_nothing_is_left_of_the_trial(tmp_path, path):
    (tmp_path / "there.npz").write_bytes(b"as it was")
    (tmp_path / "zarr.zarr").mkdir()
    (tmp_path / "zarr.zarr" / ".zgroup").touch()
    before = sorted(tmp_path.rglob("*"))
    check_writable(tmp_path / path)
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "there.npz").read_bytes() == b"as it was"


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("folder.nwb", "a folder is there"),
        ("file.txt/x.nwb", "is no folder"),
        ("folder.zarr", "no Zarr folder"),
        ("file.zarr", "no Zarr folder"),
        ("x" * 300 + ".nwb", "too long"),
        ("x" * 248 + ".nwb", "too long"),
        ("pipe.nwb", "no file"),
    ],
)
def test_what_can_not_be_written_is_said_with_its_reason(tmp_path, path, why):
    for folder in ("folder.nwb", "folder.zarr"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "somebody's").touch()
    for file in ("file.txt", "file.zarr"):
        (tmp_path / file).touch()
    getattr(os, "mkfifo", Path.mkdir)(tmp_path / "pipe.nwb")
    with pytest.raises(FailureError, match=f"could not write .*{why}"):
        check_writable(tmp_path / path)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="the system has no /proc")
def test_a_folder_that_refuses_is_found_also_by_those_whom_permissions_do_not_stop():
    with pytest.raises(FailureError, match="no file can be made in /proc"):
        check_writable(Path("/proc/x.nwb"))


def test_a_folder_to_write_into_may_be_there_and_a_file_may_not(tmp_path):
    check_writable(tmp_path, folder=True)
    check_writable(tmp_path / "a" / "b", folder=True)
    (tmp_path / "file").touch()
    with pytest.raises(FailureError, match="a file is there"):
        check_writable(tmp_path / "file", folder=True)
