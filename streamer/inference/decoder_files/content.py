"""What lies on the disk: a decoder's file, and files beside it."""

import io
import zipfile
from pathlib import Path

from spikeloop.models.errors import BadInputError

__all__ = ["entries_of", "read_content"]

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


def entries_of(content: bytes) -> list[str]:
    """Return the names of an archive's entries; none of something else.

    Entries are never unpacked to more than the archive's directory says, as Python's zipfile stops there, so that what
    the directory says in all is what they can grow to.

    Raises
    ------
    BadInputError
        If they are larger, unpacked, than a decoder's file may be.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return []
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > LARGEST_FILE:
        raise BadInputError(
            f"expected at most {LARGEST_FILE >> 20} MiB of weights, found an archive of {-(-unpacked >> 20)} MiB,"
            " unpacked; what decodes within a bin is smaller"
        )
    return [entry.filename for entry in entries]
