"""The other end: `socket_reader.py PORT OUT.json` prints "connected", reads Ephys Socket packets to the end, and
writes what it got."""

import json
import socket
import struct
import sys
import time
from pathlib import Path

HEADER = struct.Struct("<iihiii")
APPEARS_WITHIN_S = 60.0


def connected(port: int) -> socket.socket:
    """A connection, once somebody listens."""
    end_s = time.monotonic() + APPEARS_WITHIN_S
    while True:
        try:
            return socket.create_connection(("localhost", port))
        except OSError:
            if time.monotonic() > end_s:
                raise
            time.sleep(0.05)


def main(port: int, out: str) -> None:
    connection, buffer, samples, filled = connected(port), bytearray(2**22), 0, 0
    print("connected", flush=True)
    began_s = time.process_time()
    while got := connection.recv_into(memoryview(buffer)[filled:]):
        filled, begin = filled + got, 0
        while filled - begin >= HEADER.size:
            _, size, *_, packet_samples = HEADER.unpack_from(buffer, begin)
            if filled - begin < HEADER.size + size:
                break
            begin, samples = begin + HEADER.size + size, samples + packet_samples
        buffer[: filled - begin] = buffer[begin:filled]
        filled -= begin
    Path(out).write_text(json.dumps({"samples": samples, "cpu_s": time.process_time() - began_s}))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
