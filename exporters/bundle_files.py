"""The files of a bundle, in a folder or one `.zip`: read without reaching outside it, written whole or not at all.

What a bundle may take of memory follows from what it takes on the disk, so that a small file can't fill it.
"""

import io
import os
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import IO

from spikeloop.exporters.card import CARD
from spikeloop.models.errors import BadInputError, FailureError, in_one_line
from spikeloop.models.interrupts import hold_interrupts

__all__ = [
    "CRITIC",
    "CRITIC_CHANGES",
    "CRITIC_EFFECTS",
    "CRITIC_WEIGHTS",
    "FILES",
    "GENERATOR",
    "PARAMETERS",
    "REFERENCE",
    "check_size",
    "most_unpacked",
    "read_card",
    "read_files",
    "write_files",
]

GENERATOR, CRITIC, PARAMETERS, REFERENCE = "generator.onnx", "critic.onnx", "parameters.npz", "reference.npz"
CRITIC_CHANGES, CRITIC_EFFECTS = "critic_changes.onnx", "critic_effects.onnx"
CARD_SIGNATURE = f"{CARD}.minisig"
CRITIC_WEIGHTS = "critic_weights.bin"
FILES = (GENERATOR, CRITIC, CRITIC_CHANGES, CRITIC_EFFECTS, CRITIC_WEIGHTS, PARAMETERS, REFERENCE)
LARGEST_FILE = 2**31  # bytes; an ONNX file can't be larger
LARGEST_CARD = 2**24
SMALL, MOST_PER_STORED_BYTE = (
    2**26,
    20,
)  # that may be unpacked of any, and of each byte on the disk; weights pack to half
SEGMENT = 2**20  # that is read at once


def read_card(path: Path, verified: bytes | None = None) -> bytes | None:
    """Read the card of a bundle; None where it has none.

    Parameters
    ----------
    path : pathlib.Path
        Of a folder or a `.zip`.
    verified : bytes, optional
        What its signature covers, read already: of a folder the card, of a `.zip` the whole file.

    Raises
    ------
    BadInputError
        If it can't be read, or the bundle reaches outside itself.
    """
    if verified is not None and path.is_dir():
        return verified
    with _opened(path, verified) as bundle:
        return b"".join(bundle.segments(CARD)) if CARD in bundle.names else None


def read_files(path: Path, hashes: Mapping[str, str], verified: bytes | None = None) -> dict[str, bytes]:
    """Read those files of a bundle that its card lists, and nothing else, hashed as they are read.

    Parameters
    ----------
    path : pathlib.Path
        Of a folder or a `.zip`.
    hashes : mapping of str to str
        The SHA-256 that the card has for each, by name.
    verified : bytes, optional
        As of `read_card`.

    Raises
    ------
    BadInputError
        If one is missing, is no part of a bundle or another than the card says; they are too large; one can't be read,
        or reaches outside the bundle.
    """
    if odd := [name for name in hashes if name not in FILES]:
        raise BadInputError(f"{path}: the card lists {odd[0]!r:.80}, which is no part of a bundle; refused")
    with _opened(path, verified) as bundle:
        if missing := [name for name in hashes if name not in bundle.names]:
            raise BadInputError(f"{path}: {missing[0]} is missing; get the bundle again")
        for name in hashes:
            check_size(path, name, bundle.names[name])
        _check_sum(path, sum(bundle.names[name] for name in hashes))
        return {name: _verified(bundle, name, expected) for name, expected in hashes.items()}


def most_unpacked(path: Path) -> int:
    """Return how many bytes a bundle may unpack to, by what it takes on the disk."""
    files = [path / name for name in (CARD, *FILES)] if path.is_dir() else [path]
    return SMALL + MOST_PER_STORED_BYTE * sum(file.stat().st_size for file in files if file.is_file())


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
    return CARD in names and names <= {CARD, CARD_SIGNATURE, *FILES}


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


class _Folder:
    """The files of a bundle in a folder: their sizes by name, and what is in them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names: dict[str, int] = {}
        root = path.resolve()
        for name in (CARD, *FILES):
            entry = path / name
            if not os.path.lexists(entry):
                continue
            if not entry.resolve().is_relative_to(root):
                raise BadInputError(f"{path}: {name} points outside the bundle; refused")
            if not entry.is_file():
                raise BadInputError(f"{path}: {name} is no file; get the bundle again")
            self.names[name] = entry.stat().st_size

    def segments(self, name: str) -> Iterator[bytes]:
        """Yield what is in a file, part by part."""
        check_size(self.path, name, self.names[name])
        with (self.path / name).open("rb") as file:
            yield from _segments(file)


class _Zip:
    """The same in one `.zip`."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path, self._archive = path, archive
        self.names: dict[str, int] = {}
        for info in archive.infolist():
            name = PurePosixPath(info.filename.replace("\\", "/"))
            if name.is_absolute() or ".." in name.parts or ":" in info.filename:
                raise BadInputError(f"{path}: {info.filename!r:.80} points outside the bundle; refused")
            if info.filename in (CARD, *FILES):
                self.names[info.filename] = info.file_size  # of which no more is ever unpacked

    def segments(self, name: str) -> Iterator[bytes]:
        """Yield what is in a file, part by part."""
        check_size(self.path, name, self.names[name])
        with self._archive.open(name) as file:
            yield from _segments(file)


@contextmanager
def _opened(path: Path, verified: bytes | None = None) -> Iterator[_Folder | _Zip]:
    """Open a bundle; what goes wrong while it is read becomes a sentence."""
    if path.is_dir():
        try:
            yield _Folder(path)
        except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
            raise BadInputError(f"{path}: can't be read ({error})") from error
        return
    try:
        with zipfile.ZipFile(path if verified is None else io.BytesIO(verified)) as archive:
            yield _Zip(path, archive)
    except BadInputError:
        raise
    except Exception as error:  # zipfile raises a dozen kinds on damaged input
        raise BadInputError(f"{path}: not a readable bundle ({in_one_line(error)}); is it complete?") from error


def _segments(file: IO[bytes]) -> Iterator[bytes]:
    while segment := file.read(SEGMENT):
        yield segment


def _verified(bundle: _Folder | _Zip, name: str, expected: str) -> bytes:
    """Read a file; BadInputError where it is not the one whose hash the card has."""
    digest, parts = sha256(), []
    for segment in bundle.segments(name):
        digest.update(segment)
        parts.append(segment)
    if digest.hexdigest() != expected:
        raise BadInputError(
            f"{bundle.path}: {name} is corrupt or was altered (SHA-256 {digest.hexdigest()[:12]}..., the card says"
            f" {expected[:12]!r}...); get the bundle again"
        )
    return b"".join(parts)


def _check_sum(path: Path, unpacked: int) -> None:
    """Refuse a bundle that would unpack to far more than it takes on the disk, as no weights do."""
    if unpacked > (most := most_unpacked(path)):
        raise BadInputError(
            f"{path}: unpacks to {unpacked >> 20} MiB, expected at most {most >> 20} MiB of a file of its size; refused"
        )


def check_size(path: Path, name: str, size: int, limit: int = LARGEST_FILE) -> None:
    """Refuse a file that is larger than any of a bundle."""
    limit = LARGEST_CARD if name == CARD else limit
    if size > limit:
        raise BadInputError(f"{path}: {name} is {size} bytes, expected at most {limit}; refused")
