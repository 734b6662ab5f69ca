"""Between a stream and a broker: a thread of its own, so that neither the network nor a flood disturbs the stream."""

import asyncio
import dataclasses
import random as standard_random
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.health import HealthReport
from spikeloop.streamer.loop import Step
from spikeloop.streamer.mqtt.address import MqttAddress, tls_context
from spikeloop.streamer.mqtt.connection import (
    ANSWER_WITHIN_S,
    explain,
    import_aiomqtt,
    open_client,
    subscribe,
)
from spikeloop.streamer.mqtt.echoes import Echoes
from spikeloop.streamer.mqtt.inbox import Handlers, Inbox
from spikeloop.streamer.mqtt.outbox import Outbox, Outgoing
from spikeloop.streamer.mqtt.payloads import (
    INBOUND,
    State,
    StreamStatus,
    encode_document,
    encode_spikes,
    encode_status,
)
from spikeloop.streamer.mqtt.throttle import ThrottledLoop
from spikeloop.streamer.mqtt.validation import validator_of

if TYPE_CHECKING:
    import aiomqtt

__all__ = ["BridgeReport", "MqttBridge", "backoff"]

PREFIX = "spikeloop"  # of every topic
MOST_MESSAGES, MOST_BYTES = 1000, 2**24  # that wait for the broker
HEALTH_EVERY_S = 1.0
FLUSH_S = 1.0  # for what still waits at the end
FAREWELL_S = 0.5  # then, to tell that the stream is offline
SHORTEST_BACKOFF_S, LONGEST_BACKOFF_S = 0.1, 2.0


@dataclass(frozen=True)
class BridgeReport:
    """How a bridge ran.

    Attributes
    ----------
    published : messages that were handed to the connection with the broker
    dropped : that gave way to later ones while they waited
    reconnects : connections after the first
    refused : messages to the stream that were not taken; of these, at most 10 a second are answered
    round_trip_ms : p50 and p99 from a step to its echo; None where nothing was echoed
    """

    published: int
    dropped: int
    reconnects: int
    refused: int
    round_trip_ms: dict[str, float] | None


