"""Damaged HDF5 files are found out in a process of their own: the library can crash on them, or never end."""

import queue
import subprocess
import sys
import threading
from functools import lru_cache
from pathlib import Path
from typing import IO

from spikeloop.models.errors import BadInputError

__all__ = ["require_sound"]

PROBE = Path(__file__).with_name("hdf5_probe.py")
SILENT_S = 5.0  # between two groups or arrays, after which a file is taken for one whose reading never ends
LOADING_S = 60.0  # until the libraries are loaded, on a busy machine
REFERS = "refers to other files"
SIGNATURE = b"\x89HDF\r\n\x1a\n"
HEADERS = (0, 512, 1024, 2048)  # where that may stand


def require_sound(path: Path) -> None:
    """Make sure that an HDF5 file can be looked through, which takes half a second, once for each file.

    Raises
    ------
    BadInputError
        If it is no HDF5 file, HDF5 crashes on it, its reading never ends, or takes far more memory than its size, or
        it refers to other files: whoever made it would choose which of this machine's are read.
    """
    try:
        state = path.stat()
        with path.open("rb") as file:
            start = file.read(HEADERS[-1] + len(SIGNATURE))
    except OSError as error:
        raise BadInputError(f"{path}: not a readable file ({error.strerror})") from error
    if not any(start[at : at + len(SIGNATURE)] == SIGNATURE for at in HEADERS):
        raise BadInputError(f"{path}: expected an HDF5 file, found another kind, or the beginning is damaged")
    result = _probed(str(path.resolve()), state.st_mtime_ns, state.st_size)
    if result == REFERS:
        raise BadInputError(f"{path}: it refers to other files; copy what it needs into one file")
    if result:
        raise BadInputError(f"{path}: not a readable HDF5 file ({result}); is it complete?")


@lru_cache(maxsize=64)
def _probed(path: str, _changed_ns: int, _size: int) -> str:
    """Look through a file; return what is wrong, or nothing."""
    try:
        probe = subprocess.Popen(
            [sys.executable, "-P", str(PROBE), path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    except OSError:  # no program can be started here: the file is read as it is
        return ""
    lines: queue.Queue[bytes] = queue.Queue()
    assert probe.stdout is not None
    threading.Thread(target=_pass_on, args=(probe.stdout, lines), daemon=True).start()
    try:
        line, wait_s = b".", LOADING_S
        while line.strip() == b".":
            line, wait_s = lines.get(timeout=wait_s), SILENT_S
    except queue.Empty:
        return "reading it does not end"
    finally:
        probe.kill()
        code = probe.wait()
    if line.strip() == b"OK":
        return ""
    if line.strip() == b"EXTERNAL":
        return REFERS
    if line.strip() == b"LARGE":
        return "HDF5 takes far more memory than its size"
    return "HDF5 crashes on it" if code < 0 and line == b"" else "HDF5 can't open it"


def _pass_on(stream: IO[bytes], lines: "queue.Queue[bytes]") -> None:
    with stream:
        for line in stream:
            lines.put(line)
    lines.put(b"")
