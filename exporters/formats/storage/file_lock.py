"""A file that one program writes to, so that no other begins to replace it; the lock ends with the program."""

import errno
import os
from pathlib import Path
from typing import IO, Any

__all__ = ["is_being_written", "open_alone"]

HELD = (errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK)
BEYOND = 2**62  # the byte that is locked where locks keep others from reading, as on Windows


def open_alone(path: Path, replace: bool) -> IO[bytes]:
    """Open an empty file to write to, without a buffer, locked until it is closed.

    Raises
    ------
    OSError
        If it is there and not to be replaced, another program has it open so, or the disk refuses.
    """
    file = path.open("a+b" if replace else "xb", buffering=0)
    try:
        if not _is_locked_for_us(file):
            raise OSError(errno.EBUSY, "another program is writing to it")
        file.truncate(0)
    except OSError:
        file.close()
        raise
    return file


def is_being_written(path: Path) -> bool:
    """Say whether a program has locked the file."""
    try:
        with path.open("r+b") as file:
            return not _is_locked_for_us(file)
    except OSError:  # there is none, or it can't be written to by us
        return False


def _is_locked_for_us(file: IO[Any]) -> bool:
    """Try to lock a file; a disk without locks counts as one where that worked."""
    try:
        _lock(file.fileno())
    except OSError as error:
        return error.errno not in HELD
    return True


def _lock(descriptor: int) -> None:
    try:
        import fcntl
    except ImportError:
        import msvcrt

        windows: Any = msvcrt
        os.lseek(descriptor, BEYOND, os.SEEK_SET)
        try:
            windows.locking(descriptor, windows.LK_NBLCK, 1)
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
