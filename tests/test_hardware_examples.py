"""The examples of hardware in the loop, run as their READMEs say, over a real broker; and the demo."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import numpy as np
import paho.mqtt.client as paho
import pylsl
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from spikeloop.models.errors import FailureError
from spikeloop.streamer.devices.broker import local_broker
from tests.support.messages import spikes

EXAMPLES = Path(__file__).parents[1] / "examples"
SPIKELOOP = f"{shlex.quote(sys.executable)} -c 'from spikeloop.__main__ import main; main()'"


def skip(reason: str) -> NoReturn:
    (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


@pytest.fixture(scope="module")
def url():
    opened = local_broker("mosquitto")
    try:
        url = opened.__enter__()
    except FailureError as error:
        skip(str(error))
    yield url
    opened.__exit__(None, None, None)


@pytest.fixture
def compiler():
    """What the example in C needs."""
    if shutil.which("gcc") is None or shutil.which("make") is None:
        skip("needs gcc and make")
    tried = ["gcc", "-x", "c", "-E", "-include", "mosquitto.h", os.devnull]
    if subprocess.run(tried, capture_output=True, check=False).returncode:
        skip("needs libmosquitto's header; install libmosquitto-dev")


class Heard:
    """Everything that a stream and its devices publish, by topic."""

    def __init__(self, url: str, name: str) -> None:
        self.by_topic: dict[str, list[bytes]] = defaultdict(list)
        self.prefix = f"spikeloop/{name}/"
        self.client = paho.Client(CallbackAPIVersion.VERSION2)
        self.client.on_connect = lambda client, *_: client.subscribe(f"{self.prefix}#") and None
        self.client.on_message = lambda _client, _user, each: self.by_topic[
            each.topic.removeprefix(self.prefix)
        ].append(bytes(each.payload))
        self.client.connect("127.0.0.1", port_of(url))

    def __enter__(self) -> "Heard":
        self.client.loop_start()
        return self

    def __exit__(self, *error: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def documents(self, topic: str) -> list[dict]:
        return [json.loads(each) for each in list(self.by_topic[topic])]

    def wait_for(self, topic: str, messages: int = 1, within_s: float = 200.0) -> None:
        end_s = time.monotonic() + within_s
        while len(self.by_topic[topic]) < messages:
            assert time.monotonic() < end_s, f"{len(self.by_topic[topic])} messages on {topic}"
            time.sleep(0.02)


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


@pytest.fixture
def heard(url, stream_name):
    with Heard(url, stream_name) as heard:
        yield heard


def commands(example: str, url: str, name: str, **shorter: str) -> list[str]:
    """What a README tells the reader to type, with this broker, this stream, and less time."""
    text = (EXAMPLES / example / "README.md").read_text()
    text = "".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    for long, short in (shorter | {"mqtt://localhost": url, "localhost 1883": f"127.0.0.1 {port_of(url)}"}).items():
        assert long in text
        text = text.replace(long, short)
    text = re.sub(r"\blab\b", name, text)
    text = re.sub(r"^spikeloop\b", SPIKELOOP.replace("\\", r"\\"), text, flags=re.MULTILINE)
    return re.sub(r"^python\b", shlex.quote(sys.executable), text, flags=re.MULTILINE).splitlines()


@contextmanager
def beside(command: str, folder: Path):
    """A command of a README that ends with &."""
    process = subprocess.Popen(
        shlex.split(command.removesuffix("&")), cwd=folder, stdout=-1, stderr=-1, text=True, start_new_session=True
    )
    try:
        yield process
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=280)
    assert process.returncode in (0, 130, -signal.SIGTERM), errors
    assert "Traceback" not in errors


def run(command: str, folder: Path) -> str:
    """A command that a README's reader waits for; what it printed."""
    outcome = subprocess.run(
        command, shell=True, cwd=folder, capture_output=True, text=True, timeout=280, check=False
    )  # fmt: skip
    assert outcome.returncode == 0, outcome.stderr
    return outcome.stdout


@pytest.fixture
def compiled(compiler, tmp_path) -> Path:
    """A copy of the example in C, as its README has it made."""
    folder = shutil.copytree(EXAMPLES / "c_subscriber", tmp_path / "c_subscriber")
    run("make", folder)
    return folder


def test_the_subscriber_in_c_decodes_a_stream(compiled, heard, url, stream_name):
    stream, make, subscribe = commands("c_subscriber", url, stream_name, **{"lab 10": "lab 4"})
    with beside(stream, compiled):
        heard.wait_for("spikes")
        run(make, compiled)
        told = run(subscribe, compiled).splitlines()
    messages, lost, counted = map(int, re.findall(r"\d+", told[-1])[:3])
    assert 0 < messages <= 210  # 50 a second
    assert lost == 0
    assert 2 < counted / messages < 60  # 96 units, some 8 Hz, steps of 20 ms


def test_the_subscriber_in_c_counts_what_was_sent_and_lost(compiled, heard, url, stream_name):
    program = subprocess.Popen(
        [compiled / "subscriber", "127.0.0.1", str(port_of(url)), stream_name, "8"], stdout=-1, stderr=-1, text=True
    )
    assert program.stdout is not None
    assert program.stdout.readline().startswith("0 messages")  # it listens
    sent = [spikes(sequence, [0.02 * sequence + 0.001] * 3, [2, 7, 7]) for sequence in (5, 6, 9)]
    for payload in (*sent, sent[0][:-1], b"?"):
        heard.client.publish(f"{heard.prefix}spikes", payload)
    printed, errors = program.communicate(timeout=280)
    assert program.returncode == 0
    assert printed.splitlines()[-1] == "3 messages, 2 lost, 9 spikes, most of unit 7 (6)"
    assert errors.splitlines() == ["not a message of spikes: 63 bytes", "not a message of spikes: 1 bytes"]


