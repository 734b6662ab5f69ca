"""Whether a file can be written, before the work that it is for."""

from collections.abc import Iterator
from pathlib import Path

from spikeloop.models.errors import FailureError
from spikeloop.models.whole_file import scratch_of

__all__ = ["check_writable", "is_zarr_folder"]

ZARR = (".zgroup", ".zarray", "zarr.json")


def check_writable(path: Path, *, folder: bool = False) -> None:
    """Raise FailureError where no file can be written at a path; the folders above it need not exist.

    Parameters
    ----------
    path : pathlib.Path
        Of a file; of a Zarr folder, where it ends in .zarr.
    folder : bool
        Whether it is a folder that may be there already, in which files are to be written.
    """
    try:
        reason = _in_the_way(path, folder) or _refusal(path, folder)
    except OSError as error:  # a folder that may not be looked into, or a name that no disk can hold
        reason = error.strerror or str(error)
    if reason:
        raise FailureError(f"could not write {path} ({reason}); choose another place")


def is_zarr_folder(path: Path) -> bool:
    """Say whether there is a Zarr folder."""
    return any((path / name).exists() for name in ZARR)


def _in_the_way(path: Path, folder: bool) -> str:
    """Say what is there that can't be replaced; nothing where there is no such thing."""
    if not path.exists():
        return ""
    if folder:
        return "" if path.is_dir() else "a file is there"
    if path.suffix.lower() == ".zarr":
        return "" if is_zarr_folder(path) else "what is there is no Zarr folder"
    if path.is_file():
        return ""
    return "a folder is there" if path.is_dir() else "what is there is no file"


def _refusal(path: Path, folder: bool) -> str:
    """Try to write beside the path, or in the nearest folder that there is above it; say why that fails."""
    nearest = next(place for place in _from(path, folder) if place.exists())
    if not nearest.is_dir():
        return f"{nearest} is no folder"
    trial = scratch_of(nearest / path.name)
    try:
        trial.open("xb").close()
    except OSError as error:
        return f"no file can be made in {nearest}: {error.strerror or error}"
    trial.unlink()
    return ""


def _from(path: Path, folder: bool) -> Iterator[Path]:
    """Yield the folders in which it can be tried, the nearest first."""
    whole = path.absolute()
    yield from (whole, *whole.parents) if folder else whole.parents
