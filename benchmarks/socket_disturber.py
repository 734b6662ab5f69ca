"""`socket_disturber.py PORT`: a client that reads nothing, and one that is cut off and back every second, for ever."""

import socket
import struct
import sys
import time
from contextlib import suppress

AT_ONCE = struct.pack("ii", 1, 0)  # lingers for no time, so that a connection is reset as that of a killed program
READ_BYTES = 2**20


def main(port: int) -> None:
    slow = socket.create_connection(("localhost", port))
    with slow, suppress(ConnectionError):  # the other end is over
        while True:
            with socket.create_connection(("localhost", port)) as cut_off:
                cut_off.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
                cut_off.recv(READ_BYTES)
                time.sleep(1.0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
