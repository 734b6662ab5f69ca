"""Large blocks that threads allocate, as inlets do, go back to the system when they are freed."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys, threading
import numpy as np, psutil
from spikeloop.streamer.lsl.large_blocks import return_large_blocks

held = []

def allocate(together):
    together.wait()
    held.append(np.ones(2**23, np.uint8))

def allocate_in_threads(number):
    together = threading.Barrier(number)
    threads = [threading.Thread(target=allocate, args=[together]) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    held.clear()

if "return" in sys.argv:
    return_large_blocks()
before = psutil.Process().memory_info().rss
for _ in range(5):
    allocate_in_threads(8)
print(psutil.Process().memory_info().rss - before)
"""


def kept_bytes(*arguments: str) -> int:
    command = [sys.executable, "-c", PROGRAM, *arguments]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone keeps them")
def test_what_threads_freed_is_not_kept():
    assert kept_bytes("return") < 2**23 < kept_bytes()
