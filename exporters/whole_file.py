"""A file that is there once it is whole, or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from spikeloop.models.errors import FailureError

__all__ = ["whole_file"]


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to, that takes its place at the end.

    Raises
    ------
    FailureError
        If the disk refuses; where there can be no such file, at once.
    """
    scratch = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with scratch.open("wb") as file:
            yield file
        os.replace(scratch, path)
    except OSError as error:
        raise FailureError(f"could not write {path} ({error}); nothing was left there half-written") from error
    finally:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)
