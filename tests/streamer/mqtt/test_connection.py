"""Each way in which a first connection fails is told apart, and says what to do."""

import asyncio
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.streamer.mqtt.address import MqttAddress, parse_address
from spikeloop.streamer.mqtt.bridge import MqttBridge
from spikeloop.streamer.mqtt.connection import open_client
from spikeloop.streamer.mqtt.reconnecting import backoff
from tests.support.broker import Amqtt, Authority, Mosquitto, free_port
from tests.support.mqtt_stand_ins import STATUS, Device, Recorder, wait_until

PASSWORD = "correct horse battery"
UNFINISHED = pytest.mark.filterwarnings(  # paho leaves the closing of a socket whose handshake failed to Python
    "ignore:.*SSLSocket:pytest.PytestUnraisableExceptionWarning"
)


def enter(url: str, password: str = "") -> None:
    address = parse_address(url, {"SPIKELOOP_MQTT_PASSWORD": password})
    with MqttBridge(address, "test", STATUS, Recorder()) as bridge:
        assert bridge.connected


def test_the_right_password_is_let_in_from_the_environment_and_from_a_file(tmp_path):
    with Mosquitto.with_password(tmp_path, "lab", PASSWORD) as broker:
        enter(f"mqtt://lab@127.0.0.1:{broker.port}", PASSWORD)
        (tmp_path / "secret").write_text(PASSWORD + "\n")
        enter(f"mqtt://lab@127.0.0.1:{broker.port}?password_file={tmp_path / 'secret'}")


@pytest.mark.parametrize(
    ("user", "password", "told"),
    [
        ("lab@", "wrong staple", "refuses user 'lab' and the password"),
        ("lab@", "", "wants a password; set SPIKELOOP_MQTT_PASSWORD"),
        ("", "", "wants a user; write USER@ before the host"),
    ],
)
def test_a_wrong_password_is_told_and_not_repeated(tmp_path, user, password, told):
    with (
        Mosquitto.with_password(tmp_path, "lab", PASSWORD) as broker,
        pytest.raises(BadInputError, match=told) as raised,
    ):
        enter(f"mqtt://{user}127.0.0.1:{broker.port}", password)
    error: BaseException | None = raised.value
    while error is not None:
        assert "staple" not in repr(error)
        error = error.__cause__ or error.__context__


def test_a_broker_that_refuses_a_subscription_is_named_and_never_hears_that_the_stream_is_online(tmp_path):
    readable = [f"spikeloop/test/{topic}" for topic in ("condition", "stimulate", "perturb", "echo", "status")]
    with Amqtt(tmp_path, readable) as broker:
        with pytest.raises(
            FailureError, match="not let us subscribe to spikeloop/test/control; allow it in its access list"
        ):
            enter(broker.url)
        with Device(broker.port, ["status"]) as device:
            device.send("status", "the first since")
            assert wait_until(lambda: device.payloads("status"))
            assert device.payloads("status") == [b"the first since"]


def test_the_certificate_of_an_authority_we_name_is_taken(tmp_path):
    authority = Authority(tmp_path)
    with Mosquitto.with_tls(tmp_path, authority) as broker:
        enter(f"{broker.url}?ca={authority.certificate}")


@UNFINISHED
def test_a_certificate_of_an_unknown_authority_is_refused(tmp_path):
    with Mosquitto.with_tls(tmp_path, Authority(tmp_path)) as broker:
        with pytest.raises(FailureError, match=r"certificate is refused \(.*\); name its authority with \?ca=FILE"):
            enter(broker.url)
        (tmp_path / "other").mkdir()
        other = Authority(tmp_path / "other")
        with pytest.raises(FailureError, match="certificate is refused"):
            enter(f"{broker.url}?ca={other.certificate}")


@UNFINISHED
def test_a_certificate_for_another_host_is_refused(tmp_path):
    authority = Authority(tmp_path)
    with (
        Mosquitto.with_tls(tmp_path, authority, host="elsewhere.example") as broker,
        pytest.raises(FailureError, match="certificate is refused .*ostname"),
    ):
        enter(f"{broker.url}?ca={authority.certificate}")


def test_a_broker_that_wants_our_certificate(tmp_path):
    authority = Authority(tmp_path)
    certificate, key = authority.issue("robot")
    with Mosquitto.with_tls(tmp_path, authority, more=["require_certificate true"]) as broker:
        enter(f"{broker.url}?ca={authority.certificate}&cert={certificate}&key={key}")
        with pytest.raises(FailureError, match="certificate"):
            enter(f"{broker.url}?ca={authority.certificate}")


@UNFINISHED
def test_tls_where_none_is_spoken(tmp_path):
    with Mosquitto(tmp_path) as broker, pytest.raises(FailureError, match="does the broker expect TLS on this port"):
        enter(f"mqtts://127.0.0.1:{broker.port}")


def test_nobody_listens():
    with pytest.raises(FailureError, match="nobody listens there; start the broker"):
        enter(f"mqtt://127.0.0.1:{free_port()}")


def test_an_unknown_host():
    with pytest.raises(BadInputError, match=r"no host is known by the name 'no-such-host\.invalid'"):
        enter("mqtt://no-such-host.invalid")


def test_something_that_listens_and_never_answers():
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(FailureError, match=r"no broker answered within 5 s; .*mqtts://"),
    ):
        enter(f"mqtt://127.0.0.1:{silent.getsockname()[1]}")


@pytest.mark.parametrize("missing", ["aiomqtt", "jsonschema"])
def test_a_missing_package_is_named(monkeypatch, missing):
    from spikeloop.streamer.mqtt.validation import validator_of

    validator_of.cache_clear()
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(FailureError, match=rf"{missing} is not installed.* pip install .*{missing}"):
        enter("mqtt://127.0.0.1")


@pytest.mark.parametrize("name", ["", "a/b", "a+b", "#"])
def test_a_name_that_is_no_part_of_a_topic(name):
    with pytest.raises(BadInputError, match="choose another"):
        MqttBridge(parse_address("mqtt://127.0.0.1"), name)


def test_short_messages_leave_at_once(tmp_path):
    """Nagle's algorithm would hold each back until the broker has acknowledged the one before."""

    async def connect(address: MqttAddress) -> int:
        async with open_client(address, None) as client:
            opened: Any = client._client.socket()
            return opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    with Mosquitto(tmp_path) as broker:
        assert asyncio.run(connect(parse_address(broker.url, {})))


def test_amqtt_lets_us_in(tmp_path: Path):
    with Amqtt(tmp_path) as broker:
        enter(broker.url)


def test_backoff_doubles_to_two_seconds_with_jitter():
    longest, shortest = ([next(waits) for _ in range(8)] for waits in (backoff(lambda: 0.0), backoff(lambda: 1.0)))
    assert longest == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 2, 2, 2])
    assert shortest == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.8, 1, 1, 1])
