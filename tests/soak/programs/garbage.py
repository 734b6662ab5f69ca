"""Garbage for open ports: `garbage HOST PORTS SEED SECONDS` with PORTS such as 1883,16572-16604."""

import json
import select
import socket
import sys
import time
from contextlib import ExitStack, suppress

import numpy as np

from tests.soak.plan import drawn

CONNECT_S = 0.2
LARGEST = 100_000
MOST_OPEN = 50  # connections that say nothing more and stay
BEGINNINGS = (
    b"", b"LSL:shortinfo\r\n", b"LSL:fullinfo\r\n", b"LSL:streamfeed/110 \r\n", b"LSL:timedata\r\n",
    b"GET /metrics HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nContent-Length: ", b"\x10\xff\xff\xff\x7f",
    b"\x30\x80\x80\x80\x01",
)  # fmt: skip


def main(host: str, ports: str, seed: str, seconds: str) -> None:
    random, thrown = drawn(int(seed), 0, 2), {"connections": 0, "datagrams": 0, "bytes": 0}
    listening = [port for port in numbers(ports) if accepts(host, port)]
    end_s = time.monotonic() + float(seconds)
    with ExitStack() as opened:
        kept = 0
        while time.monotonic() < end_s:
            content = garbage(random)
            with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
                datagrams.sendto(content[:1400], (host, int(random.choice(numbers(ports)))))
                thrown["datagrams"] += 1
            if listening:
                connection = throw(host, int(random.choice(listening)), content)
                thrown["connections"] += connection is not None
                thrown["bytes"] += len(content)
                if connection is not None and kept < MOST_OPEN and random.random() < 0.1:
                    opened.enter_context(connection)
                    kept += 1
                elif connection is not None:
                    connection.close()
            time.sleep(0.01)
    print(json.dumps(thrown | {"ports": len(listening)}))


def garbage(random: np.random.Generator) -> bytes:
    """Return any bytes, after a beginning that a server may know."""
    size = int(random.integers(0, random.choice([10, 1000, LARGEST])))
    return bytes(random.choice(np.array(BEGINNINGS, object))) + random.bytes(size)


def throw(host: str, port: int, content: bytes) -> socket.socket | None:
    """Send as much as goes at once; the connection, where there is one."""
    try:
        connection = socket.create_connection((host, port), CONNECT_S)
        connection.setblocking(False)
        if select.select([], [connection], [], CONNECT_S)[1]:
            with suppress(OSError):
                connection.send(content)
    except OSError:
        return None
    return connection


def accepts(host: str, port: int) -> bool:
    """Whether a server listens there."""
    try:
        socket.create_connection((host, port), CONNECT_S).close()
    except OSError:
        return False
    return True


def numbers(ports: str) -> list[int]:
    """Return the ports of 1883,16572-16604."""
    parts = [part.partition("-") for part in ports.split(",")]
    return [port for first, _, last in parts for port in range(int(first), int(last or first) + 1)]


if __name__ == "__main__":
    main(*sys.argv[1:])
