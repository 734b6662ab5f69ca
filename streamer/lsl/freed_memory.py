"""Give memory that was freed back to the system, which the C library otherwise keeps, piece by piece, for later."""

import ctypes
from contextlib import suppress

__all__ = ["return_freed_memory"]


def return_freed_memory() -> None:
    """Give back what was freed; nothing happens where the C library is not glibc.

    An inlet of an irregular stream has 8 MB of buffer. Where inlets are opened and closed in threads, glibc keeps freed
    buffers in the heaps of these threads, so that each connection that is made anew would add some to the process.
    """
    with suppress(AttributeError, OSError, TypeError):  # of other C libraries, and of Windows
        ctypes.CDLL(None).malloc_trim(0)
