"""How the C library keeps memory in programs that run for days; glibc alone would let it grow for hours."""

import ctypes
from contextlib import suppress

__all__ = ["return_free_pages", "return_large_blocks", "share_one_heap"]

LARGE_BYTES = 6 * 2**20
MMAP_THRESHOLD, TRIM_THRESHOLD, ARENA_MAX = -3, -1, -8  # of mallopt, in glibc's malloc.h


def return_large_blocks() -> None:
    """Have the C library return blocks of 6 MB and more to the system, for the whole process; glibc alone does not.

    Both sides of a connection to an irregular stream have 8 MB of buffer, which LSL allocates in threads. Once a block
    of that size was freed, glibc puts the next ones into the heaps of their threads and keeps them there: 8 MB for each
    of up to eight heaps a core, where connections are made anew.
    """
    _set((MMAP_THRESHOLD, LARGE_BYTES), (TRIM_THRESHOLD, 2 * LARGE_BYTES))  # as glibc by itself has it: twice the other


def share_one_heap() -> None:
    """Have all threads allocate from one heap; for a process that is a command's, before it starts threads.

    LSL starts threads for each connection, and glibc gives threads up to eight heaps a core. Each keeps what it once
    held at most, so that memory grows with every connection until all of them have seen the worst.
    """
    _set((ARENA_MAX, 1))


def return_free_pages() -> None:
    """Have the C library return what is free within its heaps to the system; takes less than a millisecond.

    By itself it returns only the end of a heap, so that small blocks that are kept here and there hold all that was in
    use between them at the worst moment.
    """
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def _set(*values: tuple[int, int]) -> None:
    with suppress(AttributeError, OSError, TypeError):  # of other C libraries, and of Windows
        library = ctypes.CDLL(None)
        for parameter, value in values:
            library.mallopt(parameter, value)
