"""What a device sends and answers over UDP: that it is there, and what time it is."""

import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from typing import Self

__all__ = ["Announcer", "announcement"]

DISCOVERY_PORT = 6470  # at which clients listen (synapse/utils/discover.py of science-synapse)
CAPABILITY = "SYN1.0"
EVERY_S = 1.0
LOCAL_BROADCAST = "127.255.255.255" if sys.platform == "linux" else "127.0.0.1"  # elsewhere loopback has no broadcast
BROADCAST = "255.255.255.255"
LONGEST = 1024  # of a request
LOOK_S = 0.25  # how often the waiting thread looks whether to end


class Announcer:
    """A thread that announces the device once a second and answers who compares clocks, while the context is open.

    On loopback, only programs on this machine hear it.

    Parameters
    ----------
    host : str
        Address on which the device listens, of IPv4.
    message : bytes
        Announces the device.
    answer : callable
        Returns the answer to a request; None where there is none.

    Attributes
    ----------
    port : int
        At which it answers.
    """

    def __init__(self, host: str, message: bytes, answer: Callable[[bytes], bytes | None]) -> None:
        self._host, self._message, self._answer = host, message, answer
        self._hearers = LOCAL_BROADCAST if ip_address(host).is_loopback else BROADCAST
        self._ending = threading.Event()

    def __enter__(self) -> Self:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self._socket.bind((self._host, 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._work, name="spikeloop-synapse-announcer", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ending.set()
        self._thread.join()
        self._socket.close()

    def _work(self) -> None:
        due_s = time.monotonic()
        while not self._ending.is_set():
            if time.monotonic() >= due_s:
                due_s += EVERY_S
                with suppress(OSError):  # no network
                    self._socket.sendto(self._message, (self._hearers, DISCOVERY_PORT))
            self._socket.settimeout(LOOK_S)
            with suppress(OSError):  # TimeoutError among them
                request, client = self._socket.recvfrom(LONGEST)
                if (answer := self._answer(request)) is not None:
                    self._socket.sendto(answer, client)


def announcement(serial: str, port: int, name: str) -> bytes:
    """Return the message that announces a device, whose control plane is at a port."""
    return f"ID {serial} {CAPABILITY} {port} {name}".encode("ascii", "replace")
