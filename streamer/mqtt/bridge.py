"""Connect a stream to a broker, in a thread of its own, so that neither the network nor a flood disturbs the stream."""

import asyncio
import dataclasses
import math
import random as standard_random
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from spikeloop.streamer.mqtt.address import MqttAddress, tls_context
from spikeloop.streamer.mqtt.connection import import_aiomqtt, topic_prefix
from spikeloop.streamer.mqtt.echoes import Echoes
from spikeloop.streamer.mqtt.ending import end_tasks
from spikeloop.streamer.mqtt.inbox import Handlers, Inbox
from spikeloop.streamer.mqtt.namesakes import Namesakes
from spikeloop.streamer.mqtt.outbox import Outbox, Outgoing
from spikeloop.streamer.mqtt.payloads import (
    INBOUND,
    State,
    StreamStatus,
    encode_document,
    encode_spikes,
    encode_status,
)
from spikeloop.streamer.mqtt.reconnecting import ReconnectingClient
from spikeloop.streamer.mqtt.throttle import ThrottledLoop
from spikeloop.streamer.mqtt.validation import validator_of
from spikeloop.streamer.stream.health import HealthReport
from spikeloop.streamer.stream.step import Step

if TYPE_CHECKING:
    import aiomqtt

__all__ = ["BridgeReport", "MqttBridge"]

MOST_MESSAGES, MOST_BYTES = 1000, 2**24  # that wait for the broker
HEALTH_EVERY_S = 1.0
FLUSH_S = 1.0  # for what still waits at the end
FAREWELL_S = 0.5  # then, to publish that the stream is offline


@dataclass(frozen=True)
class BridgeReport:
    """How a bridge ran.

    Attributes
    ----------
    published : int
        Messages that were handed to the connection with the broker.
    dropped : int
        Messages that gave way to later ones while they waited.
    unconfirmed : int
        Messages that may not have arrived: the connection that they were handed to was lost before the broker confirmed
        them, which it does once a second.
    reconnects : int
        Connections after the first.
    refused : int
        Messages to the stream that were not accepted; of these, at most 10 a second are answered.
    namesakes : int
        Other streams of this name, which publish on the same topics.
    round_trip_ms : dict of float or None, ms
        p50 and p99 from a step to its echo; None where nothing was echoed.
    """

    published: int
    dropped: int
    unconfirmed: int
    reconnects: int
    refused: int
    namesakes: int
    round_trip_ms: dict[str, float] | None


