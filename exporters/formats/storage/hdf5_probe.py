"""A program that looks through an HDF5 file, so that a damaged one crashes or hangs this process and no other.

`python -P hdf5_probe.py FILE` prints a dot for each group and array, and OK at the end; LARGE where HDF5 took far
more memory than the file can need, or EXTERNAL where the file refers to others. It imports nothing of ours.
"""

import contextlib
import sys
from pathlib import Path

import h5py
import numpy as np

__all__ = ["look_at", "refers_to_others"]

SMALL = 2**22  # bytes of an array that is read whole
ALL = 2**28  # bytes that are read in all
LARGEST_RATIO = 1100  # of the size of an array to what is stored of it
DEEPEST = 24
MOST = 20_000  # groups and arrays
MOST_MEMORY = 2**28  # beside twice the file and what is read of it
LONGEST_S = 600  # of the processor, should whoever started this be killed while a file is read without end


seen = []


def refers_to_others(file):
    """Return whether a link leads to another file, or an array has values in one; of every group, however many."""
    groups, seen_at = [file], set()
    while groups:
        group = groups.pop()
        for name in list(group):
            print(".", flush=True)
            link = attempted(lambda group=group, name=name: group.get(name, getlink=True))
            if isinstance(link, h5py.ExternalLink):
                return True
            if not isinstance(link, h5py.HardLink):  # a soft one leads to a place that is looked at itself
                continue
            below = attempted(lambda group=group, name=name: group[name])
            if isinstance(below, h5py.Dataset) and has_values_elsewhere(below):
                return True
            if isinstance(below, h5py.Group) and (at := h5py.h5o.get_info(below.id).addr) not in seen_at:
                seen_at.add(at)
                groups.append(below)
    return False


def has_values_elsewhere(array):
    """Return whether values of an array lie in other files, as raw data or as arrays of which it is made."""
    made = array.id.get_create_plist()
    if made.get_layout() == h5py.h5d.VIRTUAL:
        return any(made.get_virtual_filename(source) != "." for source in range(made.get_virtual_count()))
    return made.get_external_count() > 0


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
        if refers_to_others(file):
            print("EXTERNAL", flush=True)
            sys.exit()
        unread = look_at(file, ALL)
    too_much = most_memory() - before > MOST_MEMORY + 2 * Path(sys.argv[1]).stat().st_size + ALL - unread
    print("LARGE" if too_much else "OK", flush=True)
