"""Recordings that lie on a server, of which only the parts that are needed are fetched."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.packages import require_packages
from spikeloop.models.scalars import checked_path

__all__ = ["DANDI_API", "Location", "Remote", "located", "open_remote"]

DANDI_API = "https://api.dandiarchive.org/api"
WAIT_S = 30.0  # for an answer of a server
LARGEST_ANSWER = 2**24  # bytes, of the archive's interface
SHOWN = 5


@dataclass(frozen=True)
class Remote:
    """A file on a server.

    Attributes
    ----------
    address : str
        "https://..." or "dandi:ID/PATH", where ID may end in "@VERSION".
    """

    address: str

    def __str__(self) -> str:
        return self.address

    @property
    def _path(self) -> PurePosixPath:
        return PurePosixPath(urlsplit(self.address).path)

    @property
    def name(self) -> str:
        """The file's own name."""
        return self._path.name or self.address

    @property
    def stem(self) -> str:
        """The file's own name without its suffix."""
        return self._path.stem or self.address

    @property
    def suffix(self) -> str:
        """What the file's name ends in."""
        return self._path.suffix


Location = Path | Remote


def located(name_or_path: Any) -> Location:
    """Take a text for what it names: a file on a server, or a path.

    Raises
    ------
    BadInputError
        If it is neither.
    """
    if isinstance(name_or_path, str) and re.match(r"(https?://|dandi:)", name_or_path, re.IGNORECASE):
        return Remote(name_or_path)
    return checked_path("recording", name_or_path)


@contextmanager
def open_remote(remote: Remote) -> Iterator[Any]:
    """Open a file on a server, as a file that can be read from any place in it.

    The environment variable SPIKELOOP_DANDI_API replaces the address of the DANDI archive's interface, such as that of
    its sandbox, https://api.sandbox.dandiarchive.org/api.

    Raises
    ------
    BadInputError
        If the archive has no such file.
    FailureError
        If the server can't be reached, has no such file, or does not send parts of files; or a package is missing.
    """
    require_packages("remfile", extra="nwb", what="files on a server")
    import remfile

    url = _resolved(remote)
    url, length = _sized(url, remote)
    file = _Watched(remfile.File(url, _size=length))
    try:
        yield file
    except Exception:
        if file.failure is None:
            raise
    finally:
        with suppress(Exception):
            file.close()
    if file.failure is not None:
        raise _failed(remote, file.failure) from None


class _Watched:
    """A file on a server that keeps why a read failed, as HDF5 loses that; but not the error itself.

    In its traceback are h5py's frames, in a circle with this file. What they hold would live until HDF5 frees it, after
    the interpreter has ended, and crashes.
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self.failure: str | None = None

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._file.length - self._file.tell())
        size = left if size < 0 else min(size, left)
        if not size:
            return b""
        try:
            data = self._file.read(size)
        except Exception as error:  # remfile raises what requests raises, and its own
            self.failure = f"{error}" or type(error).__name__
            raise
        if len(data) != size:
            self.failure = f"it sent {len(data)} of {size} bytes"
            raise OSError(self.failure)
        return data

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        base = {0: 0, 1: self._file.tell(), 2: self._file.length}[whence]
        self._file.seek(base + offset)
        return base + offset

    def tell(self) -> int:
        return self._file.tell()

    def flush(self) -> None:
        """Nothing is written."""

    def close(self) -> None:
        if self._file.session is not None:
            self._file.session.close()


def _failed(remote: Remote, reason: str) -> FailureError:
    return FailureError(
        f"could not read {remote} ({reason:.160}); try again, or download the file and give its path instead"
    )


def _sized(url: str, remote: Remote) -> tuple[str, int]:
    """Ask for the first byte; return where redirections end, and the size of the file."""
    try:
        with urlopen(Request(url, headers={"Range": "bytes=0-0"}), timeout=WAIT_S) as answer:
            final, status = answer.geturl(), answer.status
            total = re.fullmatch(r"bytes 0-0/(\d+)", answer.headers.get("Content-Range") or "")
    except (OSError, ValueError) as error:
        raise _failed(remote, _reason(error)) from error
    if status != 206 or total is None:
        raise FailureError(
            f"{remote}: expected a server that sends parts of files (HTTP ranges), found one that does not; download"
            " the file and give its path instead"
        )
    return final, int(total[1])


def _reason(error: Exception) -> str:
    if isinstance(error, HTTPError):
        return {404: "no such file there, error 404"}.get(error.code, f"the server answered with error {error.code}")
    return f"{error.reason}" if isinstance(error, URLError) else f"{error}" or type(error).__name__


def _resolved(remote: Remote) -> str:
    """Find the address from which a file can be fetched."""
    if not remote.address.lower().startswith("dandi:"):
        return remote.address
    asked = re.fullmatch(r"dandi:(\d{6})(?:@([\w.-]+))?/(.+)", remote.address, re.IGNORECASE | re.ASCII)
    if asked is None:
        raise BadInputError(
            f"expected dandi:ID/PATH or dandi:ID@VERSION/PATH, such as dandi:000128/sub-Jenkins/FILE.nwb, found"
            f" {remote.address!r:.120}"
        )
    api = (os.environ.get("SPIKELOOP_DANDI_API") or DANDI_API).rstrip("/")
    dandiset, version, path = asked[1], asked[2] or _latest_version(api, asked[1], remote), asked[3]
    base = f"{api}/dandisets/{dandiset}/versions/{version}/assets/"
    answer = _json(f"{base}?path={quote(path, safe='')}&page_size=100", remote)
    assets = [entry for entry in _entries(answer) if isinstance(entry.get("path"), str)]
    match = next((entry for entry in assets if entry["path"] == path), None)
    if match is None:
        some = [entry["path"] for entry in assets or _entries(_json(f"{base}?page_size={SHOWN}", remote))]
        there_are = ", ".join(map(str, some[:SHOWN])) or "none"
        raise BadInputError(
            f"{remote}: no such file in version {version} of dandiset {dandiset}; there are {there_are}"
        )
    return f"{api}/assets/{match.get('asset_id')}/download/"


def _latest_version(api: str, dandiset: str, remote: Remote) -> str:
    """Return the version that was published last, or else the draft."""
    published = _json(f"{api}/dandisets/{dandiset}/", remote).get("most_recent_published_version")
    version = published.get("version") if isinstance(published, dict) else None
    return version if isinstance(version, str) else "draft"


def _entries(answer: dict[str, Any]) -> list[dict[str, Any]]:
    results = answer.get("results")
    return [entry for entry in results if isinstance(entry, dict)] if isinstance(results, list) else []


def _json(url: str, remote: Remote) -> dict[str, Any]:
    try:
        with urlopen(Request(url, headers={"Accept": "application/json"}), timeout=WAIT_S) as answer:
            found = json.loads(answer.read(LARGEST_ANSWER))
    except HTTPError as error:
        if error.code == 404:
            raise BadInputError(f"{remote}: the archive has no such dandiset or version") from error
        hint = ", as for data that are not public" if error.code in (401, 403) else ""
        raise _failed(remote, f"the archive answered with error {error.code}{hint}") from error
    except (OSError, ValueError) as error:
        raise _failed(remote, _reason(error)) from error
    return found if isinstance(found, dict) else {}
