"""A small disk of one recorder, which can be full: a file system in memory, or a limit on the size of its files."""

import os
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Self

from tests.soak.program import Program

try:
    import resource
except ImportError:  # Windows
    resource = None

__all__ = ["SmallDisk"]

SIZE = 256 * 2**20
BLOCK = b"\0" * 2**16


class SmallDisk:
    """A folder on a disk of its own, from entering to leaving the context.

    Attributes
    ----------
    folder : pathlib.Path
    kind : str
        "tmpfs"; or "RLIMIT_FSIZE" where no file system may be mounted; or empty where neither can be had.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.kind = folder, ""

    def __enter__(self) -> Self:
        self.folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "soak", str(self.folder)]
        with suppress(OSError):
            if subprocess.run(mount, capture_output=True, check=False).returncode == 0:
                self.kind = "tmpfs"
        if not self.kind and hasattr(resource, "prlimit"):
            self.kind = "RLIMIT_FSIZE"
        return self

    def __exit__(self, *error: object) -> None:
        if self.kind == "tmpfs":
            subprocess.run(["umount", "-l", str(self.folder)], capture_output=True, check=False)

    def fill(self, writer: Program) -> None:
        """Leave no room, for the files of this program at least."""
        if self.kind == "tmpfs":
            with (self.folder / "ballast").open("wb", buffering=0) as ballast, suppress(OSError):
                while ballast.write(BLOCK):
                    pass
                while ballast.write(b"\0"):
                    pass
        else:
            assert resource is not None
            largest = max((file.stat().st_size for file in self.folder.iterdir()), default=0)
            _, hard = resource.prlimit(writer.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(writer.pid, resource.RLIMIT_FSIZE, (largest, hard))

    def free(self) -> None:
        """Make room again; a limit ends with the program that had it."""
        with suppress(FileNotFoundError):
            os.remove(self.folder / "ballast")
