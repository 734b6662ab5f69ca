"""Where the page is, and who may open it."""

import ipaddress
import re
from typing import NamedTuple

from spikeloop.models.errors import BadInputError
from spikeloop.models.scalars import checked_text

__all__ = ["LOOPBACK", "PORT", "Address", "checked_token", "page_url"]

PORT = 8642
LOOPBACK = "127.0.0.1"

LEAST_TOKEN = 16  # characters
TOKEN = re.compile(rf"[\w-]{{{LEAST_TOKEN},200}}", re.ASCII)


class Address(NamedTuple):
    """Where the page is to be: on this host and port, for those who have the token, where there is one."""

    host: str
    port: int
    token: str | None


def checked_token(host: str, token: str | None) -> str | None:
    """Return the token; BadInputError where it is none, or others reach the host and there is none."""
    if token is not None and not TOKEN.fullmatch(checked_text("--token", token)):
        raise BadInputError(
            f"--token: expected {LEAST_TOKEN} or more of the characters A-Z, a-z, 0-9, - and _, found {len(token)}"
            " characters; choose another one"
        )
    if token is None and not _is_loopback(host):
        raise BadInputError(
            f"--host {host:.80}: others reach the page there, so it needs a token; add --token with {LEAST_TOKEN}"
            " characters or more"
        )
    return token


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def page_url(host: str, port: int, token: str | None) -> str:
    """Return the address of the page, with the token where there is one."""
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}/" + (f"?token={token}" if token is not None else "")
