"""A reader of Ephys Socket packets, from the plugin's documentation alone: `... PORT SECONDS OUT.npz`.

It does what the Open Ephys GUI does: it connects to localhost, wants a header within half a second (a user would click
"Connect" again, up to 120 times), passes over that packet, and stops where a later header says anything else. Prints
"connected" after the first packet; collects for SECONDS or until the other side closes; writes the samples, (samples,
channels), without those of the first packet.
"""

import socket
import sys
import time

import numpy as np

HEADER_BYTES = 22
DEPTHS = [np.uint8, np.int8, np.uint16, np.int16, np.int32, np.float32, np.float64]
HEADER_WITHIN_S, CLICKS = 0.5, 120


def header_of(data: bytes) -> tuple[int, ...]:
    """Offset, number of bytes, depth, element size, channels, samples."""
    places = [(0, 4), (4, 4), (8, 2), (10, 4), (14, 4), (18, 4)]
    return tuple(int.from_bytes(data[at : at + size], "little", signed=True) for at, size in places)


def read(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        if not (part := connection.recv(size - len(data))):
            break
        data += part
    return bytes(data)


def connect(port: int) -> tuple[socket.socket, tuple[int, ...]]:
    for _ in range(CLICKS):
        connection = socket.create_connection(("localhost", port))
        connection.settimeout(HEADER_WITHIN_S)
        try:
            return connection, header_of(read(connection, HEADER_BYTES))
        except TimeoutError:
            connection.close()
    sys.exit("no header came")


def main(port: int, seconds: float, out: str) -> None:
    connection, first = connect(port)
    connection.settimeout(10.0)
    offset, size, depth, element_bytes, channels, samples = first
    assert (offset, size) == (0, element_bytes * channels * samples)
    assert np.dtype(DEPTHS[depth]).itemsize == element_bytes
    read(connection, size)
    print("connected", flush=True)
    blocks, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        packet = read(connection, HEADER_BYTES + size)
        if len(packet) < HEADER_BYTES + size:
            break
        assert header_of(packet) == first
        blocks.append(np.frombuffer(packet, DEPTHS[depth], offset=HEADER_BYTES).reshape(channels, samples).T)
    np.savez(out, samples=np.concatenate(blocks), packet_samples=samples)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3])
