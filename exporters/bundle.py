"""A bundle: a trained model ready to stream, as a folder or one `.zip`. Read, verified, written.

The card lists the SHA-256 of every other file, so a bundle's own identity is the SHA-256 of its card. Loading
reads the card, then what that lists, into memory, checks it, and runs nothing that it finds there.
"""

import dataclasses
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from spikeloop.exporters.addresses import is_address
from spikeloop.exporters.bundle_arrays import pack_arrays, parse_arrays
from spikeloop.exporters.bundle_files import (
    CRITIC,
    CRITIC_CHANGES,
    CRITIC_EFFECTS,
    CRITIC_WEIGHTS,
    GENERATOR,
    PARAMETERS,
    REFERENCE,
    read_card,
    read_files,
    write_files,
)
from spikeloop.exporters.card import CARD, Card, format_card, parse_card
from spikeloop.exporters.pulled_bundles import pulled_bundle
from spikeloop.exporters.signatures import REQUIRE_SIGNATURE, verified
from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError
from spikeloop.models.families.registry import BASELINES
from spikeloop.models.html import ShownAsTable, Table
from spikeloop.models.measures.table import key_of
from spikeloop.models.scalars import checked_path

__all__ = [
    "Bundle",
    "bundles",
    "load_bundle",
    "load_unsigned",
    "locate_bundle",
    "signature_required",
    "write_bundle",
]

ZOO = "zoo"
EXTERNAL_LOCATION = b"\x0a\x08location"  # protobuf: StringStringEntryProto.key = "location"
CRITIC_GRAPHS = (CRITIC, CRITIC_CHANGES, CRITIC_EFFECTS)
BESIDE_CRITIC = EXTERNAL_LOCATION + b"\x12" + bytes([len(CRITIC_WEIGHTS)]) + CRITIC_WEIGHTS.encode()  # and its value


@dataclass(frozen=True, eq=False, repr=False)
class Bundle(ShownAsTable):
    """A verified bundle in memory.

    Attributes
    ----------
    card : Card
        What the bundle holds, and how it was trained and judged.
    generator, critic : bytes
        ONNX files; empty where the family has none.
    parameters : mapping of str to array
        Of a baseline all its parameters, of a "stream" generator the tensors of its first state.
    reference : mapping of str to array, float64
        Statistics of the training recording, by the keys of the table of statistics.
    sha256 : str
        Of the card, and so of everything.
    critic_changes, critic_effects : bytes
        ONNX files of how the critic answers to rearranged spikes, as of `exporters.graphs.critic`; may be empty.
    critic_weights : bytes
        The weights that these three have in common, which they refer to as `critic_weights.bin`; may be empty.
    """

    card: Card
    generator: bytes
    critic: bytes
    parameters: Mapping[str, np.ndarray]
    reference: Mapping[str, Floats]
    sha256: str
    critic_changes: bytes = b""
    critic_effects: bytes = b""
    critic_weights: bytes = b""

    def to_dict(self) -> dict[str, Any]:
        """Describe the bundle in types that JSON has: its card and its SHA-256."""
        return dataclasses.asdict(self.card) | {"sha256": self.sha256}

    def _table(self) -> Table:
        card = self.card
        length = "without end" if card.kind == "stream" else f"in windows of {card.window_bins} bins"
        rows = {
            "family": card.family,
            "units": len(card.unit_names),
            "bin size": f"{card.bin_size_s * 1000:g} ms",
            "generates": f"{card.signal} {length}",
            "conditions": ", ".join(f"{channel.name} ({channel.unit})" for channel in card.channels) or "none",
            "latency": f"{card.latency_bins} bins",
            "SHA-256": self.sha256,
        }
        return f"Bundle {card.name}", (), rows.items()


def bundles() -> dict[str, Path]:
    """List the bundles that come with the package.

    Returns
    -------
    dict of str to pathlib.Path
        Where each lies, by name.

    Examples
    --------
    >>> import spikeloop
    >>> "retina" in spikeloop.bundles()
    True
    """
    import spikeloop.models

    zoo = Path(spikeloop.models.__path__[0]) / ZOO
    return {path.name: path for path in sorted(zoo.iterdir()) if (path / CARD).is_file()} if zoo.is_dir() else {}


def load_bundle(name_or_path: str | Path, require_signature: str | Path | None = None) -> Bundle:
    """Load a bundle and verify it.

    Parameters
    ----------
    name_or_path : str or pathlib.Path
        The name of one that comes with the package, the path of a folder or a `.zip`, or the address of one that was
        pulled. The network is never used: that is what `pull` is for.
    require_signature : str or pathlib.Path, default the environment variable SPIKELOOP_REQUIRE_SIGNATURE
        Refuse a bundle that none of these keys signed: a public key of minisign ("RW..."), or the path of a file of
        them. Those that come with the package are part of it, and need no signature.

    Returns
    -------
    Bundle

    Raises
    ------
    BadInputError
        If there is none, or it is incomplete, altered, of another format, reaches outside itself, or lacks a
        signature that is required.
    FailureError
        If a signature is required, and the extra `sign` is not installed.

    Examples
    --------
    >>> import spikeloop
    >>> spikeloop.load_bundle("retina").card.bin_size_s
    0.02
    """
    path, keys = locate_bundle(name_or_path), signature_required(require_signature)
    return _load(path, verified(path, keys) if keys and path not in bundles().values() else None)


