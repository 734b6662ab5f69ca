"""A client of a broker that connects anew whenever the connection is lost."""

import asyncio
import random as standard_random
import ssl
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from spikeloop.models.errors import SpikeloopError
from spikeloop.streamer.mqtt.address import MqttAddress
from spikeloop.streamer.mqtt.connection import (
    ANSWER_WITHIN_S,
    SubscriptionRefusedError,
    UnreachableError,
    explain,
    import_aiomqtt,
    open_client,
    subscribe,
)

if TYPE_CHECKING:
    import aiomqtt

__all__ = ["ReconnectingClient", "backoff"]

SHORTEST_BACKOFF_S, LONGEST_BACKOFF_S = 0.1, 2.0

Work = Callable[["aiomqtt.Client"], Awaitable[None]]


class ReconnectingClient:
    """Connects, subscribes, and hands the connection to those who work with it; again whenever it is lost.

    Parameters
    ----------
    address : MqttAddress
    tls : ssl.SSLContext or None
        As of `tls_context`.
    topics : sequence of str
        To subscribe to, at QoS 1.
    identifier : str, optional
        As of `open_client`.
    will : aiomqtt.Will, optional
    most_waiting : int, optional
        Messages that wait to be read; the rest is discarded. By default all wait.
    any_error : bool
        Whether any error of the work is one more reason to connect again, and not only a lost connection.
    random : callable
        Returns 0 to 1, for the time between attempts.
    on_waiting : callable, optional
        Called with why the broker can't be reached yet, once for each reason; the first connection is then sought until
        it succeeds.

    Attributes
    ----------
    connected : bool
    connections : int
        So far.
    """

    def __init__(
        self,
        address: MqttAddress,
        tls: ssl.SSLContext | None,
        topics: Sequence[str],
        *,
        identifier: str | None = None,
        will: "aiomqtt.Will | None" = None,
        most_waiting: int | None = None,
        any_error: bool = False,
        random: Callable[[], float] = standard_random.random,
        on_waiting: Callable[[str], None] | None = None,
    ) -> None:
        self.connected, self.connections = False, 0
        self._address, self._topics, self._random = address, list(topics), random
        self._open = lambda: open_client(address, tls, identifier, will, most_waiting)
        self._mqtt_error = import_aiomqtt().MqttError
        self._on_waiting, self._waits_for = on_waiting, ""
        lost = (self._mqtt_error, SubscriptionRefusedError, TimeoutError)
        self._lost = (Exception,) if any_error else lost

    async def run(self, work: Work, greet: Work | None = None, leaving: asyncio.Event | None = None) -> None:
        """Stay connected until cancelled, or until it is time to leave.

        Parameters
        ----------
        work : callable
            Works with a connection; raises when that is lost, and returns when it is time to leave.
        greet : callable, optional
            Called first; a connection counts only when it has returned, for which there is as little time as for
            connecting.
        leaving : asyncio.Event, optional
            Set when it is time to leave.

        Raises
        ------
        FailureError, BadInputError
            If the first connection fails, unless it is to be waited for; later ones are sought until they succeed.
        """
        leaving = leaving or asyncio.Event()
        waits = backoff(self._random)
        while not leaving.is_set():
            before, failure = self.connections, None
            try:
                await self._connect(work, greet)
            except self._lost as error:
                failure = explain(error, self._address)
            finally:
                self.connected = False
            if failure is not None and not self.connections and not self._waits(failure):
                raise failure  # out here, as an error's context would keep the client and its socket alive
            if self.connections > before:
                waits = backoff(self._random)
            with suppress(TimeoutError):
                await asyncio.wait_for(leaving.wait(), next(waits))

    def _waits(self, failure: SpikeloopError) -> bool:
        """Whether to wait for the first connection, which failed so; says why."""
        if self._on_waiting is None or not isinstance(failure, UnreachableError):
            return False
        if str(failure) != self._waits_for:
            self._waits_for = str(failure)
            self._on_waiting(self._waits_for)
        return True

    async def _connect(self, work: Work, greet: Work | None) -> None:
        async with asyncio.timeout(ANSWER_WITHIN_S) as patience:
            client = await self._open().__aenter__()
            try:
                if self._topics:
                    await subscribe(client, self._topics)
                if greet is not None:
                    await greet(client)
                patience.reschedule(None)
                self.connections += 1
                self.connected = True
                await work(client)
            finally:
                with suppress(self._mqtt_error):  # of taking leave, which would hide a cancellation
                    await client.__aexit__(None, None, None)


def backoff(random: Callable[[], float]) -> Iterator[float]:
    """Seconds to wait before each attempt: doubling, and up to a half less at random, so that not all come at once."""
    longest_s = SHORTEST_BACKOFF_S
    while True:
        yield longest_s * (1 - random() / 2)
        longest_s = min(LONGEST_BACKOFF_S, 2 * longest_s)
