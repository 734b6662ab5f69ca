"""Where a bridge listens: [HOST:]PORT, on this machine alone where no host is named."""

import socket
from dataclasses import dataclass

from spikeloop.models.errors import BadInputError
from spikeloop.models.scalars import shown

__all__ = ["ListeningAddress", "ipv4_of", "parse_listening_address"]

LOOPBACK = "127.0.0.1"
LARGEST_PORT = 65535


@dataclass(frozen=True)
class ListeningAddress:
    """A host's name or address, and a port; 0 for one that is free."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_listening_address(option: str, text: str | int) -> ListeningAddress:
    """Read [HOST:]PORT, such as 9001, 0.0.0.0:9001 or [::1]:9001.

    Parameters
    ----------
    option : str
        For the message.
    text : str or int
        A number is a port.

    Raises
    ------
    BadInputError
        If it is nothing of the kind.
    """
    host, _, port = str(text).rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    number = port.lstrip("0") or port[:1]
    is_port = number.isascii() and number.isdigit() and len(number) <= len(str(LARGEST_PORT))
    if isinstance(text, bool) or not (is_port and int(number) <= LARGEST_PORT) or " " in host:
        raise BadInputError(f"{option}: expected [HOST:]PORT with a port from 0 to {LARGEST_PORT}, found {shown(text)}")
    return ListeningAddress(host or LOOPBACK, int(number))


def ipv4_of(option: str, host: str) -> str:
    """Return the IPv4 address of a host.

    Parameters
    ----------
    option : str
        For the message.
    host : str
        A name or an address.

    Raises
    ------
    BadInputError
        If it has none.
    """
    try:
        return str(socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)[0][4][0])
    except (OSError, ValueError) as error:  # ValueError for what no host can be called
        reason = getattr(error, "strerror", None) or "no host can have this name"
        raise BadInputError(
            f"{option}: expected a host with an IPv4 address, found host {host!r:.80} ({reason}); 127.0.0.1 listens on"
            " this machine alone, 0.0.0.0 on all networks"
        ) from error
