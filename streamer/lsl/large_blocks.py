"""Large blocks of memory go back to the system as soon as they are freed."""

import ctypes
from contextlib import suppress

__all__ = ["return_large_blocks"]

LARGE_BYTES = 4 * 2**20
MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1  # of mallopt, in glibc's malloc.h


def return_large_blocks() -> None:
    """Have the C library return blocks of 4 MB and more to the system, for the whole process; glibc alone does not.

    An inlet of an irregular stream has 8 MB of buffer, which LSL allocates in threads. Once a block of that size was
    freed, glibc puts the next ones into the heaps of their threads and keeps them there: 8 MB for each of up to eight
    heaps a core, where connections are made anew.
    """
    with suppress(AttributeError, OSError, TypeError):  # of other C libraries, and of Windows
        library = ctypes.CDLL(None)
        library.mallopt(MMAP_THRESHOLD, LARGE_BYTES)
        library.mallopt(TRIM_THRESHOLD, 2 * LARGE_BYTES)  # as glibc by itself has it: twice the other
