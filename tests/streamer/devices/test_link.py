import asyncio
import json
import socket

import aiomqtt
import pytest

from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.streamer.devices.broker import local_broker
from spikeloop.streamer.devices.device import Outgoing
from spikeloop.streamer.devices.link import DeviceLink
from spikeloop.streamer.devices.probe import Probe
from spikeloop.streamer.mqtt.address import MqttAddress, parse_address
from tests.support.messages import spikes

pytestmark = pytest.mark.mqtt


class Ticker:
    """Listens to nothing, and counts aloud."""

    topics = ()
    tick_s = 0.02

    def __init__(self) -> None:
        self.ticks = 0

    def receive(self, topic, payload, now_s):
        raise AssertionError("it asked for nothing")

    def tick(self, now_s):
        self.ticks += 1
        return (Outgoing("count", {"ticks": self.ticks}),)

    def report(self):
        return {"ticks": self.ticks}


def client(url: str) -> aiomqtt.Client:
    address = parse_address(url)
    return aiomqtt.Client(address.host, address.port)


async def until(condition, within_s: float = 60.0) -> None:
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_device_answers_over_a_real_broker(broker, stream_name):
    probe = Probe()
    states: list[str] = []
    link = DeviceLink(probe, parse_address(broker), stream_name, states.append)
    device = asyncio.create_task(link.run())
    heard = []
    async with client(broker) as stream:
        await stream.subscribe(f"spikeloop/{stream_name}/echo")
        await stream.publish(f"spikeloop/{stream_name}/status", json.dumps({"state": "online"}), retain=True)
        await until(lambda: states == ["online"])
        for sequence in range(20):
            await stream.publish(f"spikeloop/{stream_name}/spikes", spikes(sequence, [0.02 * sequence + 0.001]))
        async for message in stream.messages:
            heard.append(json.loads(bytes(message.payload))["sequence"])
            if len(heard) == 20:
                break
        await until(lambda: link.report().sent == 20)
        await stream.publish(f"spikeloop/{stream_name}/status", b"", retain=True)
    device.cancel()
    with pytest.raises(asyncio.CancelledError):
        await device
    assert heard == list(range(20))
    report = link.report()
    assert (report.received, report.sent, report.reconnects) == (20, 20, 0)
    assert report.answer_ms is not None
    assert 0 < report.answer_ms["p50"] <= report.answer_ms["max"] < 1000


async def test_a_device_acts_by_itself_for_as_long_as_asked(broker, stream_name):
    ticker = Ticker()
    link = DeviceLink(ticker, parse_address(broker), stream_name)
    async with client(broker) as listener:
        await listener.subscribe(f"spikeloop/{stream_name}/count")
        async with asyncio.timeout(60):
            await link.run(0.5)
        assert 1 <= ticker.ticks <= 26
        first = await anext(aiter(listener.messages))
        assert json.loads(bytes(first.payload)) == {"ticks": 1}
    assert link.report().answer_ms is None
    assert link.report().stream is None


async def test_a_device_comes_back_after_the_broker_did(stream_name):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ticker = Ticker()
    link = DeviceLink(ticker, MqttAddress("127.0.0.1", port), stream_name)
    with local_broker(port=port):
        device = asyncio.create_task(link.run())
        await until(lambda: ticker.ticks > 2)
    await asyncio.sleep(0.3)  # attempts meanwhile fail
    assert not device.done()
    with local_broker(port=port):
        before = ticker.ticks
        await until(lambda: ticker.ticks > before + 2)
    assert link.report().reconnects == 1
    device.cancel()


async def test_a_device_that_waits_says_why_once_and_begins_when_the_broker_does(stream_name):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ticker, said = Ticker(), list[str]()
    link = DeviceLink(ticker, MqttAddress("127.0.0.1", port), stream_name, on_waiting=said.append)
    device = asyncio.create_task(link.run())
    await until(lambda: said)
    with local_broker(port=port):
        await until(lambda: ticker.ticks > 2)
    assert said == [f"mqtt://127.0.0.1:{port}: nobody listens there; start the broker, or check the port"]
    assert link.report().reconnects == 0
    device.cancel()


@pytest.mark.parametrize("ended_by", ["cancelling", "time"])
async def test_a_device_ends_even_where_taking_leave_fails(stream_name, ended_by, monkeypatch):
    async def fail(self, *error: object) -> None:
        self._client.disconnect()
        raise aiomqtt.MqttError("the connection was lost just now")

    monkeypatch.setattr(aiomqtt.Client, "__aexit__", fail)
    ticker = Ticker()
    with local_broker() as url:
        link = DeviceLink(ticker, parse_address(url), stream_name)
        device = asyncio.create_task(link.run(0.5 if ended_by == "time" else None))
        await until(lambda: ticker.ticks > 2)
        if ended_by == "cancelling":
            device.cancel()
        done, _ = await asyncio.wait([device], timeout=60)
        assert done
        assert device.cancelled() == (ended_by == "cancelling")


async def test_where_nobody_listens_at_first_it_is_told(stream_name):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = MqttAddress("127.0.0.1", probe.getsockname()[1])
        with pytest.raises(FailureError, match=f"mqtt://127.0.0.1:{address.port}: nobody listens there"):
            await DeviceLink(Probe(), address, stream_name).run()


@pytest.mark.parametrize("name", ["", "a/b", "#", "a+"])
def test_a_name_that_is_no_level_of_a_topic_is_told(name):
    with pytest.raises(BadInputError, match="expected a stream name without"):
        DeviceLink(Probe(), MqttAddress("127.0.0.1", 1883), name)