class MqttBridge:
    """A sink of steps and a source of messages, from entering to leaving the context.

    Entering waits for the broker, for 5 s at most. A connection lost later is sought again, after 0.1 to 2 s; what
    should go out meanwhile waits, and the oldest is dropped. On leaving, what waits goes out within a second.

    Parameters
    ----------
    name : of the stream; topics begin with spikeloop/NAME/
    status : told on `status`; None for a program beside the stream, which has no state to tell and no steps
    handlers : of messages to the stream; None where it takes none
    health : its report goes out once a second, with the bridge's own figures
    most_messages : that wait for the broker at a time
    now : for round trips, in seconds
    random : 0 to 1, for the time between attempts

    Raises
    ------
    BadInputError
        If the name can't be part of a topic. On entering, if the host is unknown, the login is refused, or the files
        of TLS can't be used.
    FailureError
        On entering, if the broker can't be reached, its certificate is refused or it refuses our subscriptions, or if
        aiomqtt or jsonschema is missing.
    """

    def __init__(
        self,
        address: MqttAddress,
        name: str,
        status: StreamStatus | None = None,
        handlers: Handlers | None = None,
        health: Callable[[], HealthReport] | None = None,
        *,
        most_messages: int = MOST_MESSAGES,
        now: Callable[[], float] = time.perf_counter,
        random: Callable[[], float] = standard_random.random,
    ) -> None:
        if not name or set("/+#\0") & set(name):
            raise BadInputError(f"expected a stream name without / + and #, found {name!r:.80}; take another")
        self._address, self._name = address, name
        self._status, self._health = status, health
        self._state: State = "online"
        self._outbox = Outbox(most_messages, MOST_BYTES)
        self._echoes = Echoes(now)
        answer = partial(self._send, "error")
        self._inbox = Inbox(handlers, self._echoes, answer, now) if handlers is not None else None
        self._random = random
        self._identifier = f"{PREFIX}-{uuid.uuid4().hex[:12]}"  # MQTT 3.1.1, 3.1.3.1: 23 characters always work
        self._sequence = self._published = self._connections = 0
        self._connected = self._state_due = self._told_of_news = False
        self._entered: Future[None] = Future()
        self._news, self._leaving = asyncio.Event(), asyncio.Event()
        self._loop: ThrottledLoop | None = None

    def __enter__(self) -> Self:
        import_aiomqtt()
        self._tls = tls_context(self._address)
        for topic in INBOUND if self._inbox is not None else ():
            validator_of(topic)
        self._loop = ThrottledLoop()
        self._thread = threading.Thread(target=self._work, args=[self._loop], name="spikeloop-mqtt", daemon=True)
        self._thread.start()
        try:
            self._entered.result()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._leave()

    @property
    def connected(self) -> bool:
        """Whether there is a connection at present."""
        return self._connected

    def push(self, step: Step) -> None:
        """Send a step's spikes; returns at once."""
        assert self._status is not None, "only a stream has steps"
        payload = encode_spikes(step, self._sequence, self._status.bin_size_s)
        self._echoes.sent(self._sequence)
        self._sequence += 1
        self._send("spikes", payload)

    def mark(self, event: str, stamp_s: float, **more: Any) -> None:
        """Send a marker of what happens at this time of LSL's clock; from any thread, returns at once."""
        self.publish("marker", {"event": event, "stamp_s": stamp_s} | more)

    def publish(self, topic: str, document: Mapping[str, Any]) -> None:
        """Send a document as JSON on a topic of the stream (its last level); from any thread, returns at once."""
        self._send(topic, encode_document(document))

    def set_state(self, state: State, start_s: float | None = None) -> None:
        """Tell the stream's state; with `start_s` also when bin 0 begins, once that is known."""
        if self._status is not None and start_s is not None:
            self._status = dataclasses.replace(self._status, start_s=start_s)
        self._state, self._state_due = state, True
        self._wake()

    def report(self) -> BridgeReport:
        """The figures so far."""
        return BridgeReport(
            published=self._published,
            dropped=self._outbox.dropped,
            reconnects=max(0, self._connections - 1),
            refused=self._inbox.refused if self._inbox is not None else 0,
            round_trip_ms=self._echoes.quantiles_ms(),
        )

    def _send(self, topic: str, payload: bytes) -> None:
        self._outbox.put(Outgoing(topic, payload))
        self._wake()

    def _wake(self) -> None:
        if self._loop is not None and not self._told_of_news:
            self._told_of_news = True
            with suppress(RuntimeError):  # closed
                self._loop.call_soon_threadsafe(self._news.set)

    def _leave(self) -> None:
        assert self._loop is not None
        for event in (self._leaving, self._news):
            with suppress(RuntimeError):  # closed
                self._loop.call_soon_threadsafe(event.set)
        self._thread.join(FLUSH_S + 4 * FAREWELL_S)

    def _work(self, loop: ThrottledLoop) -> None:
        loop.set_exception_handler(lambda *_: None)  # what it would print shows as a lost connection
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(self._stay_connected())
        self._outbox.drop_all()

    async def _stay_connected(self) -> None:
        """Connect, again and again, until it is time to leave, or the first connection fails."""
        waits = backoff(self._random)
        while not self._leaving.is_set():
            connections = self._connections
            try:
                await self._connect()
            except Exception as error:  # of any kind: a later one is one more reason to connect again
                if not self._entered.done():
                    self._entered.set_exception(explain(error, self._address))
                    return
            self._connected = False
            if self._connections > connections:
                waits = backoff(self._random)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._leaving.wait(), next(waits))

    async def _connect(self) -> None:
        """Be connected until the connection ends, which raises, or it is time to leave."""
        will = import_aiomqtt().Will(self._topic("status"), encode_status("offline"), qos=1, retain=True)
        client = open_client(self._address, self._tls, self._identifier, will if self._status is not None else None)
        async with asyncio.timeout(ANSWER_WITHIN_S) as patience, client:
            await self._tell_state(client)
            if self._inbox is not None:
                await subscribe(client, [self._topic(topic) for topic in INBOUND])
            patience.reschedule(None)
            self._connections += 1
            self._connected = True
            if not self._entered.done():
                self._entered.set_result(None)
            await self._send_and_receive(client)
            client.timeout = FAREWELL_S
            if self._status is not None:
                await client.publish(will.topic, will.payload, will.qos, will.retain)

    async def _send_and_receive(self, client: "aiomqtt.Client") -> None:
        """Until it is time to leave, and what waits has gone out as far as there is time."""
        leaving = asyncio.create_task(self._leaving.wait())
        sender = asyncio.create_task(self._empty_outbox(client))
        work = [sender, *map(asyncio.create_task, (self._receive(client), self._tell_health()))]
        try:
            await asyncio.wait([leaving, *work], return_when=asyncio.FIRST_COMPLETED)
            if leaving.done():
                await asyncio.wait([sender], timeout=FLUSH_S)
            for task in work:
                if task.done():
                    task.result()
        finally:
            for task in (leaving, *work):
                task.cancel()
            await asyncio.gather(leaving, *work, return_exceptions=True)

    async def _empty_outbox(self, client: "aiomqtt.Client") -> None:
        self._news.set()
        while True:
            await self._news.wait()
            self._news.clear()
            self._told_of_news = False
            if self._state_due:
                await self._tell_state(client)
            while (message := self._outbox.take()) is not None:
                try:
                    await client.publish(self._topic(message.topic), message.payload)
                except BaseException:
                    self._outbox.put_back(message)
                    raise
                self._published += 1
            if self._leaving.is_set():
                return

    async def _receive(self, client: "aiomqtt.Client") -> None:
        async for message in client.messages:  # which raises where the connection ends
            if self._inbox is not None:
                self._inbox.receive(str(message.topic), bytes(message.payload), message.retain)

    async def _tell_health(self) -> None:
        while True:
            await asyncio.sleep(HEALTH_EVERY_S)
            if self._health is not None:
                self.publish("health", dataclasses.asdict(self._health()) | dataclasses.asdict(self.report()))

    async def _tell_state(self, client: "aiomqtt.Client") -> None:
        self._state_due = False
        if self._status is not None:
            await client.publish(self._topic("status"), encode_status(self._state, self._status), 1, True)
            self._published += 1

    def _topic(self, last: str) -> str:
        return f"{PREFIX}/{self._name}/{last}"


def backoff(random: Callable[[], float]) -> Iterator[float]:
    """Seconds to wait before each attempt: doubling, and up to a half less at random, so that not all come at once."""
    longest_s = SHORTEST_BACKOFF_S
    while True:
        yield longest_s * (1 - random() / 2)
        longest_s = min(LONGEST_BACKOFF_S, 2 * longest_s)
