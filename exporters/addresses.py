"""Addresses of bundles on the network: a repository of the Hugging Face hub, or one `.zip` at an https address."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from spikeloop.models.errors import BadInputError

__all__ = ["HubAddress", "WebAddress", "is_address", "parse_address", "pull_command", "require_safe_url"]

SCHEMES = ("hf:", "https:", "http:")
EXPECTED = "hf:OWNER/NAME, hf:OWNER/NAME@REVISION or https://HOST/.../NAME.zip"
NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?"
HUB = re.compile(rf"hf:({NAME})/({NAME})(?:@([\w./-]{{1,200}}))?", re.ASCII)
THIS_MACHINE = ("127.0.0.1", "localhost", "::1")
MAIN = "main"


@dataclass(frozen=True)
class HubAddress:
    """A repository of the Hugging Face hub.

    Attributes
    ----------
    owner, name : str
    revision : str, default "main"
        A branch, a tag or a commit.
    """

    owner: str
    name: str
    revision: str = MAIN

    @property
    def repository(self) -> str:
        """The repository as the hub calls it."""
        return f"{self.owner}/{self.name}"

    def __str__(self) -> str:
        return f"hf:{self.repository}" + ("" if self.revision == MAIN else f"@{self.revision}")


@dataclass(frozen=True)
class WebAddress:
    """One `.zip` on a web server.

    Attributes
    ----------
    url : str
    """

    url: str

    @property
    def name(self) -> str:
        """The name of the file."""
        return PurePosixPath(unquote(urlsplit(self.url).path)).name

    def __str__(self) -> str:
        return self.url


def is_address(bundle: object) -> bool:
    """Whether what names a bundle is an address on the network."""
    return isinstance(bundle, str) and bundle.startswith(SCHEMES)


def parse_address(text: object) -> HubAddress | WebAddress:
    """Parse the address of a bundle.

    Parameters
    ----------
    text : str
        `hf:OWNER/NAME`, with `@REVISION` for a branch, a tag or a commit; or `https://HOST/.../NAME.zip`. `http:` is
        accepted for this machine only.

    Raises
    ------
    BadInputError
        If it is neither.
    """
    if not isinstance(text, str) or not is_address(text):
        raise BadInputError(f"expected the address of a bundle, {EXPECTED}, found {text!r:.100}")
    if not text.startswith("hf:"):
        return _web_address(text)
    found = HUB.fullmatch(text)
    if found is None or ".." in text:
        raise BadInputError(f"expected hf:OWNER/NAME or hf:OWNER/NAME@REVISION, found {text!r:.100}")
    return HubAddress(found[1], found[2], found[3] or MAIN)


def _web_address(text: str) -> WebAddress:
    require_safe_url(text)
    address = WebAddress(text)
    if not re.fullmatch(r"[\w.-][\w. -]{0,100}\.zip", address.name):
        raise BadInputError(f"expected the address of a bundle in one .zip file, {EXPECTED}, found {text!r:.100}")
    return address


def require_safe_url(url: str) -> None:
    """Raise BadInputError for an address that others on the way could read or alter: no https, on another machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        parts, host = None, None
    if parts is None or not host or not url.isprintable():
        raise BadInputError(f"expected an address such as https://HOST/PATH, found {url!r:.100}")
    if parts.scheme != "https" and not (parts.scheme == "http" and host in THIS_MACHINE):
        raise BadInputError(f"expected an address that begins with https:, found {url!r:.100}")


def pull_command(address: HubAddress | WebAddress, sha256: str = "") -> str:
    """Return the command that pulls a bundle."""
    needed = f" --sha256 {sha256 or 'HASH'}" if isinstance(address, WebAddress) or sha256 else ""
    return f"spikeloop pull {address}{needed}"
