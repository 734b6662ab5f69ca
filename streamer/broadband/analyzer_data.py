"""The data of a SortingAnalyzer's folder, without what would run code as it is loaded.

SpikeInterface keeps beside them how the recording was opened, whose classes it imports and calls, and pickles; whoever
made the folder chooses what those do. Waveforms need neither.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spikeloop.models.errors import BadInputError

__all__ = ["data_of_analyzer"]

KEPT = (  # in the layouts of a binary folder, and of Zarr 2 and 3
    "settings.json", "sparsity_mask*", "sorting/*", "recording_info/*", "extensions/templates/*", ".zgroup", ".zattrs",
    "zarr.json", "extensions/.zgroup", "extensions/.zattrs", "extensions/zarr.json",
)  # fmt: skip
LEFT_OUT = ("properties", "*.pkl", "*.pickle", "provenance*")
ZARR_METADATA = (".zarray", "zarr.json")
PICKLE = '"pickle"', '"numcodecs.pickle"'  # a codec of Zarr


@contextmanager
def data_of_analyzer(folder: Path) -> Iterator[Path]:
    """Copy them to a folder that is there while the context is open.

    Parameters
    ----------
    folder : pathlib.Path

    Yields
    ------
    pathlib.Path

    Raises
    ------
    BadInputError
        If an array of them is pickled, or a file can't be read.
    """
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / folder.name
        copy.mkdir()
        try:
            for pattern in KEPT:
                for found in folder.glob(pattern):
                    _copy(found, copy / found.relative_to(folder))
            _check_codecs(folder, copy)
        except (OSError, UnicodeError) as error:  # of a pipe, of what may not be read, of a full disk
            raise BadInputError(f"--templates {folder}: expected files that can be read ({error})") from error
        yield copy


def _copy(source: Path, target: Path) -> None:
    if any(source.match(pattern) for pattern in LEFT_OUT):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns(*LEFT_OUT), dirs_exist_ok=True)
    else:
        shutil.copyfile(source, target)


def _check_codecs(folder: Path, copy: Path) -> None:
    for name in ZARR_METADATA:
        for described in copy.rglob(name):
            if any(codec in described.read_text() for codec in PICKLE):
                raise BadInputError(
                    f"--templates {folder}: expected numbers, found a pickle in {described.parent.relative_to(copy)},"
                    " which may run anything; save the analyzer as a binary folder"
                )
