"""Messages `synapse.BroadbandFrame`: one sample of all channels each, a block of samples encoded at once.

A frame is a protobuf message (api/datatype.proto of https://github.com/sciencecorp/synapse-api, version 2.6):
timestamp_ns = 1, sequence_number = 2, frame_data = 3 (packed sint32), sample_rate_hz = 4, channel_ranges = 5,
unix_timestamp_ns = 6. Encoded one by one, 30,000 messages a second of 384 values would take more than a core. Here each
field has a fixed width, so that a block of messages is one array: a varint may have more bytes than it needs
(https://protobuf.dev/programming-guides/encoding/#varints), and every parser reads it.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["FrameEncoder"]

NARROW_LIMIT = 2**14  # of a folded value that fits into two bytes; others, of any int16, take three
TIME_BYTES = 9  # of a varint of 63 bits
TIMESTAMP, SEQUENCE, DATA, RATE, RANGES, UNIX_TIMESTAMP = (number << 3 for number in range(1, 7))  # tags of the fields,
WITH_LENGTH = 2  # and what is added where the field begins with its length
COUNT, CHANNEL_IDS = 2 << 3, 3 << 3 | WITH_LENGTH  # fields of a channel range; its type, electrodes, is the default

Bytes = NDArray[np.uint8]


class FrameEncoder:
    """Turns blocks of voltage into messages.

    Parameters
    ----------
    channels : sequence of int >= 0
        Columns of the voltage, in the order of the frame's values.
    ids : sequence of int >= 0
        Their names in the frame; left out of it where they are 0, 1, 2 and so on, which readers assume.
    rate_hz : int >= 1, Hz
    bits : int from 2 to 16
        What is beyond the range of so many bits is clipped to it.
    """

    def __init__(self, channels: Sequence[int], ids: Sequence[int], rate_hz: int, bits: int = 16) -> None:
        self._channels = np.array(channels, np.intp)
        self._limits = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if bits < 16 else None
        listed = b"" if list(ids) == list(range(len(ids))) else _field(CHANNEL_IDS, b"".join(map(_varint, ids)))
        ranges = _varint(COUNT) + _varint(len(ids)) + listed
        self._tail = _varint(RATE) + _varint(rate_hz) + _field(RANGES | WITH_LENGTH, ranges)

    def encode(
        self,
        values: NDArray[np.int16],
        first_sequence: int,
        times_ns: NDArray[np.int64],
        unix_times_ns: NDArray[np.int64],
    ) -> Bytes:
        """Encode consecutive samples.

        Parameters
        ----------
        values : array of shape (samples, all channels), int16
        first_sequence : int >= 0
            Number of the first sample's frame.
        times_ns, unix_times_ns : arrays of shape (samples,), int64, ns
            Of each sample, on the device's clock and since 1970.

        Returns
        -------
        array of shape (samples, bytes), uint8
            One message a row.
        """
        chosen = values.take(self._channels, axis=1)
        data = _zigzag(chosen if self._limits is None else chosen.clip(*self._limits))
        sequence = np.arange(first_sequence, first_sequence + len(values))
        columns = (
            _bytes(_varint(TIMESTAMP)), _wide_varints(times_ns),
            _bytes(_varint(SEQUENCE)), _wide_varints(sequence),
            _bytes(_varint(UNIX_TIMESTAMP)), _wide_varints(unix_times_ns),
            _bytes(_varint(DATA | WITH_LENGTH) + _varint(data.shape[1])), data,
            _bytes(self._tail),
        )  # fmt: skip
        return np.concatenate([np.broadcast_to(part, (len(values), part.shape[-1])) for part in columns], axis=1)


def _zigzag(values: NDArray[np.int16]) -> Bytes:
    """Encode as sint32, (samples, bytes): 0, -1, 1, -2 are folded to 0, 1, 2, 3; each takes as many bytes."""
    folded = ((values << 1) ^ (values >> 15)).view(np.uint16)
    if folded.max(initial=0) < NARROW_LIMIT:
        pairs = (folded & 0x7F) | 0x80 | (folded >> 7 << 8)
        return pairs.astype("<u2", copy=False).view(np.uint8)
    parts = [folded & 0x7F | 0x80, folded >> 7 & 0x7F | 0x80, folded >> 14]
    return np.stack(parts, axis=-1).astype(np.uint8).reshape(len(values), -1)


def _wide_varints(numbers: NDArray[np.int64]) -> Bytes:
    """Encode numbers of at most 63 bits, (numbers, TIME_BYTES)."""
    encoded = (numbers[:, np.newaxis] >> 7 * np.arange(TIME_BYTES) & 0x7F).astype(np.uint8)
    encoded[:, :-1] |= 0x80
    return encoded


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


def _field(tag: int, content: bytes) -> bytes:
    return _varint(tag) + _varint(len(content)) + content


def _bytes(content: bytes) -> Bytes:
    return np.frombuffer(content, np.uint8)