class MqttBridge:
    """A sink of steps and a source of messages, from entering to leaving the context.

    Entering waits for the broker, for 5 s at most. A connection lost later is sought again, after 0.1 to 2 s; what
    should go out meanwhile waits, and the oldest is dropped. On leaving, what waits goes out within a second.

    Parameters
    ----------
    address : MqttAddress
    name : str
        Of the stream; topics begin with spikeloop/NAME/.
    status : StreamStatus, optional
        Published on `status`; None for a program beside the stream, which has no state and no steps.
    handlers : Handlers, optional
        Of messages to the stream; None where it accepts none.
    health : callable, optional
        Its report goes out once a second, with the bridge's own figures.
    most_messages : int >= 1
        That wait for the broker at a time.
    now : callable
        Returns seconds, for round trips.
    random : callable
        Returns 0 to 1, for the time between attempts.

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
        self._address, self._prefix = address, topic_prefix(name)
        self._status, self._health = status, health
        self._state: State = "online"
        self._outbox = Outbox(most_messages, MOST_BYTES)
        self._echoes = Echoes(now)
        answer = partial(self._send, "error")
        self._inbox = Inbox(handlers, self._echoes, answer, now) if handlers is not None else None
        self._namesakes = Namesakes(name)
        self._random = random
        self._client: ReconnectingClient | None = None
        self._will: aiomqtt.Will | None = None  # what goes out when the stream ends, in whatever manner
        self._sequence = self._published = self._confirmed = self._unconfirmed = 0
        self._state_due = self._woken = False
        self._entered: Future[None] = Future()
        self._news, self._leaving = asyncio.Event(), asyncio.Event()
        self._loop: ThrottledLoop | None = None

    def __enter__(self) -> Self:
        aiomqtt, inbound = import_aiomqtt(), INBOUND if self._inbox is not None else ()
        for topic in inbound:
            validator_of(topic)
        if self._status is not None:
            self._will = aiomqtt.Will(self._prefix + "status", encode_status("offline"), qos=1, retain=True)
        self._client = ReconnectingClient(
            self._address,
            tls_context(self._address),
            [self._prefix + topic for topic in inbound],
            identifier=f"spikeloop-{uuid.uuid4().hex[:12]}",  # MQTT 3.1.1, 3.1.3.1: 23 characters always work
            will=self._will,
            any_error=True,
            random=self._random,
        )
        self._loop = ThrottledLoop()
        self._thread = threading.Thread(
            target=self._work, args=[self._loop, self._client], name="spikeloop-mqtt", daemon=True
        )
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
        return self._client is not None and self._client.connected

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
        """Publish the stream's state; with `start_s` also when bin 0 begins, once that is known."""
        if self._status is not None and start_s is not None:
            self._status = dataclasses.replace(self._status, start_s=start_s)
        self._state, self._state_due = state, True
        self._wake()

    def report(self) -> BridgeReport:
        """The figures so far."""
        return BridgeReport(
            published=self._published,
            dropped=self._outbox.dropped,
            unconfirmed=self._unconfirmed,
            reconnects=max(0, self._client.connections - 1) if self._client is not None else 0,
            refused=self._inbox.refused if self._inbox is not None else 0,
            namesakes=self._namesakes.number,
            round_trip_ms=self._echoes.quantiles_ms(),
        )

    def _send(self, topic: str, payload: bytes) -> None:
        self._outbox.put(Outgoing(topic, payload))
        self._wake()

    def _wake(self) -> None:
        if self._loop is not None and not self._woken:
            self._woken = True
            with suppress(RuntimeError):  # closed
                self._loop.call_soon_threadsafe(self._news.set)

    def _leave(self) -> None:
        assert self._loop is not None
        for event in (self._leaving, self._news):
            with suppress(RuntimeError):  # closed
                self._loop.call_soon_threadsafe(event.set)
        self._thread.join(FLUSH_S + 4 * FAREWELL_S)

    def _work(self, loop: ThrottledLoop, client: ReconnectingClient) -> None:
        loop.set_exception_handler(lambda *_: None)  # what it would print shows as a lost connection
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(self._stay_connected(client))
        self._outbox.drop_all()

    async def _stay_connected(self, client: ReconnectingClient) -> None:
        """Stay connected until it is time to leave, or the first connection fails."""
        try:
            await client.run(self._work_with, self._greet, self._leaving)
        except Exception as error:
            self._entered.set_exception(error)
        finally:
            self._note_unconfirmed()

    async def _work_with(self, client: "aiomqtt.Client") -> None:
        """Use a connection until it ends, which raises, or it is time to leave."""
        if not self._entered.done():
            self._entered.set_result(None)
        await self._send_and_receive(client)
        client.timeout = FAREWELL_S
        if self._will is not None:
            await client.publish(self._will.topic, self._will.payload, self._will.qos, self._will.retain)
            self._confirmed = self._published

    async def _send_and_receive(self, client: "aiomqtt.Client") -> None:
        """Until it is time to leave, and what waits has gone out as far as there is time."""
        leaving = asyncio.create_task(self._leaving.wait())
        sender = asyncio.create_task(self._empty_outbox(client))
        work = [sender, *map(asyncio.create_task, (self._receive(client), self._publish_health(client)))]
        try:
            await asyncio.wait([leaving, *work], return_when=asyncio.FIRST_COMPLETED)
            if leaving.done():
                await asyncio.wait([sender], timeout=FLUSH_S)
            for task in work:
                if task.done():
                    task.result()
        finally:
            await end_tasks(leaving, *work)

    async def _empty_outbox(self, client: "aiomqtt.Client") -> None:
        self._news.set()
        while True:
            await self._news.wait()
            self._news.clear()
            self._woken = False
            if self._state_due:
                await self._publish_state(client)
            while (message := self._outbox.next()) is not None:
                try:
                    await client.publish(self._prefix + message.topic, message.payload)
                except BaseException:
                    self._outbox.put_back(message)
                    raise
                self._published += 1
            if self._leaving.is_set():
                return

    async def _receive(self, client: "aiomqtt.Client") -> None:
        async for message in client.messages:  # which raises where the connection ends
            if str(message.topic) == self._prefix + "status":
                if self._namesakes.note(bytes(message.payload), message.retain):
                    await self._publish_state(client)
            elif self._inbox is not None:
                self._inbox.receive(str(message.topic), bytes(message.payload), message.retain)

    async def _publish_health(self, client: "aiomqtt.Client") -> None:
        while True:
            await asyncio.sleep(HEALTH_EVERY_S)
            if self._health is not None:
                figures = dataclasses.asdict(self._health()) | dataclasses.asdict(self.report())
                await self._publish_confirmed(client, "health", encode_document(figures), within_s=math.inf)

    async def _greet(self, client: "aiomqtt.Client") -> None:
        """Publish the state, and hear of others that do so."""
        self._note_unconfirmed()  # of the connection before
        if self._status is not None:
            await client.subscribe(self._prefix + "status", 1)  # where that is refused, others are not noticed
        await self._publish_state(client)

    async def _publish_state(self, client: "aiomqtt.Client") -> None:
        self._state_due = False
        if self._status is not None:
            status = encode_status(self._state, self._status, self._namesakes.run)
            await self._publish_confirmed(client, "status", status, retain=True)

    async def _publish_confirmed(
        self,
        client: "aiomqtt.Client",
        topic: str,
        payload: bytes,
        *,
        retain: bool = False,
        within_s: float | None = None,
    ) -> None:
        """Publish at QoS 1: once the broker confirms it, it has read all that was published before."""
        self._published += 1
        published = self._published
        await client.publish(self._prefix + topic, payload, 1, retain, timeout=within_s)
        self._confirmed = max(self._confirmed, published)

    def _note_unconfirmed(self) -> None:
        """Count what a connection that is no more was handed, and the broker did not confirm."""
        self._unconfirmed += self._published - self._confirmed
        self._confirmed = self._published
