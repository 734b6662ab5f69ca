"""The messages of the page's WebSocket, all of them binary; docs/web_protocol.md documents every byte."""

import json
import struct
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.documents import json_values
from spikeloop.models.arrays import Counts
from spikeloop.models.errors import BadInputError

__all__ = [
    "LARGEST_REQUEST_BYTES",
    "PROTOCOL",
    "Kind",
    "Request",
    "bins_body",
    "condition_request",
    "conditions_body",
    "document_body",
    "frame",
    "importance_body",
    "parse_request",
]

PROTOCOL = 1
LARGEST_REQUEST_BYTES = 2**16
HEADER = struct.Struct("<BBHI")  # kind, 0, 0, sequence
BLOCK = struct.Struct("<ddII")  # first bin, end of the last bin, bins, and how many values follow, or columns


class Kind(IntEnum):
    """What a message is: below 16 to the page, from 16 on from it."""

    DESCRIPTION = 1
    BINS = 2
    CONDITIONS = 3
    MARKER = 4
    STATE = 5
    STATISTICS = 6
    COURSE = 7
    IMPORTANCE = 8
    REFUSED = 9
    TUNING = 10
    CURSOR = 11
    GAME = 12
    LATENCY = 14
    REPLAY = 15
    CONDITION = 16
    CONTROL = 17
    STIMULATE = 18
    RELEASE = 19
    PLAY = 20
    AIM = 21
    CENTRE = 22
    HIDE = 23
    PERTURB = 31
    BEGIN = 32
    STOP = 33
    CLICK = 34
    FOLLOW = 35
    SAVE = 36
    SHOWN = 37
    CLOCK = 38
    MOVE = 39


class Request(NamedTuple):
    """What a page asks for: the kind, and the payload, JSON as of the MQTT topic of the same name."""

    kind: Kind
    payload: bytes


REQUESTS = tuple(kind for kind in Kind if kind >= Kind.CONDITION)


def frame(kind: Kind, sequence: int, body: bytes) -> bytes:
    """Put a header before a body; of the sequence number the lowest 32 bits are sent."""
    return HEADER.pack(kind, 0, 0, sequence & 0xFFFFFFFF) + body


def document_body(document: Any) -> bytes:
    """Encode a document as JSON; NaN and infinity become null."""
    return json.dumps(json_values(document), allow_nan=False, separators=(",", ":")).encode()


def bins_body(first_bin: int, end_s: float, counts: Counts) -> bytes:
    """Encode counts by the entries that are not zero.

    Parameters
    ----------
    first_bin : int >= 0
        Number of the first bin in the stream.
    end_s : float, s
        When the last bin ended, on LSL's clock.
    counts : array of shape (bins, units), uint8 or uint16
        At most 65,536 bins of as many units.
    """
    bins, units = counts.nonzero()
    columns = (bins, units, counts[bins, units])
    return BLOCK.pack(first_bin, end_s, len(counts), len(bins)) + b"".join(
        column.astype("<u2").tobytes() for column in columns
    )


def conditions_body(first_bin: int, end_s: float, conditions: NDArray[np.float32]) -> bytes:
    """Encode what drove bins, (bins, channels), bin after bin."""
    return BLOCK.pack(first_bin, end_s, *conditions.shape) + conditions.astype("<f4").tobytes()


def importance_body(counts: NDArray[Any], importance: NDArray[np.float64]) -> bytes:
    """Encode a window's importance and then its counts, both of shape (bins, units), bin after bin."""
    shape = BLOCK.pack(0, 0, *counts.shape)
    return shape + importance.astype("<f4").tobytes() + counts.astype("<u2").tobytes()


def condition_request(values: list[float]) -> Request:
    """Make the request that a page would make to drive the model by these values, one a channel."""
    return Request(Kind.CONDITION, json.dumps({"values": values}).encode())


def parse_request(message: bytes) -> Request:
    """Read a message from a page.

    Raises
    ------
    BadInputError
        If it is too large or too short, or of no kind that a page may send.
    """
    if len(message) > LARGEST_REQUEST_BYTES:
        raise BadInputError(
            f"expected at most {LARGEST_REQUEST_BYTES} bytes, found {len(message)}; send less at a time"
        )
    if len(message) < HEADER.size or message[0] not in REQUESTS:
        kinds = ", ".join(f"{int(kind)} ({kind.name.lower()})" for kind in REQUESTS)
        raise BadInputError(
            f"expected a message of {HEADER.size} bytes or more that begins with {kinds}, found {len(message)} bytes"
            f" that begin with {bytes(message[:4])!r}; see docs/web_protocol.md"
        )
    return Request(Kind(message[0]), message[HEADER.size :])
