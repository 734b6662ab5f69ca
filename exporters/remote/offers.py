"""What can be pulled: the bundles of an owner on the Hugging Face hub, or those of an index on a web server."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from spikeloop.exporters.addresses import HubAddress, parse_address, pull_command
from spikeloop.exporters.documents import parsed_json, printable
from spikeloop.exporters.remote.hub import hub_models
from spikeloop.exporters.remote.web import fetch_small
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.scalars import shown

__all__ = ["Offer", "remote_bundles"]

OWNER = re.compile(r"hf:([A-Za-z0-9][A-Za-z0-9._-]{0,95})", re.ASCII)
SHA256 = re.compile(r"[0-9a-f]{64}")
LONGEST = 300
MOST = 1000
FORM = '{"bundles": [{"address": ..., "sha256": ..., "description": ...}]}'


@dataclass(frozen=True)
class Offer:
    """A bundle that can be pulled.

    Attributes
    ----------
    address : str
    sha256 : str
        As of `pull`; empty where it is not stated.
    description : str
    """

    address: str
    sha256: str = ""
    description: str = ""

    @property
    def command(self) -> str:
        """The command that pulls it."""
        return pull_command(parse_address(self.address), self.sha256)


def remote_bundles(source: str) -> tuple[Offer, ...]:
    """List what can be pulled.

    Parameters
    ----------
    source : str
        `hf:OWNER`, of whom the repositories are listed that `push` made; or the `https:` address of an index, a file
        `{"bundles": [{"address": "https://HOST/mine.zip", "sha256": "...", "description": "..."}]}`, in which an
        address may be relative to that of the index.

    Returns
    -------
    tuple of Offer

    Raises
    ------
    BadInputError
        If the source is neither, or not such an index.
    FailureError
        If the network refuses, or the extra `hub` is not installed.
    """
    if not isinstance(source, str):
        raise BadInputError(f"--remote: expected hf:OWNER or the https: address of an index, found {shown(source)}")
    if found := OWNER.fullmatch(source):
        return tuple(_offer_of(model) for model in hub_models(found[1]))
    if not source.startswith(("https:", "http:")):
        raise BadInputError(f"--remote: expected hf:OWNER or the https: address of an index, found {source!r:.100}")
    content = fetch_small(source)
    if content is None:
        raise FailureError(f"{source}: the server answered 404 Not Found; check the address")
    return tuple(_parse_index(source, parsed_json(content)))


def _offer_of(model: dict[str, Any]) -> Offer:
    owner, _, name = str(model["id"]).partition("/")
    words = f"commit {str(model['sha'])[:12]}" if model["sha"] else ""
    return Offer(str(HubAddress(owner, name)), "", words + (", private" if model["private"] else ""))


def _parse_index(source: str, index: Any) -> Iterator[Offer]:
    entries = index.get("bundles") if isinstance(index, dict) else None
    if not isinstance(entries, list) or len(entries) > MOST:
        raise BadInputError(f"{source}: expected an index of bundles, {FORM}, found something else")
    for entry in entries:
        stated = entry if isinstance(entry, dict) else {}
        address, sha256 = stated.get("address"), stated.get("sha256", "")
        if not isinstance(address, str) or not isinstance(sha256, str) or (sha256 and not SHA256.fullmatch(sha256)):
            raise BadInputError(f"{source}: expected bundles such as {FORM}, found {entry!r:.100}")
        whole = address if address.startswith("hf:") else urljoin(source, address)
        yield Offer(str(parse_address(whole)), sha256, printable(str(stated.get("description") or ""))[:LONGEST])
