"""A server for the plugin "Ephys Socket" of the Open Ephys GUI, and for whatever else reads its packets.

The GUI is the client: it connects to port 9001 and reads; nothing that it or another program sends is looked at.
"""

import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Self

from spikeloop.models.listening import listen
from spikeloop.streamer.bridges.ephys_socket_client import Client, ClientReport
from spikeloop.streamer.bridges.ephys_socket_packets import packet
from spikeloop.streamer.bridges.listening_address import ListeningAddress
from spikeloop.streamer.broadband.frames import Frames, frame_samples
from spikeloop.streamer.broadband.step_traces import Trace

__all__ = ["EphysSocketReport", "EphysSocketServer", "ephys_socket_words"]

MOST_CLIENTS = 8
MOST_GONE = 100  # clients whose figures are kept when they are gone
LOOK_S = 0.25  # how often the waiting thread looks whether to end
FLUSH_S = 1.0  # for what still waits at the end

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EphysSocketReport:
    """How the server ran.

    Attributes
    ----------
    address : str
        On which it listened.
    clients : tuple of ClientReport
        In the order in which they came; of those that left, the latest 100.
    refused : int
        Connections that were closed at once, as eight clients were there.
    left_out : int
        Samples that no client could get, because steps of voltage were left out.
    """

    address: str
    clients: tuple[ClientReport, ...]
    refused: int
    left_out: int


class EphysSocketServer:
    """Listens from entering to leaving the context; `push` hands it the voltage.

    Every packet has 10 ms. A client's data begin with the first packet that is complete after it connected. A client
    that is too slow loses the oldest packets of more than a second; one that leaves may come back. Each is served by
    a thread of its own, so nobody waits for another.

    Parameters
    ----------
    address : ListeningAddress
    rate_hz : int, Hz
        Of samples.

    Attributes
    ----------
    address : ListeningAddress
        With the port that it listens on, once it does.

    Raises
    ------
    BadInputError
        On entering, if the host is none of this machine.
    FailureError
        On entering, if it can't listen there.
    """

    def __init__(self, address: ListeningAddress, rate_hz: int) -> None:
        self._asked, self._rate_hz = address, rate_hz
        self.address = address
        self._frames = Frames(frame_samples(rate_hz))
        self._start_s = 0.0
        self._mark: Callable[..., Any] = lambda *facts, **more: None
        self._clients: list[Client] = []
        self._gone: deque[ClientReport] = deque(maxlen=MOST_GONE)
        self._refused = 0
        self._changing = threading.Lock()
        self._ending = threading.Event()

    def __enter__(self) -> Self:
        self._socket = listen(self._asked.host, self._asked.port, "--ephys-socket")
        self.address = ListeningAddress(self._asked.host, self._socket.getsockname()[1])
        self._socket.settimeout(LOOK_S)
        self._thread = threading.Thread(target=self._accept, name="spikeloop-ephys-socket", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ending.set()
        self._thread.join()
        self._socket.close()
        for client in self._clients:
            client.end()
        end_s = time.monotonic() + FLUSH_S
        for client in self._clients:
            client.close(max(0.0, end_s - time.monotonic()))

    def begin(self, start_s: float, mark: Callable[..., Any]) -> None:
        """Say when sample 0 is, on LSL's clock, and what to call with each client's first sample.

        Parameters
        ----------
        start_s : float, s
        mark : callable
            `mark(event, stamp_s, **details)`, called from the thread of `push`.
        """
        self._start_s, self._mark = start_s, mark

    def push(self, trace: Trace) -> None:
        """Send consecutive samples to every client; returns at once."""
        for first_sample, values in self._frames.of(trace):
            self._forget_gone()
            if not (clients := tuple(self._clients)):
                continue
            sent, time_s = packet(values), self._start_s + first_sample / self._rate_hz
            for client in clients:
                is_new = client.first_sample is None
                client.offer(first_sample, time_s, len(values), sent)
                if is_new:
                    logger.info("Ephys Socket: %s connected; its first sample is %d", client.address, first_sample)
                    self._mark("ephys_socket", time_s, client=client.address, first_sample=first_sample)

    def invitation(self, channels: int, microvolts_per_bit: float) -> str:
        """Return what to enter in the Open Ephys GUI, in a line."""
        return (
            f"Open Ephys GUI: Ephys Socket, port {self.address.port} of {self.address.host}, {self._rate_hz} Hz, scale"
            f" {microvolts_per_bit:g}, offset 0; {channels} channels"
        )

    def remark(self) -> str:
        """Return the address, the clients and what they lost, in a few words."""
        with self._changing:
            reports = [client.report() for client in self._clients]
        first = "".join(f", from sample {each.first_sample}" for each in reports[:1] if each.first_sample is not None)
        dropped = sum(each.dropped for each in (*self._gone, *reports))
        here = sum(each.connected for each in reports)
        return f"Ephys Socket {self.address}: {here} client{'s' * (here != 1)}{first}, {dropped} samples dropped"

    def report(self) -> EphysSocketReport:
        """Return the figures so far."""
        with self._changing:
            reports = (*self._gone, *(client.report() for client in self._clients))
        return EphysSocketReport(str(self.address), reports, self._refused, self._frames.left_out)

    def _accept(self) -> None:
        while not self._ending.is_set():
            try:
                self._admit(*self._socket.accept())
            except TimeoutError:
                continue
            except (OSError, RuntimeError) as error:  # too many open files or threads, or it was gone at once
                logger.warning("Ephys Socket: a connection failed (%s)", error)
                self._ending.wait(LOOK_S)

    def _admit(self, connection: socket.socket, peer: tuple[Any, ...]) -> None:
        """Serve a client that connected; where this fails, the connection is closed."""
        with ExitStack() as unless_served:
            unless_served.callback(connection.close)
            self._forget_gone()
            if len(self._clients) >= MOST_CLIENTS:
                self._refused += 1
                return
            client = Client(connection, str(ListeningAddress(peer[0], peer[1])))
            unless_served.pop_all()
        with self._changing:
            self._clients.append(client)

    def _forget_gone(self) -> None:
        """Keep only the figures of clients that left."""
        if all(client.connected for client in self._clients):
            return
        with self._changing:
            self._gone += [client.report() for client in self._clients if not client.connected]
            self._clients = [client for client in self._clients if client.connected]


def ephys_socket_words(report: EphysSocketReport) -> str:
    """Put the figures into words, on a line, and one for each of the last clients."""
    lines = [
        f"Ephys Socket {report.address}: {len(report.clients)} client{'s' * (len(report.clients) != 1)},"
        f" {report.refused} refused, {report.left_out} samples left out"
    ]
    for client in report.clients[-MOST_CLIENTS:]:
        began = "no sample"
        if client.first_sample is not None:
            began = f"from sample {client.first_sample}, at LSL time {client.first_sample_s:.6f} s"
        lines.append(f"  {client.address}: {began}, {client.samples} samples sent, {client.dropped} dropped")
    return "\n".join(lines)
