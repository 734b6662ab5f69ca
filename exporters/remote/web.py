"""Files of web servers: fetched over https, with limits, and checked by their SHA-256."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from spikeloop.exporters.addresses import require_safe_url
from spikeloop.exporters.remote.progress import Progress, no_progress
from spikeloop.models.errors import BadInputError, FailureError, SpikeloopError, in_one_line

if TYPE_CHECKING:
    from requests import Response, Session

__all__ = ["fetch_file", "fetch_small"]

LARGEST = 2**31  # bytes of a bundle
SMALL = 2**20  # bytes of an index, or a signature
SEGMENT = 2**16
REASONS = {
    "ConnectionError": "no connection",
    "ConnectTimeout": "no answer",
    "ReadTimeout": "no answer",
    "ChunkedEncodingError": "the connection broke off",
}  # by the error of requests
MOST_REDIRECTS = 10
TIMEOUT_S = (10.0, 30.0)  # to connect, and between two segments


def fetch_file(url: str, out: Path, expected: str, progress: Progress = no_progress) -> None:
    """Fetch a file that must have a certain SHA-256.

    Parameters
    ----------
    url : str
    out : pathlib.Path
        Where it is written; where something fails, what was written so far remains there.
    expected : str
        The SHA-256, as 64 hexadecimal digits.
    progress : callable, default none

    Raises
    ------
    BadInputError
        If it has another SHA-256, or is larger than any bundle.
    FailureError
        If the server can't be reached, refuses, or breaks off.
    """
    digest = sha256()
    with _response(url) as response, out.open("wb") as file:
        total = int(response.headers.get("Content-Length") or 0)
        for segment in _segments(response, url, LARGEST):
            digest.update(segment)
            file.write(segment)
            progress(file.tell(), total)
    if digest.hexdigest() != expected:
        raise BadInputError(
            f"{url}: expected SHA-256 {expected}, found {digest.hexdigest()}; it was altered, or replaced by another"
            " version: get the right hash from who made the bundle, and keep nothing of this one"
        )


def fetch_small(url: str) -> bytes | None:
    """Fetch a small file; None where the server has none.

    Raises
    ------
    BadInputError
        If it is larger than 1 MiB.
    FailureError
        If the server can't be reached, refuses, or breaks off.
    """
    with _response(url, absent_is_fine=True) as response:
        return None if response.status_code == 404 else b"".join(_segments(response, url, SMALL))


def _segments(response: "Response", url: str, largest: int) -> Iterator[bytes]:
    size = 0
    for segment in response.iter_content(SEGMENT):
        size += len(segment)
        if size > largest:
            raise BadInputError(f"{url}: expected at most {largest >> 20} MiB, found more; refused")
        yield segment


@contextmanager
def _response(url: str, absent_is_fine: bool = False) -> Iterator["Response"]:
    """Open an address; what goes wrong until the block ends becomes a sentence."""
    import requests

    try:
        with requests.Session() as session, _followed(session, url) as response:
            if not (absent_is_fine and response.status_code == 404):
                response.raise_for_status()
            yield response
    except SpikeloopError:
        raise
    except requests.HTTPError as error:
        raise FailureError(f"{url}: the server answered {str(error).partition(' for url')[0]:.100}") from error
    except requests.RequestException as error:
        raise FailureError(
            f"could not fetch {url} ({_reason(error)}); check the address and the connection, and try again"
        ) from error


def _followed(session: "Session", url: str) -> "Response":
    """Request an address, and where it leads; each is checked before it is requested."""
    for _ in range(MOST_REDIRECTS):
        require_safe_url(url)
        response = session.get(url, stream=True, timeout=TIMEOUT_S, allow_redirects=False)
        if not response.is_redirect:
            return response
        response.close()
        url = urljoin(url, response.headers["location"])
    raise FailureError(f"{url}: expected a file, found more than {MOST_REDIRECTS} redirects; check the address")


def _reason(error: Exception) -> str:
    """Return what a library says of a failed connection, which would fill a page, in a few words."""
    return REASONS.get(type(error).__name__) or in_one_line(error)
