"""Bundles published in a repository of the Hugging Face hub."""

import re
from collections.abc import Mapping
from pathlib import Path

from spikeloop.exporters.addresses import HubAddress, parse_address
from spikeloop.exporters.bundle import load_bundle, locate_bundle
from spikeloop.exporters.bundle_files import FILES, read_card, read_files
from spikeloop.exporters.card import CARD
from spikeloop.exporters.remote.hub import COMMIT, commit_files
from spikeloop.exporters.remote.model_card import model_card
from spikeloop.exporters.signatures import SUFFIX
from spikeloop.models.errors import BadInputError
from spikeloop.models.scalars import checked_flag, shown

__all__ = ["push"]

README = "README.md"
SIGNATURE = f"{CARD}{SUFFIX}"
LICENCE = re.compile(r"[a-z0-9][a-z0-9.+-]{1,40}", re.ASCII)


def push(bundle: str | Path, address: str, licence: str = "", public: bool = False) -> str:
    """Publish a bundle in a repository of the Hugging Face hub, with a model card.

    One commit holds the card, the files that it lists, their signature where there is one, and README.md, which is
    written from the card and replaces an earlier one. It needs the extra `hub`, and to be logged in there.

    Parameters
    ----------
    bundle : str or pathlib.Path
        The name of one that comes with the package, or the path of a folder or a `.zip`.
    address : str
        `hf:OWNER/NAME`, or `hf:OWNER/NAME@BRANCH`. Where there is no such repository or branch, it is made.
    licence : str, default none is stated
        Of the model, by the hub's identifiers: "apache-2.0", "cc-by-4.0".
    public : bool, default False
        Whether everybody can see a repository that is made now. One that exists stays as it is.

    Returns
    -------
    str
        Where the commit can be seen.

    Raises
    ------
    BadInputError
        If there is no such bundle, the address is of something else, or this user may not publish there.
    FailureError
        If the network refuses, or the extra `hub` is not installed.

    Examples
    --------
    >>> spikeloop.push("mine.zip", "hf:lab/mine", licence="cc-by-4.0")  # doctest: +SKIP
    'https://huggingface.co/lab/mine/commit/8c1d...'
    """
    to = parse_address(address)
    if not isinstance(to, HubAddress) or COMMIT.fullmatch(to.revision):
        raise BadInputError(f"expected hf:OWNER/NAME or hf:OWNER/NAME@BRANCH to publish at, found {shown(address)}")
    if licence != "" and not (isinstance(licence, str) and LICENCE.fullmatch(licence)):
        raise BadInputError(
            f"--licence (licence): expected an identifier such as apache-2.0 or cc-by-4.0, found {shown(licence)}"
        )
    checked_flag("public", public)
    path = locate_bundle(bundle)
    loaded = load_bundle(path)
    files = _files(path, loaded.card.files)
    files[README] = model_card(loaded, to, licence, signed=SIGNATURE in files).encode()
    obsolete = frozenset({CARD, SIGNATURE, *FILES})
    return commit_files(to, files, obsolete, f"{loaded.card.name}, SHA-256 {loaded.sha256[:12]}", private=not public)


def _files(path: Path, hashes: Mapping[str, str]) -> dict[str, bytes]:
    """Return the files of a bundle as they are, and its signature."""
    if path.is_file() and Path(f"{path}{SUFFIX}").is_file():
        raise BadInputError(
            f"{path}: its signature is of the .zip, while a repository holds the files in it; export the bundle to a"
            " folder, and sign that"
        )
    card = read_card(path)
    assert card is not None  # it was loaded
    signature = path / SIGNATURE
    signed = {SIGNATURE: signature.read_bytes()} if path.is_dir() and signature.is_file() else {}
    return {CARD: card, **read_files(path, hashes), **signed}
