"""docs/mqtt.md says what is so."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from spikeloop.streamer.mqtt.address import MqttAddress
from spikeloop.streamer.mqtt.bridge import MqttBridge
from spikeloop.streamer.mqtt.payloads import INBOUND, encode_spikes, parse_inbound
from spikeloop.streamer.mqtt.validation import SCHEMAS
from tests.support.broker import Mosquitto, require
from tests.support.mqtt_stand_ins import BIN_S, STATUS, Recorder, fake_step, wait_until

PAGE = Path(__file__).parents[3] / "docs" / "mqtt.md"
MAIN = """
int main(void) {
    static uint8_t payload[65536];
    decode(payload, fread(payload, 1, sizeof payload, stdin));
    return 0;
}
"""


@pytest.fixture(scope="module")
def decoder(tmp_path_factory) -> Path:
    """The page's C, compiled."""
    require("gcc")
    folder = tmp_path_factory.mktemp("c")
    (found,) = re.findall(r"```c\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    (folder / "decode.c").write_text(found + MAIN)
    strict = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-fsanitize=undefined"]
    subprocess.run(["gcc", *strict, "-o", folder / "decode", folder / "decode.c"], check=True)
    return folder / "decode"


def run(decoder: Path, payload: bytes) -> str:
    return subprocess.run([decoder], input=payload, capture_output=True, check=True).stdout.decode()


@pytest.mark.parametrize("spikes", [0, 1, 100])
def test_the_decoder_in_c_reads_spikes(decoder, spikes):
    step = fake_step(7, spikes=spikes)
    lines = [line.split() for line in run(decoder, encode_spikes(step, 4711, BIN_S)).splitlines()]
    assert [(int(sequence), int(unit)) for sequence, unit, _ in lines] == [(4711, unit) for unit in step.event_units]
    assert [float(time_s) for *_, time_s in lines] == pytest.approx(step.event_stamps_s.tolist(), abs=1.6e-6)


def test_the_decoder_in_c_leaves_other_bytes_alone(decoder):
    payload = encode_spikes(fake_step(7, spikes=3), 4711, BIN_S)
    for other in (b"", payload[:39], payload[:-1], payload + b"x", b"SPK2" + payload[4:]):
        assert run(decoder, other) == ""


def test_every_schema_is_linked_and_every_example_fits():
    page = PAGE.read_text("utf-8")
    for topic in SCHEMAS:
        assert f"(../streamer/mqtt/schemas/{topic}.json)" in page
    for link in re.findall(r"\]\((\.\./[^)]*)\)", page):
        assert (PAGE.parent / link).exists(), link
    examples = re.findall(r"^\| \[`(\w+)`\]\(.*?\) \| `(\{.*?\})` \|", page, re.MULTILINE)
    assert {topic for topic, _ in examples} == set(INBOUND)
    for topic, example in examples:
        parse_inbound(topic, json.dumps(json.loads(example)).encode())


def test_a_stream_works_under_the_access_list(tmp_path):
    (acl,) = re.findall(r"names:\n\n(.*?)\n\nand in", PAGE.read_text("utf-8"), re.DOTALL)
    (tmp_path / "acl").write_text("\n".join(line.strip() for line in acl.splitlines()) + "\n")
    lines = [f"acl_file {tmp_path / 'acl'}", "message_size_limit 65536"]
    handlers = Recorder()
    with Mosquitto.with_password(tmp_path, "stream", "secret", lines) as broker:
        address = MqttAddress("127.0.0.1", broker.port, user="stream", password="secret")
        with MqttBridge(address, "retina", STATUS, handlers) as bridge:
            bridge.publish("control", {"command": "pause"})
            assert wait_until(lambda: handlers.messages)