def test_the_light_shines_as_the_population_fires(heard, url, stream_name):
    folder = EXAMPLES / "mqtt_device"
    stream, light = commands("mqtt_device", url, stream_name, **{"1883 10": "1883 3"})
    with beside(stream, folder):
        heard.wait_for("spikes")
        assert "*" in run(light, folder)
    brightness = [each["brightness"] for each in heard.documents("light")]
    assert all(0 <= each <= 1 for each in brightness)
    assert 0.05 < np.mean(brightness[len(brightness) // 2 :]) < 0.95


def test_a_device_on_lsl_alone_closes_a_loop(url, stream_name):
    folder = EXAMPLES / "lsl_device"
    text = (folder / "README.md").read_text()
    assert "mqtt" not in text.lower()
    feedback, stream = (
        re.sub(r"\blab\b", stream_name, line)
        for line in "".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL)).splitlines()
    )
    with beside(re.sub(r"^python", sys.executable, feedback), folder):
        stream = stream.replace("--duration 10", "--duration 4").replace("spikeloop", SPIKELOOP, 1)
        report = json.loads(run(f"{stream} --json", folder))
    assert report["condition"]["samples"] > 100
    assert report["condition"]["resting_bins"] < report["bins"] / 2
    assert report["condition"]["invalid"] == 0


def test_stimulators_answer_the_stream(heard, url, stream_name):
    folder = EXAMPLES / "stimulator"
    shorter = {"28 10": "28 3", "--duration 10": "--duration 3 --json", "--spikes 40": "--spikes 25"}
    stream, own, ready = commands("stimulator", url, stream_name, **shorter)
    with beside(stream, folder):
        heard.wait_for("spikes")
        accepted_ms = [float(each) for each in re.findall(r"own-\d+ accepted after ([\d.]+) ms", run(own, folder))]
        report = json.loads(run(ready, folder))
    assert accepted_ms
    assert min(accepted_ms) > 0
    assert report["device"]["confirmed"] >= 1
    assert report["device"]["refused"] == 0
    marked = [each for each in heard.documents("marker") if each["event"] == "stimulate"]
    assert len(marked) == len(heard.by_topic["stimulate"]) >= len(accepted_ms) + report["device"]["confirmed"]
    assert not heard.by_topic["error"]


@pytest.mark.long
@pytest.mark.timeout(300)
def test_the_arm_follows_what_is_decoded(heard, url, stream_name):
    folder = EXAMPLES / "arm"
    shorter = {"1883 20 &": "1883 8 &", "1883 60": "1883 9"}
    stream, arm, decoder, watch = commands("arm", url, stream_name, **shorter)
    with beside(stream, folder):
        heard.wait_for("spikes")
        with beside(arm, folder), beside(decoder, folder):
            heard.wait_for("cursor")
            told = run(watch, folder)
    assert "#" in told
    assert "=" in told
    distance_cm = float(re.findall(r"mean distance ([\d.]+) cm", told)[0])
    cursor = np.array([each["position_cm"] for each in heard.documents("cursor")])
    assert distance_cm < np.hypot(*cursor.T).mean() / 2  # of one that stands in the centre
    hand = np.array([each["values"] for each in heard.documents("condition")[-400:]])
    decoded = np.array([each["velocity_cm_s"] for each in heard.documents("cursor")[-400:]])
    for axis in (0, 1):
        best = max(np.corrcoef(hand[: 400 - lag, axis], decoded[lag:, axis])[0, 1] for lag in range(20))
        assert best > 0.6  # is later by the model's answer and the smoothing


@pytest.mark.parametrize("ended_by", ["duration", "interrupt"])
def test_the_demo_shows_a_whole_loop_and_leaves_nothing_behind(start, stream_name, ended_by):
    if shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin") is None:
        skip("needs mosquitto")
    duration = ("--duration", 10) if ended_by == "duration" else ()
    demo = start("--name", stream_name, *duration, script=EXAMPLES / "demo_hardware.py")
    if ended_by == "interrupt":
        assert pylsl.resolve_byprop("name", stream_name, timeout=60)
        demo.send_signal(signal.SIGINT)
    printed, errors = demo.communicate(timeout=280)
    assert demo.returncode == (0 if ended_by == "duration" else 130), errors
    assert "Traceback" not in errors
    assert not pylsl.resolve_byprop("name", stream_name, timeout=1.0)
    if ended_by == "duration":
        assert re.search(r"stream to probe and back +p50 [\d.]+ ms, p99 [\d.]+ ms", printed)
        assert re.search(r"stimuli +[1-9]", printed)
        assert re.search(r"a stimulus, [\d.]+ expected without", printed)


@pytest.mark.parametrize("script", ["mqtt_device/light.py", "lsl_device/feedback.py", "stimulator/stimulator.py"])
def test_examples_stay_small(script):
    lines = [line for line in (EXAMPLES / script).read_text().splitlines() if line.strip()]
    assert len(lines) <= 40
