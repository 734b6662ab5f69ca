"""A TCP socket that listens, or the reason why there can be none."""

import errno
import os
import socket

from spikeloop.models.errors import BadInputError, FailureError

__all__ = ["listen"]

BACKLOG = 128  # connections that wait to be accepted
REMEDIES = {
    errno.EADDRINUSE: "stop what listens there, or choose another port",
    errno.EACCES: "choose a port from 1024 on",
}


def listen(host: str, port: int, option: str, host_option: str | None = None, backlog: int = BACKLOG) -> socket.socket:
    """Open a socket that listens, of IPv4 where the host has such an address.

    Parameters
    ----------
    host : str
        A name or address of this machine.
    port : int from 0 to 65535
        0 for any that is free.
    option : str
        By which the port was asked for, for messages.
    host_option : str, optional
        Likewise the host; by default the same.
    backlog : int >= 1

    Returns
    -------
    socket.socket

    Raises
    ------
    BadInputError
        If the host is none of this machine.
    FailureError
        If the port can't be had.
    """
    named = option if host_option is None else host_option
    family = _family_of(host, named)
    try:
        return socket.create_server((host, port), family=family, backlog=backlog)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        if error.errno == errno.EADDRNOTAVAIL:
            raise _unknown(host, named, reason) from error
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        remedy = REMEDIES.get(error.errno or 0, "choose another port")
        raise FailureError(f"{option}: can't listen on {where} ({reason}); {remedy}") from error


def _family_of(host: str, option: str) -> int:
    try:
        families = {found[0] for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except (OSError, ValueError) as error:  # ValueError for what no host can be called
        raise _unknown(host, option, getattr(error, "strerror", None) or "no host can have this name") from error
    return socket.AF_INET if socket.AF_INET in families else socket.AF_INET6


def _unknown(host: str, option: str, reason: str) -> BadInputError:
    return BadInputError(
        f"{option}: expected the name or an address of this machine, found host {host!r:.80} ({reason}); 127.0.0.1"
        " listens on this machine alone, 0.0.0.0 on all networks"
    )
