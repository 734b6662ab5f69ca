"""Taps with clients that are steady, slow and gone, and a device that announces itself."""

import socket
import threading

import numpy as np
import pytest

from spikeloop.models.errors import FailureError
from spikeloop.streamer.bridges.synapse.announcer import Announcer, announcement
from spikeloop.streamer.bridges.synapse.taps import Consumer, Publisher, open_context
from tests.support.mqtt_stand_ins import wait_until

zmq = pytest.importorskip("zmq")
HOST = "127.0.0.1"
FEW, MANY, LENGTH = 1000, 4000, 20_000  # what waits for a client; more than it and the system keep for one; bytes


@pytest.fixture
def context():
    with open_context() as opened:
        yield opened
        opened.destroy(0)


@pytest.fixture
def publisher(context):
    opened = Publisher(context, HOST, FEW)
    yield opened
    opened.close()


def subscribed(context, publisher):
    client = context.socket(zmq.SUB)
    client.setsockopt(zmq.RCVHWM, FEW)
    client.setsockopt(zmq.RCVTIMEO, 60_000)
    client.connect(f"tcp://{HOST}:{publisher.port}")
    client.subscribe(b"")
    return client


def numbered(first: int, many: int = 1) -> np.ndarray:
    """Messages that begin with their number."""
    messages = np.zeros((many, LENGTH), np.uint8)
    messages[:, :4] = np.arange(first, first + many, dtype="<u4").view(np.uint8).reshape(many, 4)
    return messages


def number_of(message: bytes) -> int:
    return int.from_bytes(message[:4], "little")


def test_clients_are_counted_and_get_every_message_in_order(context, publisher):
    assert publisher.look() == 0
    first, second = subscribed(context, publisher), subscribed(context, publisher)
    wait_until(lambda: publisher.look() == 2)
    publisher.send(numbered(0, 5))
    for client in (first, second):
        assert [number_of(client.recv()) for _ in range(5)] == list(range(5))
    first.close()
    wait_until(lambda: publisher.look() == 1)
    second.close()
    wait_until(lambda: publisher.look() == 0)


def test_a_client_that_does_not_read_sees_what_it_lost_and_delays_nobody(context, publisher):
    slow, steady = subscribed(context, publisher), subscribed(context, publisher)
    wait_until(lambda: publisher.look() == 2)
    for number in range(MANY):
        publisher.send(numbered(number))
        assert number_of(steady.recv()) == number
    slow.setsockopt(zmq.RCVTIMEO, 200)
    got = []
    while not got or got[-1] < MANY:
        try:
            got.append(number_of(slow.recv()))
        except zmq.Again:
            publisher.send(numbered(MANY))  # once what waited is gone, the next arrives
    assert got == sorted(set(got))
    lost = MANY + 1 - len(got)
    assert lost > 0
    assert lost == int((np.diff([-1, *got]) - 1).sum())
    slow.close()
    steady.close()


def test_what_clients_send_arrives(context):
    tap = Consumer(context, HOST)
    client = context.socket(zmq.PUB)
    client.connect(f"tcp://{HOST}:{tap.port}")

    def arrived() -> bytes | None:
        client.send(b"currents")
        return tap.next()

    assert wait_until(lambda: arrived() == b"currents")
    client.close()
    while tap.next() is not None:
        pass
    tap.close()


def test_a_host_of_somebody_else_is_refused(context):
    with pytest.raises(FailureError, match=r"--synapse: can't listen on 192\.0\.2\.1"):
        Publisher(context, "192.0.2.1", FEW)


def test_a_device_announces_itself_and_answers(monkeypatch):
    monkeypatch.setattr("spikeloop.streamer.bridges.synapse.announcer.EVERY_S", 0.05)
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as heard,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asks,
    ):
        heard.bind(("", 0))
        heard.settimeout(60)
        asks.settimeout(60)
        monkeypatch.setattr("spikeloop.streamer.bridges.synapse.announcer.DISCOVERY_PORT", heard.getsockname()[1])
        message = announcement("SPIKELOOP-1", 6471, "lab")
        assert message == b"ID SPIKELOOP-1 SYN1.0 6471 lab"
        with Announcer(HOST, message, lambda request: request[::-1] if request != b"garbage" else None) as announcer:
            assert [heard.recv(1024) for _ in range(2)] == [message] * 2
            for request in (b"garbage", b"time"):
                asks.sendto(request, (HOST, announcer.port))
            assert asks.recv(1024) == b"emit"
    assert not [each for each in threading.enumerate() if each.name == "spikeloop-synapse-announcer"]
