"""A file that is there once it is whole, or not at all."""

import os
import re
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from spikeloop.models.errors import BadInputError, FailureError

__all__ = ["clear_stale", "file_path", "scratch_of", "whole_file"]

HOST = re.sub(r"[^\w.]", "_", socket.gethostname())[:40]  # of several machines that share a disk


def file_path(option: str, path: Any, suffix: str) -> Path:
    """Return the path of a file to write; BadInputError where it is none, or does not end in the suffix."""
    if not isinstance(path, str | Path) or "\0" in str(path) or Path(path).suffix != suffix:
        raise BadInputError(f"{option}: expected a file ending in {suffix}, found {path!r:.80}")
    return Path(path)


def scratch_of(path: Path) -> Path:
    """Return where a file is written before it takes its place."""
    return path.with_name(f".{path.name}.{HOST}-{os.getpid()}.part")


def clear_stale(path: Path) -> None:
    """Remove what processes of this machine that were killed while they wrote this file left of it."""
    ours = re.compile(re.escape(f".{path.name}.{HOST}-") + r"(\d+)\.part")
    with suppress(OSError):
        for entry in path.parent.iterdir():
            found = ours.fullmatch(entry.name)
            if found is not None and not _runs(int(found[1])):
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def _runs(process: int) -> bool:
    """Whether a process runs, as far as that can be known."""
    if sys.platform == "win32":  # where asking would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # another user's, or none that can be
        return True
    return True


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that takes its place when the block ends without an error.

    Parameters
    ----------
    path : pathlib.Path
        Its folder is made where there is none.

    Yields
    ------
    binary file, to write to

    Raises
    ------
    FailureError
        If the disk refuses; where there can be no such file, at once.
    """
    scratch = scratch_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        clear_stale(path)
        with scratch.open("wb") as file:
            yield file
        os.replace(scratch, path)
    except OSError as error:
        raise FailureError(
            f"could not write {path} ({error}); nothing was left there half-written: free some space, or choose"
            " another place"
        ) from error
    finally:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)
