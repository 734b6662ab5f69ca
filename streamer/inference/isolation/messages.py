"""What goes between this process and a decoder's: requests one way, answers the other.

A request is a pickle, as the decoder's process trusts this one. An answer is never unpickled, as this process does not
trust the decoder's.
"""

import io
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["Answer", "AnswerKind", "Channel", "decode_call", "encode_call"]

LENGTH = struct.Struct("<Q")
HEADER = struct.Struct("<BI")  # kind, process
CHUNK = 1 << 20  # bytes
MOST_ARRAYS = 2  # of a call


class AnswerKind(IntEnum):
    """What an answer says; the text is UTF-8."""

    DONE = 0  # no content
    NUMBERS = 1  # float64, little-endian
    BAD_INPUT = 2  # the message of a BadInputError
    FAILURE = 3  # the message of a FailureError
    OUT_OF_MEMORY = 4  # no content
    NOT_LOADED = 5  # why the object of the caller's own can't be made there
    OPENED = 6  # what it is, as JSON
    CALL = 7  # a method that it asks this process to call, and arrays, as of `encode_call`; another answer follows


@dataclass(frozen=True)
class Answer:
    """An answer of a decoder's process.

    Attributes
    ----------
    kind : AnswerKind
    process : int
        That answers, by its own account; a copy of it has another.
    content : bytes
    """

    kind: AnswerKind
    process: int
    content: bytes = b""

    def encoded(self) -> bytes:
        """As it goes over the channel."""
        return HEADER.pack(self.kind, self.process) + self.content

    @classmethod
    def parse(cls, message: bytes) -> Self:
        """Read what came over the channel; ValueError where it is no answer."""
        if len(message) < HEADER.size:
            raise ValueError("too short")
        kind, process = HEADER.unpack_from(message)
        return cls(AnswerKind(kind), process, message[HEADER.size :])


def encode_call(method: str, arrays: Sequence[NDArray[Any]]) -> bytes:
    """The content of a CALL."""
    content = io.BytesIO()
    content.write(f"{method}\n{len(arrays)}\n".encode())
    for array in arrays:
        np.save(content, array, allow_pickle=False)
    return content.getvalue()


def decode_call(content: bytes) -> tuple[str, list[NDArray[Any]]]:
    """Read the content of a CALL; ValueError where it is none."""
    stream = io.BytesIO(content)
    try:
        method, count = stream.readline().decode().strip(), int(stream.readline())
        return method, [np.load(stream, allow_pickle=False) for _ in range(min(count, MOST_ARRAYS))]
    except (ValueError, EOFError, OSError, MemoryError) as error:
        raise ValueError("no call") from error


class Channel:
    """Messages over a socket, each with its length before it.

    Parameters
    ----------
    wire : socket
        Connected; the channel closes it.
    largest : int, optional
        Bytes of a message that is received.
    """

    def __init__(self, wire: socket.socket, largest: int | None = None) -> None:
        self.wire, self._largest = wire, largest
        self._received = bytearray()

    def send(self, message: bytes) -> None:
        """Send a message; TimeoutError after the socket's timeout, and another OSError where nobody is there."""
        self.wire.sendall(LENGTH.pack(len(message)) + message)

    def receive(self, timeout_s: float | None = None) -> bytes | None:
        """Return the next message, or None where the other end is closed.

        Raises
        ------
        TimeoutError
            If it isn't complete in time; what has come of it is kept.
        ValueError
            If it is larger than allowed.
        """
        self.wire.settimeout(timeout_s)
        while not self._complete():
            try:
                chunk = self.wire.recv(CHUNK)
            except TimeoutError:
                raise
            except OSError:
                return None
            if not chunk:
                return None
            self._received += chunk
        end = LENGTH.size + self._length()
        message = bytes(self._received[LENGTH.size : end])
        del self._received[:end]
        return message

    def close(self) -> None:
        """Close the socket."""
        self.wire.close()

    def _length(self) -> int:
        return LENGTH.unpack_from(self._received)[0]

    def _complete(self) -> bool:
        if len(self._received) < LENGTH.size:
            return False
        if self._largest is not None and self._length() > self._largest:
            raise ValueError(f"a message of {self._length()} bytes")
        return len(self._received) >= LENGTH.size + self._length()
