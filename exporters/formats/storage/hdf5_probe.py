"""A program that looks through an HDF5 file, so that a damaged one crashes or hangs this process and no other.

`python -P hdf5_probe.py FILE` prints a dot for each group and array, and OK at the end, or LARGE where HDF5 took far
more memory than the file can need. It imports nothing of ours.
"""

import contextlib
import sys
from pathlib import Path

import h5py
import numpy as np

__all__ = ["look_at"]

SMALL = 2**22  # bytes of an array that is read whole
ALL = 2**28  # bytes that are read in all
LARGEST_RATIO = 1100  # of the size of an array to what is stored of it
DEEPEST = 24
MOST = 20_000  # groups and arrays
MOST_MEMORY = 2**28  # beside twice the file and what is read of it
LONGEST_S = 600  # of the processor, should whoever started this be killed while a file is read without end


seen = []


def look_at(node, budget, depth=0):
    """Read a node's attributes, and what is below it; return the bytes that may still be read."""
    print(".", flush=True)
    seen.append(None)
    for name in attempted(lambda: list(node.attrs)) or ():
        attempted(lambda name=name: node.attrs[name])
    if isinstance(node, h5py.Dataset):
        return budget - (attempted(lambda: read_some(node, budget)) or 0)
    if isinstance(node, h5py.Group) and depth < DEEPEST and len(seen) < MOST:
        for name in attempted(lambda: list(node)) or ():
            below = attempted(lambda name=name: node[name])
            if below is not None:
                budget = look_at(below, budget, depth + 1)
    return budget


def attempted(work):
    """Return what it gives; None where HDF5 refuses."""
    try:
        return work()
    except Exception:
        return None


def read_some(array, budget):
    """Read an array whole where it is small, or else its ends; return the bytes that were read."""
    size = float(np.prod(array.shape or (1,), dtype=float)) * array.dtype.itemsize
    chunk = float(np.prod(array.chunks or (1,), dtype=float)) * array.dtype.itemsize
    if max(size, chunk) > max(2**26, LARGEST_RATIO * array.id.get_storage_size()):
        return 0  # the reader refuses it
    if size <= min(SMALL, budget):
        np.asarray(array[()])
        return int(size)
    if not (array.shape and array.shape[0]):
        return 0
    for row in (0, array.shape[0] - 1):
        np.asarray(array[row : row + 1])
    return int(2 * max(size / array.shape[0], chunk))


def most_memory():
    """Return the most bytes of memory that this process has had; 0 where the system doesn't say."""
    with contextlib.suppress(OSError, IndexError):
        return 1024 * int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
    return 0


def limit_time():
    """End this process some time, where the system can do that."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (LONGEST_S, LONGEST_S))


if __name__ == "__main__":
    limit_time()
    print(".", flush=True)  # the libraries are loaded
    before = most_memory()
    with h5py.File(sys.argv[1], "r") as file:
        unread = look_at(file, ALL)
    too_much = most_memory() - before > MOST_MEMORY + 2 * Path(sys.argv[1]).stat().st_size + ALL - unread
    print("LARGE" if too_much else "OK", flush=True)
