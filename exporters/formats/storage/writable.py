"""Whether a file can be written, before the work that it is for."""

import os
from pathlib import Path

from spikeloop.models.errors import FailureError

__all__ = ["check_writable"]


def check_writable(path: Path) -> None:
    """Raise FailureError where no file can be written at a path; the folders above it need not exist."""
    nearest = next(folder for folder in path.absolute().parents if folder.exists())
    if path.is_dir() or not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise FailureError(f"could not write {path} (a folder, or in none that can be written to); choose another")
