"""What stands in for a stream and for a device in the tests of the bridge."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Self

import numpy as np
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from spikeloop.streamer.mqtt.payloads import (
    ConditionMessage,
    ControlMessage,
    PerturbMessage,
    StimulateMessage,
    StreamStatus,
)
from spikeloop.streamer.stream.health import HealthReport
from spikeloop.streamer.stream.step import Step

__all__ = ["BIN_S", "HEALTH", "STATUS", "Device", "Recorder", "fake_step", "wait_until"]

BIN_S, BINS, UNITS = 0.001, 20, 50
STATUS = StreamStatus("retina", "0" * 64, 7, UNITS, BIN_S, BINS, start_s=1000.0)
NOTHING = float("nan")
HEALTH = HealthReport(0, 0, NOTHING, dict.fromkeys(("p50", "p99", "max"), NOTHING), 0,
                      dict.fromkeys(("p50", "p99"), NOTHING), NOTHING, NOTHING)  # fmt: skip


def fake_step(number: int, random: np.random.Generator | None = None, spikes: int = 5) -> Step:
    """Step `number` of a stream that began at 1000 s."""
    random = random or np.random.default_rng(number)
    first_bin = number * BINS
    bins = np.sort(random.integers(0, BINS, spikes))
    units = random.integers(0, UNITS, spikes)
    counts = np.zeros((BINS, UNITS), np.uint8)
    np.add.at(counts, (bins, units), 1)
    times_s = np.sort(1000.0 + (first_bin + bins + random.random(spikes)) * BIN_S)
    stamps_s = 1000.0 + (first_bin + 1 + np.arange(BINS)).astype(np.float64) * BIN_S
    return Step(first_bin, counts, np.zeros((BINS, 0), np.float32), stamps_s, units.astype(np.int32), times_s)


class Recorder:
    """Handlers that keep what they are given, and refuse on request."""

    def __init__(self, refusal: str | None = None) -> None:
        self.messages: list[ConditionMessage | ControlMessage | StimulateMessage | PerturbMessage] = []
        self.refusal = refusal

    def condition(self, message: ConditionMessage) -> str | None:
        self.messages.append(message)
        return self.refusal

    def control(self, message: ControlMessage) -> str | None:
        self.messages.append(message)
        return self.refusal

    def stimulate(self, message: StimulateMessage) -> str | None:
        self.messages.append(message)
        return self.refusal

    def perturb(self, message: PerturbMessage) -> str | None:
        self.messages.append(message)
        return self.refusal


class Device:
    """A client of another make than the bridge's: paho on a thread.

    Parameters
    ----------
    topics : last levels, that it subscribes to
    stream : name of the stream
    echoes : whether it answers each message of `spikes`

    Attributes
    ----------
    received : (topic's last level, payload, retained, time.monotonic()) of all that came
    """

    def __init__(self, port: int, topics: Sequence[str] = ("#",), echoes: bool = False, stream: str = "test") -> None:
        self._prefix, self._topics = f"spikeloop/{stream}/", topics
        self._echoes = echoes
        self.received: list[tuple[str, bytes, bool, float]] = []
        self._subscribed = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = self._on_message
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._port = port

    def __enter__(self) -> Self:
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        assert self._subscribed.wait(280)
        return self

    def __exit__(self, *error: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def send(self, topic: str, payload: str | bytes, qos: int = 0, retain: bool = False) -> None:
        self._client.publish(self._prefix + topic, payload, qos, retain)

    def payloads(self, topic: str) -> list[bytes]:
        return [payload for found, payload, _, _ in list(self.received) if found == topic]

    def _on_connect(self, *_: object) -> None:
        self._client.subscribe([(self._prefix + topic, 1) for topic in self._topics])

    def _on_message(self, client: paho.Client, userdata: object, message: paho.MQTTMessage) -> None:
        topic = message.topic.removeprefix(self._prefix)
        self.received.append((topic, bytes(message.payload), message.retain, time.monotonic()))
        if self._echoes and topic == "spikes":
            sequence = int.from_bytes(message.payload[4:8], "little")
            self.send("echo", f'{{"sequence": {sequence}}}')


def wait_until(fulfilled: Callable[[], object], within_s: float = 60.0) -> bool:
    """Whether something is true, soon."""
    deadline_s = time.monotonic() + within_s
    while not fulfilled():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.005)
    return True
