"""What lies on the disk: a decoder's file, and files beside it."""

from pathlib import Path

from spikeloop.models.errors import BadInputError

__all__ = ["read_content"]

LARGEST_FILE = 2**28  # bytes; what decodes within a bin is far smaller


def read_content(path: Path) -> bytes:
    """Return the content of a decoder's file.

    Raises
    ------
    BadInputError
        If it is missing, no file, unreadable or too large.
    """
    if not path.is_file():
        raise BadInputError(f"{path}: {'expected a file, found a folder' if path.is_dir() else 'no such file'}")
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise BadInputError(f"{path}: expected a file that can be read, found {error.strerror}; allow it") from error
    if len(content) > LARGEST_FILE:
        raise BadInputError(
            f"{path}: expected at most {LARGEST_FILE >> 20} MiB, found more; what decodes within a bin is smaller"
        )
    return content
