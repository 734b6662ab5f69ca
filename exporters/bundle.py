"""A bundle: a trained model ready to stream, as a folder or one `.zip`. Read, write, verify.

The card lists the SHA-256 of every other file, so a bundle's own identity is the SHA-256 of its card. Loading
reads everything into memory, checks it, and runs nothing that it finds there.
"""

import dataclasses
import io
import os
import stat
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.card import CARD, Card, format_card, parse_card
from spikeloop.models.baselines import BASELINES
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.interrupts import hold_interrupts

__all__ = ["Bundle", "read_bundle", "shipped_bundles", "write_bundle"]

GENERATOR, CRITIC, PARAMETERS, REFERENCE = "generator.onnx", "critic.onnx", "parameters.npz", "reference.npz"
CRITIC_CHANGES, CRITIC_EFFECTS = "critic_changes.onnx", "critic_effects.onnx"
FILES = (GENERATOR, CRITIC, CRITIC_CHANGES, CRITIC_EFFECTS, PARAMETERS, REFERENCE)
LARGEST_FILE = 2**31  # bytes; an ONNX file can't be larger, and a zip must not fill the memory
LARGEST_CARD = 2**24
ZOO = "zoo"


@dataclass(frozen=True, eq=False)
class Bundle:
    """A verified bundle in memory.

    Attributes
    ----------
    generator, critic : ONNX files as bytes; empty where the family has none
    critic_changes, critic_effects : how the critic answers to rearranged spikes, as of `critic_graphs`; may be empty
    parameters : by name, of a baseline all that it is, of a "stream" generator the tensors of its first state
    reference : statistics of the training recording by name
    sha256 : of the card, and so of everything
    """

    card: Card
    generator: bytes
    critic: bytes
    parameters: Mapping[str, np.ndarray]
    reference: Mapping[str, NDArray[np.float64]]
    sha256: str
    critic_changes: bytes = b""
    critic_effects: bytes = b""


def shipped_bundles() -> dict[str, Path]:
    """The bundles that come with the package, by name."""
    import spikeloop.models

    zoo = Path(spikeloop.models.__path__[0]) / ZOO
    return {path.name: path for path in sorted(zoo.iterdir()) if (path / CARD).is_file()} if zoo.is_dir() else {}


def read_bundle(name_or_path: str | Path) -> Bundle:
    """Load a bundle by its name (shipped ones) or path (a folder or a `.zip`), and verify it.

    Raises
    ------
    BadInputError
        If there is none, or it is incomplete, altered, of another format, or reaches outside itself.
    """
    path = _locate(name_or_path)
    files = _read_folder(path) if path.is_dir() else _read_zip(path)
    if CARD not in files:
        raise BadInputError(f"{path}: no {CARD}; not a spikeloop bundle")
    card = parse_card(files[CARD], path)
    for name, expected in card.files.items():
        if name not in FILES:
            raise BadInputError(f"{path}: the card lists {name!r}, which is no part of a bundle; refused")
        if name not in files:
            raise BadInputError(f"{path}: {name} is missing; get the bundle again")
        found = sha256(files[name]).hexdigest()
        if found != expected:
            raise BadInputError(
                f"{path}: {name} is corrupt or was altered (SHA-256 {found[:12]}..., the card says"
                f" {str(expected)[:12]}...); get the bundle again"
            )
    baseline, endless = card.family in BASELINES, card.kind == "stream"
    for name in (*((GENERATOR,) if not baseline else ()), *((PARAMETERS,) if endless else ()), REFERENCE):
        if name not in card.files:
            raise BadInputError(f"{path}: the card does not list {name}; get the bundle again")
    for name in (GENERATOR, CRITIC, CRITIC_CHANGES, CRITIC_EFFECTS):
        _refuse_external_data(card.files, files, name, path)
    return Bundle(
        card=card,
        generator=files[GENERATOR] if GENERATOR in card.files else b"",
        critic=files[CRITIC] if CRITIC in card.files else b"",
        critic_changes=files[CRITIC_CHANGES] if CRITIC_CHANGES in card.files else b"",
        critic_effects=files[CRITIC_EFFECTS] if CRITIC_EFFECTS in card.files else b"",
        parameters=_parse_arrays(files, PARAMETERS, path) if PARAMETERS in card.files else {},
        reference=_parse_arrays(files, REFERENCE, path),
        sha256=sha256(files[CARD]).hexdigest(),
    )