def load_unsigned(path: str | Path) -> Bundle:
    """Load a bundle that was just written, or is to be signed, whatever signature is required."""
    return _load(locate_bundle(path))


def signature_required(keys: str | Path | None = None) -> str | Path | None:
    """Return the keys that sign what is loaded: those given, or else those of the environment; None where none must."""
    return keys or os.environ.get(REQUIRE_SIGNATURE)


def _load(path: Path, signed: bytes | None = None) -> Bundle:
    stated = read_card(path, signed)
    if stated is None:
        raise BadInputError(f"{path}: no {CARD}; not a spikeloop bundle")
    card = parse_card(stated, path)
    files = read_files(path, card.files, signed)
    _verify(card, files, path)

    def part(name: str) -> bytes:
        return files.get(name, b"")

    return Bundle(
        card=card,
        generator=part(GENERATOR),
        critic=part(CRITIC),
        critic_changes=part(CRITIC_CHANGES),
        critic_effects=part(CRITIC_EFFECTS),
        critic_weights=part(CRITIC_WEIGHTS),
        parameters=parse_arrays(files[PARAMETERS], PARAMETERS, path) if PARAMETERS in card.files else {},
        reference={key_of(name): value for name, value in parse_arrays(files[REFERENCE], REFERENCE, path).items()},
        sha256=sha256(stated).hexdigest(),
    )


def locate_bundle(name_or_path: str | Path) -> Path:
    """Return where a bundle lies, by its name, path or address; BadInputError where there is none."""
    if isinstance(name_or_path, str) and is_address(name_or_path):
        return pulled_bundle(name_or_path)
    path, shipped = checked_path("bundle", name_or_path), bundles()
    if str(path) in shipped:
        return shipped[str(path)]
    try:
        if stat.S_ISDIR(path.stat().st_mode) or stat.S_ISREG(path.stat().st_mode):
            return path
    except (OSError, ValueError):
        pass  # absent, a loop of links, a name too long or with a zero in it
    raise BadInputError(
        f"no bundle named or at {str(path)!r:.200}; shipped ones are {', '.join(shipped) or '(none)'},"
        " others go by the path of a folder or .zip, or by their address once `spikeloop pull` has fetched them"
    )


def _verify(card: Card, files: Mapping[str, bytes], path: Path) -> None:
    """Make sure that the files are all that the card's family needs, and need no others themselves."""
    for name, content in files.items():
        if name.endswith(".onnx"):
            _refuse_external_data(content, name, path)
    needed = {GENERATOR: card.family not in BASELINES, PARAMETERS: card.kind == "stream", REFERENCE: True}
    for name, is_needed in needed.items():
        if is_needed and name not in card.files:
            raise BadInputError(f"{path}: the card does not list {name}; get the bundle again")


def _refuse_external_data(content: bytes, name: str, path: Path) -> None:
    """Refuse an ONNX tensor that names a file as its data, but for the weights of a critic, which are in the bundle.

    A search for the usual encoding, for the sake of a clear message; the engine sees to it that no other
    encoding of it works either.
    """
    allowed = content.count(BESIDE_CRITIC) if name in CRITIC_GRAPHS else 0
    if content.count(EXTERNAL_LOCATION) > allowed:
        raise BadInputError(f"{path}: {name} keeps its weights in another file; refused")


def write_bundle(
    path: Path,
    card: Card,
    generator: bytes,
    critic: bytes,
    reference: Mapping[str, Floats],
    parameters: Mapping[str, np.ndarray] | None = None,
    critic_changes: bytes = b"",
    critic_effects: bytes = b"",
    critic_weights: bytes = b"",
) -> Bundle:
    """Write a bundle to a folder, or to one file where `path` ends in `.zip`; whole or not at all.

    Parameters
    ----------
    path : pathlib.Path
    card : Card
        Its list of files is made here.
    generator, critic, reference, parameters, critic_changes, critic_effects, critic_weights
        As of `Bundle`.

    Returns
    -------
    Bundle
        As read back.

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
        CRITIC_WEIGHTS: critic_weights,
        PARAMETERS: pack_arrays(parameters or {}),
        REFERENCE: pack_arrays(reference),
    }
    files = {name: content for name, content in parts.items() if content}
    card = dataclasses.replace(card, files={name: sha256(content).hexdigest() for name, content in files.items()})
    files[CARD] = format_card(card)
    path = Path(path)
    parse_card(files[CARD], path)  # what could not be read back is not written
    write_files(path, files)
    return load_unsigned(path)
