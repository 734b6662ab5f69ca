"""liblsl's own log lines: kept off the terminal, and sent to the logger `spikeloop.liblsl` where its level asks for it.

liblsl writes its log to the terminal or to a file, and reads which of them once, at the first call of a process. So
where the logger's level is INFO or lower at that time, liblsl writes to a temporary file, which a thread follows; it
then still prints one line, on where its log goes.
"""

import atexit
import logging
import os
import re
import tempfile
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TextIO

__all__ = ["log_config", "log_line"]

QUIET = "[log]\nlevel = -3\n"  # only what is fatal: other failures are raised as well
NOTICES, DETAILS = 0, 3  # liblsl's levels for INFO and DEBUG
LOOK_EVERY_S = 0.2
LINE = re.compile(r"\]\s+\S+:\d+\s+(?P<level>FATL|ERR|WARN|INFO|\d+)\| (?P<message>.*)")  # loguru's format
LEVELS = {"FATL": logging.CRITICAL, "ERR": logging.ERROR, "WARN": logging.WARNING, "INFO": logging.INFO}

logger = logging.getLogger("spikeloop.liblsl")


@cache
def log_config() -> str:
    """Return the section `log` of liblsl's configuration, and follow its file where there is one."""
    if not logger.isEnabledFor(logging.INFO):
        return QUIET
    descriptor, path = tempfile.mkstemp(prefix="spikeloop-liblsl-", suffix=".log")
    follower = _Follower(Path(path), os.fdopen(descriptor, encoding="utf-8", errors="replace"))
    atexit.register(follower.close)
    follower.start()
    return f"[log]\nlevel = {DETAILS if logger.isEnabledFor(logging.DEBUG) else NOTICES}\nfile = {path}\n"


def log_line(line: str) -> None:
    """Log a line that liblsl wrote, at its level; what is no message, such as the head of the file, is left out."""
    if (found := LINE.search(line)) is not None:
        logger.log(LEVELS.get(found["level"], logging.DEBUG), "%s", found["message"])


class _Follower(threading.Thread):
    """Logs what is added to a file, until it is closed; then the file is removed."""

    def __init__(self, path: Path, file: TextIO) -> None:
        super().__init__(name="spikeloop-liblsl-log", daemon=True)
        self._path, self._file, self._closing = path, file, threading.Event()

    def run(self) -> None:
        part = ""
        while True:
            closing = self._closing.wait(LOOK_EVERY_S)
            *lines, part = (part + self._file.read()).split("\n")
            for line in lines:
                log_line(line)
            if closing:
                return

    def close(self) -> None:
        """Log what has been written, and remove the file."""
        self._closing.set()
        self.join()
        self._file.close()
        with suppress(OSError):  # on Windows it is still open in liblsl
            self._path.unlink()
