"""Recordings to files, of any format that can be written."""

from pathlib import Path

from spikeloop.exporters.formats.registry import FORMATS, Format
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.scalars import checked_path, shown

__all__ = ["write_recording", "writing_format"]


def write_recording(recording: Recording, path: str | Path) -> None:
    """Write a recording to a file, whole or not at all; `read_recording` reads the same back.

    Parameters
    ----------
    recording : Recording
    path : str or pathlib.Path
        Its suffix says the format, one that can be written; `spikeloop convert --help` lists them.

    Raises
    ------
    BadInputError
        If no format that can be written has this suffix.
    FailureError
        If the disk refuses, or a package is missing.

    Examples
    --------
    >>> import spikeloop
    >>> spikeloop.write_recording(spikeloop.read_recording("m1-sim:10"), "session.npz")
    """
    if not isinstance(recording, Recording):
        raise BadInputError(f"recording: expected a Recording, found {shown(recording)}")
    at = checked_path("path", path)
    writing_format(at).writer().write(recording, at)


def writing_format(path: Path) -> Format:
    """Find the format in which a file of this name is written, and import what it needs.

    Raises the errors of `write_recording`.
    """
    writable = {suffix: found for found in FORMATS if found.writes for suffix in found.suffixes}
    if path.suffix.lower() not in writable:
        raise BadInputError(f"expected a file ending in {', '.join(writable)}, found {path}; choose such a name")
    found = writable[path.suffix.lower()]
    found.writer()
    return found
