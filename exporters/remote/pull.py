"""Bundles pulled from the network into the cache, where commands and functions find them by their address."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spikeloop.exporters.addresses import HubAddress, WebAddress, parse_address, pull_command
from spikeloop.exporters.bundle import load_bundle, load_unsigned, signature_required
from spikeloop.exporters.bundle_files import FILES, check_size
from spikeloop.exporters.card import CARD, parse_card
from spikeloop.exporters.pulled_bundles import content_folder, filled_folder, remember_pulled
from spikeloop.exporters.remote.hub import COMMIT, Commit, fetch_hub_file, find_commit
from spikeloop.exporters.remote.progress import Progress, no_progress
from spikeloop.exporters.remote.web import fetch_file, fetch_small
from spikeloop.exporters.signatures import SUFFIX
from spikeloop.models.errors import BadInputError, SpikeloopError
from spikeloop.models.scalars import shown
from spikeloop.models.whole_file import whole_file

__all__ = ["pull"]

SHA256 = re.compile(r"[0-9a-f]{64}")


def pull(
    address: str,
    sha256: str | None = None,
    require_signature: str | Path | None = None,
    progress: Progress = no_progress,
) -> Path:
    """Pull a bundle from the network into the cache.

    Afterwards its address names it in every function and command, without the network. It is checked as every bundle
    is before it enters the cache: hashes, sizes, signature.

    Parameters
    ----------
    address : str
        A repository of the Hugging Face hub, `hf:OWNER/NAME` or `hf:OWNER/NAME@REVISION` (a branch, tag or commit),
        which needs the extra `hub`; or the `https:` address of a bundle in one `.zip`.
    sha256 : str, optional
        What must come. Of a repository, the SHA-256 of the bundle, which is that of its card; of a `.zip`, which needs
        it, the SHA-256 of the file.
    require_signature : str or pathlib.Path, default the environment variable SPIKELOOP_REQUIRE_SIGNATURE
        As of `load_bundle`.
    progress : callable, default none
        Given the bytes of the current file that have come, and those that it has; 0 where that is not known.

    Returns
    -------
    pathlib.Path
        Where it lies in the cache.

    Raises
    ------
    BadInputError
        If there is no such bundle, it is another than `sha256` says, damaged, or lacks a signature that is required.
    FailureError
        If the network or the disk refuses, or the extra `hub` is not installed.

    Examples
    --------
    >>> spikeloop.pull("hf:lab/retina")  # doctest: +SKIP
    PosixPath('/home/me/.cache/spikeloop/bundles/contents/8c1d.../retina')
    """
    if sha256 is not None and not (isinstance(sha256, str) and SHA256.fullmatch(sha256.lower())):
        raise BadInputError(f"--sha256 (sha256): expected 64 hexadecimal digits, found {shown(sha256)}")
    found, expected = parse_address(address), (sha256 or "").lower()
    if isinstance(found, HubAddress):
        path = _pull_from_hub(found, expected, require_signature, progress)
    else:
        path = _pull_from_web(found, expected, require_signature, progress)
    remember_pulled(found, path)
    return path


def _pull_from_hub(address: HubAddress, expected: str, keys: str | Path | None, progress: Progress) -> Path:
    path = content_folder(address.revision) / address.name
    if not (COMMIT.fullmatch(address.revision) and _is_intact(path)):  # a commit never changes
        commit = find_commit(address)
        path = content_folder(commit.identity) / address.name
        if not _is_intact(path):
            with filled_folder(path.parent) as scratch, _named(scratch / address.name, address):
                _fetch_commit(address, commit, scratch / address.name, progress)
                _check(scratch / address.name, expected, keys)
            return path
    with _named(path, address):
        _check(path, expected, keys)
    return path


def _fetch_commit(address: HubAddress, commit: Commit, folder: Path, progress: Progress) -> None:
    """Fetch the card, then what it lists, and nothing else."""

    def fetch(name: str) -> Path:
        check_size(folder, name, commit.sizes.get(name, 0))
        return fetch_hub_file(address, commit, name, folder, progress)

    folder.mkdir()
    card = parse_card(fetch(CARD).read_bytes(), folder)
    for name in card.files:
        if name not in FILES:
            raise BadInputError(f"{folder}: the card lists {name!r:.80}, which is no part of a bundle; refused")
        fetch(name)
    if (signature := f"{CARD}{SUFFIX}") in commit.sizes:
        fetch(signature)
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # notes of the hub's client


def _check(path: Path, expected: str, keys: str | Path | None) -> None:
    bundle = load_bundle(path, require_signature=keys)
    if expected not in ("", bundle.sha256):
        raise BadInputError(
            f"{path}: expected a bundle of SHA-256 {expected}, found {bundle.sha256}; it was replaced by another one"
        )


def _pull_from_web(address: WebAddress, expected: str, keys: str | Path | None, progress: Progress) -> Path:
    if not expected:
        raise BadInputError(
            f"{address}: expected the SHA-256 of the file, as whoever made the bundle states it:"
            f" {pull_command(address)}"
        )
    path = content_folder(expected) / address.name
    if not _is_intact(path):
        with filled_folder(path.parent) as scratch, _named(scratch / path.name, address):
            fetch_file(address.url, scratch / path.name, expected, progress)
            _fetch_signature(address, scratch / path.name)
            load_bundle(scratch / path.name, require_signature=keys)
        return path
    if signature_required(keys):
        _fetch_signature(address, path)
    with _named(path, address):
        load_bundle(path, require_signature=keys)
    return path


def _fetch_signature(address: WebAddress, path: Path) -> None:
    """Fetch the signature of a file, where the server has one."""
    signature = fetch_small(_beside(address.url))
    if signature is not None:
        with whole_file(Path(f"{path}{SUFFIX}")) as file:
            file.write(signature)


def _beside(url: str) -> str:
    """Return the address of a file's signature."""
    path, mark, query = url.partition("?")
    return f"{path}{SUFFIX}{mark}{query}"


def _is_intact(path: Path) -> bool:
    """Whether the cache holds this bundle, whole; what is damaged is removed."""
    if not path.exists():
        return False
    try:
        load_unsigned(path)
    except SpikeloopError:
        shutil.rmtree(path.parent, ignore_errors=True)
        return False
    return True


@contextmanager
def _named(path: Path, address: HubAddress | WebAddress) -> Iterator[None]:
    """Name the bundle in messages by its address, and not by its place in the cache."""
    try:
        yield
    except SpikeloopError as error:
        raise type(error)(str(error).replace(str(path), str(address))) from error
