"""The cache of bundles that were pulled from the network: where they lie, and how they are found again.

CACHE/bundles/contents/ID/NAME            a bundle; ID is the commit of a repository, or the SHA-256 of a `.zip`
CACHE/bundles/addresses/HASH.json         which of them an address gave when it was pulled last
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from spikeloop.exporters.addresses import HubAddress, WebAddress, parse_address, pull_command
from spikeloop.exporters.documents import parsed_json
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.interrupts import hold_interrupts
from spikeloop.models.whole_file import clear_stale, scratch_of, whole_file

__all__ = ["CACHE", "cache_folder", "content_folder", "filled_folder", "pulled_bundle", "remember_pulled"]

CACHE = "SPIKELOOP_CACHE"  # the environment variable


def cache_folder() -> Path:
    """Return the folder in which spikeloop keeps what it fetched.

    It is the environment variable SPIKELOOP_CACHE; else `spikeloop` in the system's folder of caches, which on Linux is
    XDG_CACHE_HOME or `~/.cache`.
    """
    import pooch

    return Path(os.environ.get(CACHE) or pooch.os_cache("spikeloop")).expanduser()


def content_folder(identity: str) -> Path:
    """Return the folder of the cache that holds a bundle, by the commit or the SHA-256 that identifies it."""
    return cache_folder() / "bundles" / "contents" / identity


@contextmanager
def filled_folder(folder: Path) -> Iterator[Path]:
    """Open an empty folder that takes its place in the cache when the block ends without an error.

    Where another process was quicker, its folder stays, as somebody may be reading it.

    Parameters
    ----------
    folder : pathlib.Path
        As of `content_folder`.

    Yields
    ------
    pathlib.Path

    Raises
    ------
    FailureError
        If the disk refuses.
    """
    scratch = scratch_of(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        clear_stale(folder)
        scratch.mkdir()
        yield scratch
        with hold_interrupts():
            try:
                os.replace(scratch, folder)
            except OSError:
                if not folder.is_dir():
                    raise
    except OSError as error:
        raise FailureError(
            f"could not write to the cache {folder.parent} ({error}); free some space, or set {CACHE} to another folder"
        ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def remember_pulled(address: HubAddress | WebAddress, bundle: Path) -> None:
    """Keep which bundle of the cache an address gave."""
    entry = {"address": str(address), "bundle": bundle.relative_to(_contents()).as_posix()}
    with whole_file(_entry_of(address)) as file:
        file.write((json.dumps(entry, indent=1) + "\n").encode())


def pulled_bundle(bundle: str) -> Path:
    """Return where the bundle lies that an address gave when it was pulled last.

    Parameters
    ----------
    bundle : str
        As of `parse_address`.

    Raises
    ------
    BadInputError
        If it is no address, or was not pulled; names the command that does.
    """
    address = parse_address(bundle)
    entry = None
    with suppress(OSError):
        entry = parsed_json(_entry_of(address).read_bytes())
    if isinstance(entry, dict) and isinstance(at := entry.get("bundle"), str):
        found = _contents() / at
        if found.exists() and found.resolve().is_relative_to(_contents().resolve()):
            return found
    raise BadInputError(
        f"{address} was not pulled yet, and nothing is fetched from the network by itself: {pull_command(address)}"
    )


def _contents() -> Path:
    return content_folder("x").parent


def _entry_of(address: HubAddress | WebAddress) -> Path:
    return cache_folder() / "bundles" / "addresses" / f"{sha256(str(address).encode()).hexdigest()}.json"
