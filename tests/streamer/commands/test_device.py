import asyncio
import json
import math
import os
import re
import signal
import threading
import time
from contextlib import suppress

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from spikeloop.__main__ import main
from spikeloop.models.errors import FailureError
from spikeloop.streamer.commands import device as command
from spikeloop.streamer.devices.broker import local_broker
from spikeloop.streamer.devices.link import DeviceLink
from tests.support.messages import spikes


@pytest.fixture(scope="module")
def url():
    opened = local_broker()
    try:
        url = opened.__enter__()
    except FailureError as error:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(error))
    yield url
    opened.__exit__(None, None, None)


class Stream:
    """Publishes as a stream does, a burst of three spikes a step of 20 ms, and confirms each stimulus."""

    def __init__(self, url: str, name: str) -> None:
        self._prefix, self.heard = f"spikeloop/{name}/", []
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = self._answer
        self._client.connect("127.0.0.1", int(url.rsplit(":", 1)[1]))
        self._closing = threading.Event()
        self._publisher = threading.Thread(target=self._publish)

    def __enter__(self) -> "Stream":
        self._client.loop_start()
        for topic in ("stimulate", "echo", "arm"):
            self._client.subscribe(self._prefix + topic)
        self._client.publish(f"{self._prefix}status", '{"state": "online"}', retain=True)
        self._publisher.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._closing.set()
        self._publisher.join()
        self._client.publish(f"{self._prefix}status", b"", retain=True).wait_for_publish(5)
        self._client.disconnect()
        self._client.loop_stop()

    def wait_for(self, messages: int) -> None:
        end_s = time.monotonic() + 250
        while len(self.heard) < messages:
            assert time.monotonic() < end_s, f"only {len(self.heard)} answers"
            time.sleep(0.02)

    def _answer(self, client, userdata, message) -> None:
        document = json.loads(message.payload)
        self.heard.append(document)
        if message.topic.endswith("stimulate"):
            confirmed = {"event": "stimulate", "id": document["id"], "stamp_s": 100.0}
            client.publish(f"{self._prefix}marker", json.dumps(confirmed))

    def _publish(self) -> None:
        sequence = 0
        while not self._closing.wait(0.02):
            times = [0.02 * sequence + each for each in (0.001, 0.002, 0.003)]
            self._client.publish(f"{self._prefix}spikes", spikes(sequence, times))
            cursor = {"stamp_s": 100.0, "velocity_cm_s": [2.0, 0.0], "position_cm": [1.0, 1.0], "target": None}
            self._client.publish(f"{self._prefix}cursor", json.dumps(cursor))
            sequence += 1


def test_a_stimulator_answers_bursts_and_reports(start, url, stream_name):
    with Stream(url, stream_name) as stream:
        trigger = ("--spikes", 3, "--window-ms", 5, "--refractory-ms", 100, "--stimulate", 3, 4, "--pulses", 2)
        device = start("device", "stimulator", "--mqtt", url, "--name", stream_name, *trigger, "--json")
        stream.wait_for(5)
        device.send_signal(signal.SIGINT)
        printed, errors = device.communicate(timeout=280)
    assert device.returncode == 130
    assert "Traceback" not in errors
    assert f"stream {stream_name}: online" in errors
    report = json.loads(printed)
    assert report["link"]["stream"] == "online"
    assert report["device"]["stimuli"] >= report["device"]["confirmed"] >= 4
    assert report["device"]["refused"] == report["device"]["lost"] == 0
    assert 0 < report["link"]["answer_ms"]["p50"] < 100
    assert 0 < report["device"]["confirmation_ms"]["p50"] < 1000
    first = stream.heard[0]
    assert (first["units"], first["pulses"], first["amplitude_ua"]) == ([3, 4], 2, 50.0)


def test_a_probe_echoes_for_as_long_as_asked(start, url, stream_name):
    with Stream(url, stream_name) as stream:
        device = start("device", "probe", "--mqtt", url, "--name", stream_name, "--duration", 1, "--json")
        printed, errors = device.communicate(timeout=280)
        assert device.returncode == 0, errors
        echoed = json.loads(printed)["device"]["echoed"]
        stream.wait_for(echoed)
    sequences = [each["sequence"] for each in stream.heard]
    assert sequences == list(range(sequences[0], sequences[0] + echoed))
    assert echoed > 0


