"""Whether there is a file where one is to be read."""

from pathlib import Path

from spikeloop.models.errors import BadInputError

__all__ = ["require_file"]


def require_file(path: Path) -> None:
    """Make sure that there is a file; BadInputError where there is nothing, or a folder."""
    if not path.is_file():
        raise BadInputError(f"{path}: {'expected a file, found a folder' if path.is_dir() else 'no such file'}")