def write_bundle(
    path: Path,
    card: Card,
    generator: bytes,
    critic: bytes,
    reference: Mapping[str, NDArray[np.float64]],
    parameters: Mapping[str, np.ndarray] | None = None,
    critic_changes: bytes = b"",
    critic_effects: bytes = b"",
) -> Bundle:
    """Write a bundle to a folder, or to one file where `path` ends in `.zip`; whole or not at all.

    Returns
    -------
    The bundle as read back.

    Raises
    ------
    BadInputError
        If `path` exists and is no bundle, or holds something besides; or the card can't be streamed.
    FailureError
        If the disk refuses.
    """
    parts = {
        GENERATOR: generator,
        CRITIC: critic,
        CRITIC_CHANGES: critic_changes,
        CRITIC_EFFECTS: critic_effects,
        PARAMETERS: _pack(parameters or {}),
        REFERENCE: _pack(reference),
    }
    files = {name: content for name, content in parts.items() if content}
    card = dataclasses.replace(card, files={name: sha256(content).hexdigest() for name, content in files.items()})
    files[CARD] = format_card(card)
    path = Path(path)
    parse_card(files[CARD], path)  # what could not be read back is not written
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
        raise FailureError(f"could not write {path} ({error}); nothing was left there half-written") from error
    return read_bundle(path)


def _pack(arrays: Mapping[str, np.ndarray]) -> bytes:
    if not arrays:
        return b""
    packed = io.BytesIO()
    np.savez_compressed(packed, allow_pickle=False, **dict(arrays))
    return packed.getvalue()


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
    """Put what is fresh in the place of what may be there, and that back if it fails."""
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


def _locate(name_or_path: str | Path) -> Path:
    shipped = shipped_bundles()
    if str(name_or_path) in shipped:
        return shipped[str(name_or_path)]
    path = Path(name_or_path)
    try:
        if stat.S_ISDIR(path.stat().st_mode) or stat.S_ISREG(path.stat().st_mode):
            return path
    except (OSError, ValueError):
        pass  # absent, a loop of links, a name too long or with a zero in it
    raise BadInputError(
        f"no bundle named or at {str(name_or_path)!r:.200}; shipped ones are {', '.join(shipped) or '(none)'},"
        " others go by the path of a folder or .zip"
    )


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
            _check_size(path, name, entry.stat().st_size)
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
                    _check_size(path, info.filename, info.file_size)
                    files[info.filename] = archive.read(info)
    except BadInputError:
        raise
    except Exception as error:  # zipfile raises a dozen kinds on damaged input
        raise BadInputError(f"{path}: not a readable bundle ({error}); is it complete?") from error
    return files


def _check_size(path: Path, name: str, size: int) -> None:
    limit = LARGEST_CARD if name == CARD else LARGEST_FILE
    if size > limit:
        raise BadInputError(f"{path}: {name} is {size} bytes, expected at most {limit}; refused")


def _refuse_external_data(listed: Mapping[str, str], files: Mapping[str, bytes], name: str, path: Path) -> None:
    """An ONNX tensor may name a file anywhere on the disk as its data; a bundle's never does.

    A search for the usual encoding, for the sake of a clear message; the engine sees to it that no other
    encoding of it works either.
    """
    if name in listed and EXTERNAL_LOCATION in files[name]:
        raise BadInputError(f"{path}: {name} keeps its weights in another file; refused")


EXTERNAL_LOCATION = b"\x0a\x08location"  # protobuf: StringStringEntryProto.key = "location"


def _parse_arrays(files: Mapping[str, bytes], name: str, path: Path) -> dict[str, NDArray[np.float64]]:
    content = files[name]
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            _check_size(path, f"{name}, unpacked,", sum(info.file_size for info in packed.infolist()))
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
        if any(value.dtype.kind not in "fiu" for value in arrays.values()):
            raise BadInputError(f"{path}: {name} holds something other than numbers; refused")
        return arrays
    except BadInputError:
        raise
    except Exception as error:
        raise BadInputError(f"{path}: {name} can't be read ({error}); get the bundle again") from error
