"""Worker processes end with whoever started them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

WORK = """
import os, time
from pathlib import Path

def work(text):
    Path(text).write_text(str(os.getpid()))
    while True:
        time.sleep(0.02)
"""
PROGRAM = """
import signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell starts what runs in the background
sys.path.insert(0, sys.argv[1])
import slow_work
from spikeloop.streamer.batch.engine import Task
from spikeloop.streamer.batch.processes import ProcessEngine
list(ProcessEngine(1).run(slow_work.work, [Task(0, "", "", sys.argv[2])]))
"""


def runs(process: int) -> bool:
    """Whether a process is there, and not only waits for its parent to know of its end."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")
def test_a_worker_ends_when_whoever_started_it_is_killed(tmp_path):
    (tmp_path / "slow_work.py").write_text(WORK)
    started = tmp_path / "process"
    program = subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path), str(started)])
    while not (started.exists() and started.read_text()):
        assert program.poll() is None
        time.sleep(0.02)
    worker = int(started.read_text())
    assert runs(worker)
    os.kill(program.pid, signal.SIGKILL)
    program.wait()
    while runs(worker):  # else pytest ends it
        time.sleep(0.02)
