"""The date of all programs, which can jump: libfaketime changes what they read, and leaves monotonic clocks alone."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Self

__all__ = ["Calendar"]

PLACES = ("usr/lib/*/faketime", "usr/lib/faketime", "usr/local/lib/faketime")
LIBRARY = "libfaketimeMT.so.1"
REAL_SLEEP = Path(__file__).parent / "real_sleep.c"
READ_EVERY_S = 1
SLEEPS = "import time; time.sleep(0.01)"


class Calendar:
    """The date that programs of its environment have, from entering to leaving the context.

    Parameters
    ----------
    folder : pathlib.Path
        For the file with the offset from the machine's date.

    Attributes
    ----------
    why_not : str
        Why the date can't be changed here; empty where it can.
    environment : dict of str
        Of programs whose date it is.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._file = folder, folder / "date"
        self.why_not = ""
        self.environment: dict[str, str] = {}

    def __enter__(self) -> Self:
        self.set(0.0)
        found = [path for place in PLACES for path in Path("/").glob(f"{place}/{LIBRARY}")]
        if not found:
            self.why_not = "libfaketime is not installed"
        elif _sleeps(environment := self._environment(str(found[0]))):
            self.environment = environment
        elif (real_sleep := self._real_sleep()) is not None:
            self.environment = self._environment(f"{real_sleep}:{found[0]}")
        else:
            self.why_not = "Python can't sleep with this libfaketime (its issue 426), and no compiler is installed"
        return self

    def __exit__(self, *error: object) -> None:
        self.set(0.0)

    def set(self, offset_s: float) -> None:
        """Have the date differ from the machine's by so much."""
        self._file.write_text(f"{offset_s:+.3f}\n")

    def _environment(self, libraries: str) -> dict[str, str]:
        return {
            "LD_PRELOAD": libraries,
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": str(READ_EVERY_S),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def _real_sleep(self) -> Path | None:
        """Compile what mends the sleep of libfaketime."""
        compiler, made = shutil.which("cc"), self._folder / "real_sleep.so"
        if compiler is None:
            return None
        command = [compiler, "-shared", "-fPIC", "-o", str(made), str(REAL_SLEEP)]
        return made if subprocess.run(command, capture_output=True, check=False).returncode == 0 else None


def _sleeps(environment: dict[str, str]) -> bool:
    """Whether Python sleeps in this environment."""
    command = [sys.executable, "-c", SLEEPS]
    return not subprocess.run(command, capture_output=True, check=False, env=os.environ | environment).returncode
