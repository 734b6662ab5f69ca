"""The bridge against real brokers, with a device of another make at the other side."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from spikeloop.streamer.mqtt.address import MqttAddress
from spikeloop.streamer.mqtt.bridge import MqttBridge
from spikeloop.streamer.mqtt.namesakes import Namesakes
from spikeloop.streamer.mqtt.payloads import ConditionMessage, ControlMessage, StimulateMessage, decode_spikes
from spikeloop.streamer.mqtt.validation import validator_of
from tests.support.broker import BROKERS, Broker, Mosquitto
from tests.support.mqtt_stand_ins import HEALTH, STATUS, Device, Recorder, fake_step, wait_until


@pytest.fixture(params=BROKERS)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    with BROKERS[request.param](tmp_path) as running:
        yield running


def bridge_to(broker: Broker, handlers: Recorder | None = None, **options) -> MqttBridge:
    address = MqttAddress("127.0.0.1", broker.port)
    return MqttBridge(address, "test", STATUS, handlers or Recorder(), **options)


def states(device: Device) -> list[str]:
    return [json.loads(payload)["state"] for payload in device.payloads("status")]


def sequences(device: Device) -> list[int]:
    return [decode_spikes(payload).sequence for payload in device.payloads("spikes")]


def test_every_topic_out(broker):
    with Device(broker.port) as device:
        with bridge_to(broker, health=lambda: HEALTH) as bridge:
            for number in range(20):
                bridge.push(fake_step(number))
            bridge.mark("stimulate", 1000.5, id="a", units=[1, 2], amplitude_ua=20.0)
            bridge.publish("monitor", {"mean_rate_hz": float("nan"), "bins": np.int64(3)})
            bridge.publish("cursor", {"stamp_s": 1.0, "position_cm": [0, 1], "velocity_cm_s": [2, 3], "target": None})
            bridge.set_state("paused")
            device.send("echo", "nonsense")
            assert wait_until(lambda: device.payloads("health") and device.payloads("error"))
            bridge.set_state("online", start_s=1234.5)
            assert wait_until(lambda: len(states(device)) == 3)
        assert wait_until(lambda: states(device)[-1] == "offline")
    assert states(device) == ["online", "paused", "online", "offline"]
    assert json.loads(device.payloads("status")[2])["start_s"] == 1234.5
    for number, payload in enumerate(device.payloads("spikes")):
        message, step = decode_spikes(payload), fake_step(number)
        assert (message.sequence, message.first_bin) == (number, step.first_bin)
        np.testing.assert_array_equal(message.units, step.event_units)
    assert len(device.payloads("spikes")) == 20
    for topic in ("status", "health", "marker", "error", "monitor", "cursor"):
        documents = [json.loads(payload) for payload in device.payloads(topic)]
        assert documents, topic
        for document in documents:
            validator_of(topic).validate(document)
    assert json.loads(device.payloads("marker")[0])["units"] == [1, 2]
    assert json.loads(device.payloads("monitor")[0]) == {"mean_rate_hz": None, "bins": 3}
    report = bridge.report()
    assert (report.dropped, report.reconnects, report.refused) == (0, 0, 1)


def test_two_streams_of_one_name_notice_each_other_and_keep_their_status(broker, caplog):
    with Device(broker.port) as device, bridge_to(broker) as first:
        with bridge_to(broker) as second:
            assert wait_until(lambda: first.report().namesakes == second.report().namesakes == 1)
        assert wait_until(lambda: "offline" in states(device) and states(device)[-1] == "online")
        assert json.loads(device.payloads("status")[-1])["run"] == first._namesakes.run
    assert [record.getMessage().partition(";")[0] for record in caplog.records if record.levelname == "WARNING"] == [
        "another stream named 'test' publishes to the same broker"
    ] * 2
    assert wait_until(lambda: states(device)[-1] == "offline")


def test_a_stream_that_connects_again_is_no_namesake_of_itself(broker):
    with bridge_to(broker) as bridge, Device(broker.port) as device:
        broker.kill()
        broker.start()
        assert wait_until(lambda: bridge.report().reconnects >= 1 and bridge.connected)
        bridge.set_state("paused")
        assert wait_until(lambda: "paused" in states(device))
    assert bridge.report().namesakes == 0


@pytest.mark.parametrize(
    ("payload", "others"),
    [
        (b"", 0), (b"[" * 10_000, 0), (b"3", 0), (b"[]", 0), (b"\xff", 0),
        (b'{"state": 3}', 1), (b'{"state": [], "run": {}}', 1),
    ],
)  # fmt: skip
def test_a_status_of_any_content_is_heard(payload, others):
    namesakes = Namesakes("test")
    assert namesakes.note(payload, retained=False) == bool(others)
    assert namesakes.number == others
    assert not namesakes.note(payload, retained=True)


def test_every_topic_in(broker):
    handlers = Recorder()
    with bridge_to(broker, handlers) as bridge, Device(broker.port, echoes=True) as device:
        for qos in (0, 1):
            device.send("condition", '{"values": [1, 2], "stamp_s": 5}', qos)
            device.send("control", '{"command": "gain", "value": 2}', qos)
            device.send("stimulate", '{"units": [4], "amplitude_ua": 30}', qos)
            device.send("control", '{"command": "seed", "value": 2}', qos)
        for number in range(20):
            bridge.push(fake_step(number))
            time.sleep(0.01)
        assert wait_until(lambda: len(handlers.messages) == 6 and bridge.report().round_trip_ms)
        assert handlers.messages[:3] == [
            ConditionMessage((1.0, 2.0), 5.0), ControlMessage("gain", 2.0), StimulateMessage((4,), 30.0),
        ]  # fmt: skip
        assert wait_until(lambda: bridge.report().refused == 2)
        assert all("seed" in json.loads(payload)["reason"] for payload in device.payloads("error"))
        round_trip_ms = bridge.report().round_trip_ms
        assert round_trip_ms is not None
        assert 0 < round_trip_ms["p50"] <= round_trip_ms["p99"] < 1000


def test_status_is_retained_and_survives_neither_as_another(broker):
    with bridge_to(broker):
        with Device(broker.port) as device:
            assert wait_until(lambda: device.received)
        topic, payload, retained, _ = device.received[0]
        assert (topic, retained) == ("status", True)
        assert json.loads(payload)["sha256"] == STATUS.sha256
    with Device(broker.port) as device:
        assert wait_until(lambda: device.received)
    assert device.received[0][:3] == ("status", b'{"state":"offline"}', True)


def test_a_retained_stimulus_is_not_given_again(broker):
    handlers = Recorder()
    with Device(broker.port) as device:
        device.send("stimulate", '{"units": [4], "amplitude_ua": 30}', 1, retain=True)
        time.sleep(0.2)
        with bridge_to(broker, handlers) as bridge:
            assert wait_until(lambda: bridge.report().refused)
            device.send("stimulate", '{"units": [5], "amplitude_ua": 30}', 1)
            assert wait_until(lambda: handlers.messages)
        device.send("stimulate", "", 1, retain=True)
    assert handlers.messages == [StimulateMessage((5,), 30.0)]


def test_a_program_beside_the_stream_tells_no_state(broker):
    with (
        Device(broker.port) as device,
        MqttBridge(MqttAddress("127.0.0.1", broker.port), "test") as beside,
    ):
        beside.publish("monitor", {"bins": 1})
        device.send("control", "nonsense")
        assert wait_until(lambda: device.payloads("monitor"))
    assert not device.payloads("status")
    assert not device.payloads("error")


PUBLISHER = """
import sys, time
from spikeloop.streamer.mqtt.bridge import MqttBridge
from spikeloop.streamer.mqtt.address import MqttAddress
from tests.support.mqtt_stand_ins import STATUS, Recorder
with MqttBridge(MqttAddress("127.0.0.1", int(sys.argv[1])), "test", STATUS, Recorder()):
    time.sleep(60)
