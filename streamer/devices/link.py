"""A device's wire: MQTT, connected anew whenever the broker comes back."""

import asyncio
import json
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.devices.device import Device, Outgoing, document_of
from spikeloop.streamer.health import Durations
from spikeloop.streamer.mqtt.address import MqttAddress, tls_context
from spikeloop.streamer.mqtt.connection import (
    ANSWER_WITHIN_S,
    AT_ONCE,
    QUIET,
    SubscriptionRefusedError,
    explain,
    import_aiomqtt,
    subscribe,
)

if TYPE_CHECKING:
    import aiomqtt

__all__ = ["DeviceLink", "LinkReport"]

SHORTEST_WAIT_S, LONGEST_WAIT_S = 0.1, 2.0  # from a lost connection to the next attempt
MOST_WAITING = 1000  # messages, for a device that falls behind


@dataclass(frozen=True)
class LinkReport:
    """How a device was connected.

    Attributes
    ----------
    stream : state of the stream, as `status` told it last; None where it never did
    received, sent : messages
    answer_ms : p50, p99 and max from a message's arrival until the answer was handed to the network; None without one
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
    name : of the stream
    on_state : is told the stream's state when that changes
    clock : seconds that pass

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
    ) -> None:
        if not name or set("/+#\0") & set(name):
            raise BadInputError(f"expected a stream's name without / + and #, found {name!r:.80}")
        self._device, self._address, self._prefix = device, address, f"spikeloop/{name}/"
        self._on_state, self._clock = on_state, clock
        self._stream: str | None = None
        self._answers = Durations()
        self._received = self._sent = self._answered = self._connections = 0

    async def run(self, duration_s: float | None = None) -> None:
        """Be the device, until cancelled or for so long.

        Raises
        ------
        FailureError, BadInputError
            If the first connection fails, or aiomqtt is missing; later connections are sought until they succeed.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(duration_s):
                await self._stay_connected()

    async def _stay_connected(self) -> None:
        lost = (import_aiomqtt().MqttError, SubscriptionRefusedError)
        wait_s = SHORTEST_WAIT_S
        while True:
            before = self._connections
            try:
                await self._connect_and_work()
            except lost as error:
                if not self._connections:
                    raise explain(error, self._address) from None
            wait_s = SHORTEST_WAIT_S if self._connections > before else min(2 * wait_s, LONGEST_WAIT_S)
            await asyncio.sleep(wait_s * random.uniform(0.5, 1.0))

    async def _connect_and_work(self) -> None:
        client = self._client()
        await client.__aenter__()
        try:
            await subscribe(client, [self._prefix + topic for topic in ("status", *self._device.topics)])
            self._connections += 1
            await self._work(client)
        finally:
            with suppress(import_aiomqtt().MqttError):  # of taking leave, which would hide a cancellation
                await client.__aexit__(None, None, None)

    async def _work(self, client: "aiomqtt.Client") -> None:
        tick_s = self._device.tick_s
        acting = asyncio.create_task(self._act(client, tick_s)) if tick_s is not None else None
        try:
            await self._listen(client)  # until the connection is lost
        finally:
            if acting is not None:
                acting.cancel()

    def _client(self) -> "aiomqtt.Client":
        address = self._address
        return import_aiomqtt().Client(
            address.host, address.port, username=address.user or None, password=address.password or None,
            tls_context=tls_context(address), timeout=ANSWER_WITHIN_S,
            max_queued_incoming_messages=MOST_WAITING, socket_options=(AT_ONCE,), logger=QUIET,
        )  # fmt: skip

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
        for each in messages:
            await client.publish(self._prefix + each.topic, json.dumps(each.document))
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
            max(0, self._connections - 1),
            quantiles | {"max": answers.longest_s * 1000} if self._answered else None,
        )
