"""What is allocated as inlets do: what is freed goes back to the system, and threads share a heap."""

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


SCATTERED = """
import ctypes, sys, psutil
from spikeloop.streamer.lsl.heaps import return_free_pages

process, size, number = psutil.Process(), 2**15, 1000
library = ctypes.CDLL(None)
library.malloc.restype, library.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
before = process.memory_info().rss
blocks = []
for _ in range(number):
    block, small = library.malloc(size), library.malloc(2**11)  # of which the small one is kept
    ctypes.memset(block, 1, size)
    blocks.append(block)
for block in blocks:
    library.free(block)
if "return" in sys.argv:
    return_free_pages()
print((process.memory_info().rss - before) / (number * size))
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


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone is asked")
def test_what_is_free_between_kept_blocks_is_returned():
    def kept_share(*arguments: str) -> float:
        command = [sys.executable, "-c", SCATTERED, *arguments]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert kept_share("return") < 0.5 < kept_share()