def test_an_arm_moves_and_says_so_in_words(start, url, stream_name):
    with Stream(url, stream_name) as stream:
        device = start("device", "arm", "--mqtt", url, "--name", stream_name, "--duration", 1)
        _, errors = device.communicate(timeout=280)
    assert device.returncode == 0, errors
    assert any(each["state"] == "following" for each in stream.heard)
    assert stream.heard[-1]["endpoint_cm"][0] > 0.3
    assert re.search(r"^distance from cursor: [\d.]+ cm$", errors, re.MULTILINE)


def test_a_report_leaves_out_what_is_empty_and_prints_no_powers_of_ten():
    report = {"stimuli": 3, "confirmation_ms": {"p50": 3847.2, "p99": 4012.9}, "round_trip_ms": None, "reason": ""}
    assert list(command.report_lines(report)) == ["stimuli: 3", "confirmation: p50 3847, p99 4013 ms"]
    assert list(command.report_lines({"distance_from_cursor_cm": math.nan, "lost": 0})) == ["lost: 0"]


def test_stimuli_that_come_late_are_named_with_what_to_do():
    assert not command.slow_words({"confirmation_ms": None})
    assert not command.slow_words({"messages": 3})
    assert not command.slow_words({"confirmation_ms": {"p50": 22.0, "p99": 900.0}})
    words = command.slow_words({"confirmation_ms": {"p50": 3847.2, "p99": 4012.9}})
    assert words.startswith("stimuli came late: half took more than 3847 ms")
    assert "stop other programs" in words


def test_a_device_waits_for_a_broker_that_went_away(start, stream_name):
    with local_broker() as url:
        device = start("device", "probe", "--mqtt", url, "--name", stream_name, "--json")
        with Stream(url, stream_name) as stream:
            stream.wait_for(3)
    with local_broker(port=int(url.rsplit(":", 1)[1])), Stream(url, stream_name) as stream:
        stream.wait_for(3)
        device.send_signal(signal.SIGTERM)
        printed, _ = device.communicate(timeout=280)
    assert device.returncode == 130
    assert json.loads(printed)["link"]["reconnects"] == 1


def test_a_request_to_end_that_is_lost_is_made_again(monkeypatch, capsys):
    """As `asyncio.wait_for` of Python 3.11 loses one that comes in the moment in which what it waited for is done."""

    async def deaf(link: DeviceLink, duration_s: float | None = None) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        await asyncio.sleep(60)

    monkeypatch.setattr(DeviceLink, "run", deaf)
    monkeypatch.setattr(command, "ASK_AGAIN_S", 0.1)
    with pytest.raises(SystemExit) as stopped:
        main(["device", "probe", "--mqtt", "mqtt://127.0.0.1:1", "--json"])
    assert stopped.value.code == 130
    assert json.loads(capsys.readouterr().out)["link"]["received"] == 0


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["probe", "--mqtt", "mqtt://127.0.0.1:1"], 1, "nobody listens there"),
        (["probe", "--mqtt", "http://x"], 2, "expected mqtt://"),
        (["probe", "--mqtt", "mqtt://127.0.0.1:1", "--duration", 0], 2, "--duration: expected more than 0 s"),
        (["probe", "--mqtt", "mqtt://127.0.0.1:1", "--name", "a/b"], 2, "expected a stream name without"),
        (["stimulator", "--mqtt", "mqtt://127.0.0.1:1"], 2, "expected either --spikes or --rate"),
        (["stimulator", "--mqtt", "mqtt://127.0.0.1:1", "--spikes", 3, "--rate", 1], 2, "expected either"),
        (["stimulator", "--mqtt", "mqtt://127.0.0.1:1", "--rate", "nan"], 2, "expected a rate above 0 Hz"),
        (["stimulator", "--mqtt", "mqtt://127.0.0.1:1", "--spikes", 3, "--amplitude-ua", 900], 2, "amplitude_ua"),
        (["arm", "--mqtt", "mqtt://127.0.0.1:1", "--correction", -1], 2, "expected a correction of 0 to 20"),
    ],
)
def test_what_makes_no_sense_is_told(capsys, options, code, said):
    with pytest.raises(SystemExit) as stopped:
        main(["device", *map(str, options)])
    printed = capsys.readouterr()
    assert stopped.value.code == code
    assert said in printed.err
    assert printed.out == ""
