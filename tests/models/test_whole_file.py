"""Files that are there whole or not at all, also after a kill."""

import os
import subprocess
import sys

import pytest

from spikeloop.models.whole_file import scratch_of, whole_file

WRITES = """
import os, signal, sys
from pathlib import Path
from spikeloop.models.whole_file import whole_file
with whole_file(Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")


def test_what_a_killed_process_left_is_removed_by_the_next_that_writes_there(tmp_path):
    path = tmp_path / "spikes.npz"
    subprocess.run([sys.executable, "-c", WRITES, path], check=False)
    assert len(list(tmp_path.iterdir())) == 1
    with whole_file(path) as file:
        file.write(b"whole")
    assert [entry.name for entry in tmp_path.iterdir()] == ["spikes.npz"]
    assert path.read_bytes() == b"whole"


def test_what_others_write_or_wrote_elsewhere_stays(tmp_path):
    path, gone = tmp_path / "spikes.npz", str(2**22 + 1)  # a number that no process has
    kept = [
        scratch_of(path).name.replace(str(os.getpid()), str(os.getppid())),  # of a process that runs
        scratch_of(tmp_path / "other.npz").name.replace(str(os.getpid()), gone),
        f".spikes.npz.another_machine-{gone}.part",
        f".spikes.npz.{gone}.part",
        "spikes.npz.part",
    ]
    for name in kept:
        (tmp_path / name).write_bytes(b"half")
    with whole_file(path):
        pass
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted([*kept, "spikes.npz"])
