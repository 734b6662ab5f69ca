"""What threads allocate, as those of inlets do: large blocks go back to the system, and all come from one heap."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys, threading
import numpy as np, psutil
from spikeloop.streamer.lsl.heaps import return_large_blocks, share_one_heap

held, places = [], []

def allocate(together):
    together.wait()
    held.append(np.ones(size, np.uint8))

def allocate_in_threads(number):
    together = threading.Barrier(number)
    threads = [threading.Thread(target=allocate, args=[together]) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    places.extend(block.ctypes.data for block in held)
    held.clear()

size = int(sys.argv[1])
if "return" in sys.argv:
    return_large_blocks()
if "share" in sys.argv:
    share_one_heap()
before = psutil.Process().memory_info().rss
for _ in range(5):
    allocate_in_threads(8)
print(psutil.Process().memory_info().rss - before, len({place // 2**26 for place in places}))
"""


def kept_bytes_and_heaps(size: int, *arguments: str) -> tuple[int, int]:
    command = [sys.executable, "-c", PROGRAM, str(size), *arguments]
    kept_bytes, heaps = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return int(kept_bytes), int(heaps)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone keeps them")
def test_what_threads_freed_is_not_kept():
    assert kept_bytes_and_heaps(2**23, "return")[0] < 2**23 < kept_bytes_and_heaps(2**23)[0]


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone has several")
def test_threads_share_a_heap():
    assert kept_bytes_and_heaps(2**14, "share")[1] <= 2 < kept_bytes_and_heaps(2**14)[1]
