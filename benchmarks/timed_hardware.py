"""A spikeloop command that notes when messages pass: `timed_hardware.py OUT.npz COMMAND ...`, on LSL's clock.

Of a stream: `pushed` (when a step was handed to the bridge, by its sequence), and for each stimulus `ids`, `received`
and `begins` (from when on it acts). Of a stimulator: for each stimulus `ids`, `arrived` (the message that it answers)
and `sequences` (of that message).
"""

import sys
from typing import Any

import numpy as np
import pylsl

from spikeloop.__main__ import main
from spikeloop.streamer.devices.stimulator import Stimulator
from spikeloop.streamer.mqtt.bridge import MqttBridge
from spikeloop.streamer.mqtt.payloads import decode_spikes
from spikeloop.streamer.mqtt.remote_control import RemoteControl

noted: dict[str, list[Any]] = {}


def note(**values: Any) -> None:
    for key, value in values.items():
        noted.setdefault(key, []).append(value)


def time_stream() -> None:
    push, stimulate, mark = MqttBridge.push, RemoteControl.stimulate, MqttBridge.mark

    def timed_push(self: Any, step: Any) -> None:
        note(pushed=pylsl.local_clock())
        push(self, step)

    def timed_stimulate(self: Any, message: Any) -> str | None:
        note(received=pylsl.local_clock(), ids=message.id)
        return stimulate(self, message)

    def timed_mark(self: Any, event: str, stamp_s: float, **more: Any) -> None:
        note(begins=stamp_s)
        mark(self, event, stamp_s, **more)

    MqttBridge.push, RemoteControl.stimulate, MqttBridge.mark = timed_push, timed_stimulate, timed_mark


def time_stimulator() -> None:
    receive = Stimulator.receive

    def timed_receive(self: Any, topic: str, payload: bytes, now_s: float) -> Any:
        arrived = pylsl.local_clock()
        answers = receive(self, topic, payload, now_s)
        for answer in answers:
            note(arrived=arrived, ids=answer.document["id"], sequences=decode_spikes(payload).sequence)
        return answers

    Stimulator.receive = timed_receive


if __name__ == "__main__":
    (time_stream if sys.argv[2] == "stream" else time_stimulator)()
    try:
        main(sys.argv[2:])
    finally:
        np.savez(sys.argv[1], **noted)  # type: ignore[arg-type]
