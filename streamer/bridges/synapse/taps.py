"""The taps of a device: ZeroMQ sockets at which clients receive messages, or to which they send some."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.errors import FailureError
from spikeloop.models.interrupts import hold_interrupts

__all__ = ["Consumer", "Publisher", "open_context"]

LINGER_MS = 500  # in which the last messages may still go out
LOOK_MS = 100  # how often a waiting thread looks whether to end
MOST_COMMANDS = 1000  # of clients, that wait


def open_context() -> Any:
    """Open a `zmq.Context`, for all taps of a device."""
    with hold_interrupts():
        import zmq
    return zmq.Context()


class _Tap:
    """A socket that listens at a free port of a host; used by one thread."""

    def __init__(self, context: Any, kind: int, host: str, options: dict[int, int]) -> None:
        import zmq

        self._socket = context.socket(kind)
        self._again = zmq.Again
        for option, value in (options | {zmq.LINGER: LINGER_MS, zmq.IPV6: int(":" in host)}).items():
            self._socket.setsockopt(option, value)
        try:
            self.port = self._socket.bind_to_random_port(f"tcp://{f'[{host}]' if ':' in host else host}")
        except zmq.ZMQError as error:
            self._socket.close()
            raise FailureError(f"--synapse: can't listen on {host} ({error}); choose another host") from error

    def close(self) -> None:
        """Stop to listen."""
        self._socket.close()


class Publisher(_Tap):
    """A tap from which each client receives every message; one that is too slow loses some, and nobody waits for it.

    Parameters
    ----------
    context : zmq.Context
    host : str
    most : int >= 1
        Messages that wait for a client; what comes when they are so many is lost for it.

    Attributes
    ----------
    port : int
    clients : int
        That receive, as of the latest look.
    """

    def __init__(self, context: Any, host: str, most: int) -> None:
        import zmq

        super().__init__(context, zmq.XPUB, host, {zmq.SNDHWM: most, zmq.XPUB_VERBOSER: 1})
        self.clients = 0

    def look(self) -> int:
        """See which clients came or left; returns how many are there."""
        import zmq

        while True:
            try:
                change = self._socket.recv(zmq.DONTWAIT)
            except self._again:
                return self.clients
            self.clients = max(0, self.clients + (1 if change[:1] == b"\x01" else -1))

    def send(self, messages: NDArray[np.uint8]) -> None:
        """Send messages, one a row."""
        length = messages.shape[1]
        joined = memoryview(messages.tobytes())
        for begin in range(0, len(joined), length):
            self._socket.send(joined[begin : begin + length])


class Consumer(_Tap):
    """A tap to which clients send.

    Parameters
    ----------
    context : zmq.Context
    host : str
    """

    def __init__(self, context: Any, host: str) -> None:
        import zmq

        super().__init__(context, zmq.SUB, host, {zmq.RCVHWM: MOST_COMMANDS, zmq.RCVTIMEO: LOOK_MS})
        self._socket.setsockopt(zmq.SUBSCRIBE, b"")

    def next(self) -> bytes | None:
        """Wait for the next message; None where none came for a tenth of a second."""
        try:
            return self._socket.recv()
        except self._again:
            return None