"""


def test_the_last_will_tells_of_a_stream_that_was_killed(broker):
    with Device(broker.port) as device:
        publisher = subprocess.Popen(
            [sys.executable, "-c", PUBLISHER, str(broker.port)],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        try:
            assert wait_until(lambda: states(device) == ["online"], 60)
            publisher.send_signal(signal.SIGKILL)
            assert wait_until(lambda: states(device) == ["online", "offline"], 60)
        finally:
            publisher.kill()
            publisher.wait()


def test_a_broker_that_is_killed_and_restarted_is_found_again(broker):
    """The state is right again; spikes stay in order; what waited is told."""
    with bridge_to(broker) as bridge:
        number = 0

        def push_until(done) -> None:
            nonlocal number
            assert wait_until(lambda: push() or done(), 60)

        def push() -> None:
            nonlocal number
            bridge.push(fake_step(number))
            number += 1

        with Device(broker.port) as before:
            push_until(lambda: len(sequences(before)) > 50)
        broker.kill()
        push_until(lambda: not bridge.connected)
        lost_s = time.monotonic()
        push_until(lambda: time.monotonic() > lost_s + 1.5)  # some attempts fail
        away_from = number
        broker.start()
        with Device(broker.port) as after:
            push_until(lambda: states(after))
            assert json.loads(after.payloads("status")[0])["state"] == "online"
            push_until(lambda: len(sequences(after)) > 50)
        assert bridge.report().reconnects == 1
    for device in (before, after):
        assert sequences(device) == sorted(set(sequences(device)))
    assert sequences(before)[0] < sequences(before)[-1] < sequences(after)[0]
    assert sequences(after)[0] < away_from + 1000
    gaps = np.diff(sequences(after)) - 1
    assert gaps.sum() <= bridge.report().dropped


def test_what_the_broker_took_with_it_is_counted(tmp_path):
    with Mosquitto(tmp_path) as broker:
        with bridge_to(broker) as bridge:
            broker.stall(True)
            for number in range(50):
                bridge.push(fake_step(number))
            assert wait_until(lambda: bridge.report().published == 51)  # with the status
            broker.kill()
            broker.start()
            assert wait_until(lambda: bridge.report().reconnects == 1)
            bridge.push(fake_step(50))
        report = bridge.report()
        assert (report.unconfirmed, report.dropped) == (50, 0)


def test_what_the_broker_confirmed_is_not_counted_as_lost(broker):
    with Device(broker.port) as device, bridge_to(broker, health=lambda: HEALTH) as bridge:
        for number in range(20):
            bridge.push(fake_step(number))
        assert wait_until(lambda: bridge._confirmed >= 22)  # with status and health
        assert len(sequences(device)) == 20
        broker.kill()
        assert wait_until(lambda: not bridge.connected)
        confirmed, published = bridge._confirmed, bridge.report().published
        broker.start()
        assert wait_until(lambda: bridge.report().reconnects >= 1)
        assert bridge.report().unconfirmed == published - confirmed <= 2  # health that was under way


@pytest.mark.parametrize("most", [1, 30])
def test_gaps_in_the_sequence_are_what_was_dropped(tmp_path, most):
    with (
        Mosquitto(tmp_path) as broker,
        Device(broker.port) as device,
        bridge_to(broker, most_messages=most) as bridge,
    ):
        bridge.push(fake_step(0))
        assert wait_until(lambda: sequences(device) == [0])
        broker.stall(True)
        for number in range(1, 400):
            bridge.push(fake_step(number, spikes=5000))  # soon more than the connection holds
        broker.stall(False)
        assert wait_until(lambda: 399 in sequences(device))
        found = sequences(device)
        assert found == sorted(set(found))
        assert 0 < bridge.report().dropped == 400 - len(found)
        assert bridge.report().reconnects == 0


def test_a_broker_that_stands_still_holds_up_neither_steps_nor_the_end(tmp_path):
    with Mosquitto(tmp_path) as broker:
        with bridge_to(broker) as bridge:
            broker.stall(True)  # for as long as this test waits for the steps and the end
            for number in range(200):
                bridge.push(fake_step(number, spikes=5000))
        report = bridge.report()
        assert report.published + report.dropped == 201  # and the status
        broker.stall(False)


def test_what_waits_goes_out_before_the_end(broker):
    with Device(broker.port) as device:
        with bridge_to(broker) as bridge:
            for number in range(200):
                bridge.push(fake_step(number))
        assert wait_until(lambda: states(device)[-1:] == ["offline"])
    assert sequences(device) == list(range(200))
    assert [topic for topic, *_ in device.received][-1] == "status"


FLOODER = """
import sys, time
import paho.mqtt.client as paho
client = paho.Client(paho.CallbackAPIVersion.VERSION2)
client.connect("127.0.0.1", int(sys.argv[1]))
client.loop_start()
began = time.monotonic()
sent = 0
while (passed := time.monotonic() - began) < float(sys.argv[2]):
    while sent < passed * 10_000:
        client.publish("spikeloop/test/stimulate", b'{"units": "none", "amplitude_ua": -1}')
        sent += 1
    time.sleep(0.002)
