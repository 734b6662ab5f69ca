"""What tests of the page share: messages of its WebSocket, read as the page reads them."""

import json
import struct
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Block", "Received", "received", "request"]


class Block(NamedTuple):
    """Counts, (bins, units), of bins from this one on."""

    first_bin: int
    end_s: float
    counts: np.ndarray


class Received(NamedTuple):
    kind: int
    sequence: int
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        return json.loads(self.body)

    def block(self, units: int) -> Block:
        """Counts, as docs/web_protocol.md lays them out."""
        first_bin, end_s, bins, entries = struct.unpack_from("<ddII", self.body)
        columns = np.frombuffer(self.body, "<u2", offset=24).reshape(3, entries).astype(np.intp)
        counts = np.zeros((bins, units), np.uint16)
        counts[columns[0], columns[1]] = columns[2]
        return Block(int(first_bin), end_s, counts)


def received(message: str | bytes) -> Received:
    assert isinstance(message, bytes)
    kind, zero, rest, sequence = struct.unpack_from("<BBHI", message)
    assert (zero, rest) == (0, 0)
    return Received(kind, sequence, message[8:])


def request(kind: int, document: Any = None) -> bytes:
    return struct.pack("<BBHI", kind, 0, 0, 0) + (b"" if document is None else json.dumps(document).encode())
