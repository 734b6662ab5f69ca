"""One program that is connected to the Ephys Socket server, served by a thread of its own."""

import socket
import threading
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue

__all__ = ["Client", "ClientReport"]

MOST_FRAMES = 100  # that wait, of 10 ms each
TAKES_WITHIN_S = 30.0  # a frame; else the client is given up


@dataclass(frozen=True)
class ClientReport:
    """What one client received.

    Attributes
    ----------
    address : str
    connected : bool
        Whether it is still there.
    first_sample : int or None
        Number of the first sample that was sent to it, from 0 at the stream's start; None before any was.
    first_sample_s : float or None, s
        The time of that sample on LSL's clock.
    samples : int
        That were sent to it, of each channel.
    dropped : int
        Samples left out because it was too slow, which lie between those that were sent; and those that waited for it
        when it left.
    """

    address: str
    connected: bool
    first_sample: int | None
    first_sample_s: float | None
    samples: int
    dropped: int


class Client:
    """Sends frames to a client, while others go on; the oldest are dropped where too many wait.

    Parameters
    ----------
    connection : socket.socket
        Closed at the end.
    address : str
    most_frames : int >= 1
        That wait at a time.
    """

    def __init__(self, connection: socket.socket, address: str, most_frames: int = MOST_FRAMES) -> None:
        self.address = address
        self.first_sample: int | None = None
        self._connection, self._most = connection, most_frames
        self._frames: SimpleQueue[tuple[int, bytes] | None] = SimpleQueue()
        self._first_s: float | None = None
        self._sent = self._dropped = 0
        self._gone = False
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(TAKES_WITHIN_S)
        self._thread = threading.Thread(target=self._work, name="spikeloop-ephys-socket-client", daemon=True)
        self._thread.start()

    @property
    def connected(self) -> bool:
        """Whether it is still there."""
        return not self._gone

    def offer(self, first_sample: int, time_s: float, samples: int, sent: bytes) -> None:
        """Leave a frame to the thread; the first one says what the client's data begin with."""
        if self._gone:
            return
        if self.first_sample is None:
            self.first_sample, self._first_s = first_sample, time_s
        if self._frames.qsize() >= self._most:
            with suppress(Empty):
                oldest = self._frames.get_nowait()
                self._dropped += oldest[0] if oldest is not None else 0
        self._frames.put((samples, sent))

    def report(self) -> ClientReport:
        """Return what it received so far."""
        return ClientReport(self.address, self.connected, self.first_sample, self._first_s, self._sent, self._dropped)

    def end(self) -> None:
        """Have what waits sent, and then no more."""
        self._frames.put(None)

    def close(self, within_s: float) -> None:
        """Wait for the thread, so long at most, and close the connection."""
        self._thread.join(within_s)
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)  # so that a send that waits ends
        self._thread.join()

    def _work(self) -> None:
        frame = None
        with self._connection, suppress(OSError):  # it left, or was given up
            while (frame := self._frames.get()) is not None:
                self._connection.sendall(frame[1])
                self._sent += frame[0]
            self._connection.shutdown(socket.SHUT_WR)
        self._gone = True
        unsent = [frame]  # the one that failed, and those that waited behind it; none where it ended as it should
        with suppress(Empty):
            while frame is not None:
                unsent.append(frame := self._frames.get_nowait())
        self._dropped += sum(each[0] for each in unsent if each is not None)