client.disconnect()
client.loop_stop()
print(sent)
"""


@pytest.fixture
def switch_interval() -> Iterator[None]:
    """As `spikeloop stream` has it."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    yield
    sys.setswitchinterval(before)


def test_a_flood_of_bad_messages_holds_up_no_step(tmp_path, switch_interval):
    """10,000 a second for 2 s; devices get every step."""
    handlers = Recorder()
    with (
        Mosquitto(tmp_path, ["allow_anonymous true", "max_queued_messages 0"]) as broker,  # it shall drop none
        Device(broker.port, ["spikes", "error"]) as device,
        bridge_to(broker, handlers) as bridge,
        subprocess.Popen(
            [sys.executable, "-c", FLOODER, str(broker.port), "2"], stdout=subprocess.PIPE, text=True
        ) as flooder,
    ):
        assert wait_until(lambda: bridge.report().refused)
        began_s = time.perf_counter()
        for number in range(100):
            time.sleep(max(0.0, began_s + number * 0.02 - time.perf_counter()))
            bridge.push(fake_step(number))
        assert wait_until(lambda: len(sequences(device)) == 100)
        assert sequences(device) == list(range(100))
        sent = int(flooder.communicate(timeout=280)[0])
        device.send("control", '{"command": "pause"}', 1)  # which the broker keeps behind the flood
        assert wait_until(lambda: handlers.messages, 60)
        passed_s = time.perf_counter() - began_s
        report = bridge.report()
        assert (report.dropped, report.reconnects, report.refused) == (0, 0, sent)
        assert 10 <= len(device.payloads("error")) <= 10 * (passed_s + 2)
        for payload in device.payloads("error"):
            assert json.loads(payload)["reason"].startswith("stimulate.")
    assert handlers.messages == [ControlMessage("pause")]


def test_no_thread_is_left(broker):
    before = set(threading.enumerate())
    with bridge_to(broker):
        assert any(thread.name == "spikeloop-mqtt" for thread in threading.enumerate())
    assert wait_until(lambda: set(threading.enumerate()) <= before, 2)
