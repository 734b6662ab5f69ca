"""The files of a bundle, in a folder or one `.zip`: read without reaching outside it, written whole or not at all."""

import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from spikeloop.exporters.card import CARD
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.interrupts import hold_interrupts

__all__ = [
    "CRITIC",
    "CRITIC_CHANGES",
    "CRITIC_EFFECTS",
    "FILES",
    "GENERATOR",
    "PARAMETERS",
    "REFERENCE",
    "check_size",
    "read_files",
    "write_files",
]

GENERATOR, CRITIC, PARAMETERS, REFERENCE = "generator.onnx", "critic.onnx", "parameters.npz", "reference.npz"
CRITIC_CHANGES, CRITIC_EFFECTS = "critic_changes.onnx", "critic_effects.onnx"
FILES = (GENERATOR, CRITIC, CRITIC_CHANGES, CRITIC_EFFECTS, PARAMETERS, REFERENCE)
LARGEST_FILE = 2**31  # bytes; an ONNX file can't be larger, and a zip must not fill the memory
LARGEST_CARD = 2**24


def read_files(path: Path) -> dict[str, bytes]:
    """Read the card and the files of a bundle.

    Parameters
    ----------
    path : pathlib.Path
        Of a folder or a `.zip`.

    Returns
    -------
    dict of str to bytes
        What there is of `card.json` and `FILES`; everything else is passed over.

    Raises
    ------
    BadInputError
        If it can't be read, or reaches outside itself.
    """
    return _read_folder(path) if path.is_dir() else _read_zip(path)


def write_files(path: Path, files: Mapping[str, bytes]) -> None:
    """Write files to a folder, or to one file where `path` ends in `.zip`; whole or not at all.

    Raises
    ------
    BadInputError
        If `path` exists and is no bundle, or holds something besides.
    FailureError
        If the disk refuses.
    """
    if os.path.lexists(path) and not _is_bundle(path):
        raise BadInputError(f"{path} exists and is no bundle, or not only one; choose another place")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as scratch:
            fresh = Path(scratch) / "fresh" / path.name
            fresh.parent.mkdir()
            _write_zip(fresh, files) if path.suffix == ".zip" else _write_folder(fresh, files)
            _replace(path, fresh, Path(scratch) / "replaced" / path.name)
    except OSError as error:
        raise FailureError(
            f"could not write {path} ({error}); nothing was left there half-written: free some space, or choose"
            " another place"
        ) from error


def _is_bundle(path: Path) -> bool:
    """Whether this is a bundle and nothing else, so that replacing it loses nothing."""
    if path.is_dir():
        names = {entry.name for entry in path.iterdir()}
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    else:
        return False
    return CARD in names and names <= {CARD, *FILES}


def _replace(path: Path, fresh: Path, replaced: Path) -> None:
    """Replace what may be there by what is fresh; put it back if that fails."""
    with hold_interrupts():
        if not path.is_dir():  # a file is replaced in one move, a folder is not
            os.replace(fresh, path)
            return
        replaced.parent.mkdir()
        os.replace(path, replaced)
        try:
            os.replace(fresh, path)
        except OSError:
            os.replace(replaced, path)
            raise


def _write_folder(path: Path, files: Mapping[str, bytes]) -> None:
    path.mkdir()
    for name, content in files.items():
        (path / name).write_bytes(content)


def _write_zip(path: Path, files: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def _read_folder(path: Path) -> dict[str, bytes]:
    root = path.resolve()
    files = {}
    try:
        for name in (CARD, *FILES):
            entry = path / name
            if not os.path.lexists(entry):
                continue
            if not entry.resolve().is_relative_to(root):
                raise BadInputError(f"{path}: {name} points outside the bundle; refused")
            if not entry.is_file():
                raise BadInputError(f"{path}: {name} is no file; get the bundle again")
            check_size(path, name, entry.stat().st_size)
            files[name] = entry.read_bytes()
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
        raise BadInputError(f"{path}: can't be read ({error})") from error
    return files


def _read_zip(path: Path) -> dict[str, bytes]:
    files = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                name = PurePosixPath(info.filename.replace("\\", "/"))
                if name.is_absolute() or ".." in name.parts or ":" in info.filename:
                    raise BadInputError(f"{path}: {info.filename!r} points outside the bundle; refused")
                if info.filename in (CARD, *FILES):
                    check_size(path, info.filename, info.file_size)
                    files[info.filename] = archive.read(info)
    except BadInputError:
        raise
    except Exception as error:  # zipfile raises a dozen kinds on damaged input
        raise BadInputError(f"{path}: not a readable bundle ({error}); is it complete?") from error
    return files


def check_size(path: Path, name: str, size: int) -> None:
    """Refuse a file that is larger than any of a bundle."""
    limit = LARGEST_CARD if name == CARD else LARGEST_FILE
    if size > limit:
        raise BadInputError(f"{path}: {name} is {size} bytes, expected at most {limit}; refused")
