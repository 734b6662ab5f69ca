"""Connect a virtual device to a broker: messages in, answers out."""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spikeloop.streamer.devices.device import Device, Outgoing, document_of
from spikeloop.streamer.mqtt.address import MqttAddress, tls_context
from spikeloop.streamer.mqtt.connection import import_aiomqtt, topic_prefix
from spikeloop.streamer.mqtt.ending import end_tasks
from spikeloop.streamer.mqtt.reconnecting import ReconnectingClient
from spikeloop.streamer.stream.health import Durations

if TYPE_CHECKING:
    import aiomqtt

__all__ = ["DeviceLink", "LinkReport"]

MOST_WAITING = 1000  # messages, for a device that falls behind


@dataclass(frozen=True)
class LinkReport:
    """How a device was connected.

    Attributes
    ----------
    stream : str or None
        State of the stream, as of its latest `status`; None where there was none.
    received, sent : int
        Messages.
    reconnects : int
        Connections after the first.
    answer_ms : dict of float or None, ms
        p50, p99 and max from a message's arrival until the answer was handed to the network; None without one.
    """

    stream: str | None
    received: int
    sent: int
    reconnects: int
    answer_ms: dict[str, float] | None


class DeviceLink:
    """Hands a device what is published below spikeloop/NAME/, and publishes what it answers, at QoS 0.

    A message that can't go out at once is lost, as a late pulse would be worse than none.

    Parameters
    ----------
    device : Device
    address : MqttAddress
    name : str
        Of the stream.
    on_state : callable
        Gets the stream's state when that changes.
    clock : callable
        Returns seconds that pass.
    on_waiting : callable, optional
        Called with why the broker can't be reached yet; it is then waited for.

    Raises
    ------
    BadInputError
        If the name can't be part of a topic.
    """

    def __init__(
        self,
        device: Device,
        address: MqttAddress,
        name: str,
        on_state: Callable[[str], None] = lambda state: None,
        clock: Callable[[], float] = time.monotonic,
        on_waiting: Callable[[str], None] | None = None,
    ) -> None:
        self._device, self._address, self._prefix = device, address, topic_prefix(name)
        self._on_state, self._clock, self._on_waiting = on_state, clock, on_waiting
        self._stream: str | None = None
        self._answers = Durations()
        self._received = self._sent = self._answered = 0
        self._client: ReconnectingClient | None = None

    async def run(self, duration_s: float | None = None) -> None:
        """Run the device, until cancelled or for a duration.

        Parameters
        ----------
        duration_s : float > 0, s, optional
            By default without end.

        Raises
        ------
        FailureError, BadInputError
            If the first connection fails, unless it is waited for, or aiomqtt is missing; later connections are sought
            until they succeed.
        """
        topics = [self._prefix + topic for topic in ("status", *self._device.topics)]
        client = ReconnectingClient(
            self._address, tls_context(self._address), topics, most_waiting=MOST_WAITING, on_waiting=self._on_waiting
        )
        self._client = client
        running = asyncio.create_task(client.run(self._work))
        try:
            await asyncio.wait({running}, timeout=duration_s)
        finally:
            await end_tasks(running)
        if not running.cancelled():
            running.result()

    async def _work(self, client: "aiomqtt.Client") -> None:
        tick_s = self._device.tick_s
        acting = asyncio.create_task(self._act(client, tick_s)) if tick_s is not None else None
        try:
            await self._listen(client)  # until the connection is lost
        finally:
            if acting is not None:
                acting.cancel()

    async def _listen(self, client: "aiomqtt.Client") -> None:
        async for message in client.messages:
            arrived_s = self._clock()
            topic, payload = message.topic.value.removeprefix(self._prefix), message.payload
            if not isinstance(payload, bytes):
                continue
            if topic == "status":
                self._note_state(payload)
                continue
            self._received += 1
            answers = self._device.receive(topic, payload, arrived_s)
            if answers:
                await self._publish(client, answers)
                self._answers.add(self._clock() - arrived_s)
                self._answered += 1

    async def _act(self, client: "aiomqtt.Client", tick_s: float) -> None:
        due_s = self._clock()
        while True:
            with suppress(import_aiomqtt().MqttError):  # the connection is lost, which ends `_listen`
                await self._publish(client, self._device.tick(self._clock()))
            due_s = max(due_s + tick_s, self._clock())
            await asyncio.sleep(due_s - self._clock())

    async def _publish(self, client: "aiomqtt.Client", messages: Sequence[Outgoing]) -> None:
        for message in messages:
            await client.publish(self._prefix + message.topic, json.dumps(message.document))
            self._sent += 1

    def _note_state(self, payload: bytes) -> None:
        state = str((document_of(payload) or {}).get("state"))[:20]
        if state != self._stream:
            self._stream = state
            self._on_state(state)

    def report(self) -> LinkReport:
        """The figures so far."""
        answers = self._answers
        quantiles = {f"p{100 * share:g}": answers.quantile_s(share) * 1000 for share in (0.5, 0.99)}
        return LinkReport(
            self._stream,
            self._received,
            self._sent,
            max(0, self._client.connections - 1) if self._client is not None else 0,
            quantiles | {"max": answers.longest_s * 1000} if self._answered else None,
        )
