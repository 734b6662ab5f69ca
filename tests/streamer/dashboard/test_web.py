"""The page's server with a real stream, over its WebSocket, as a browser would use it."""

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

import spikeloop
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.recordings.condition import Condition
from spikeloop.streamer.dashboard.frames import Kind
from spikeloop.streamer.dashboard.web import Dashboard
from spikeloop.streamer.stream.source import open_source
from tests.support.tiny import tiny_bundle, tiny_stream_bundle
from tests.support.web_pages import Block, Received, received, request

CHANNELS = (Condition("velocity x", "cm/s", -1.0, 1.0), Condition("velocity y", "cm/s", -1.0, 1.0))
UNITS = 6
pytestmark = [pytest.mark.lsl, pytest.mark.realtime]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "driven"
    tiny_stream_bundle(path, UNITS, CHANNELS, bin_size_s=0.01)
    return path


def socket_of(page: Dashboard) -> connect:
    return connect(page.url.replace("http", "ws") + "stream", max_size=None, compression=None)


async def until(socket: ClientConnection, wanted: Callable[[Received], bool]) -> list[Received]:
    """All messages up to the first that is wanted."""
    got = []
    while not got or not wanted(got[-1]):
        got.append(received(await socket.recv()))
    return got


def of(kind: Kind) -> Callable[[Received], bool]:
    return lambda message: message.kind == kind


def joined(messages: list[Received], units: int) -> Block:
    """Counts of messages that follow each other without a gap."""
    blocks = [message.block(units) for message in messages if message.kind == Kind.BINS]
    for before, after in pairwise(blocks):
        assert after.first_bin == before.first_bin + len(before.counts)
    return Block(blocks[0].first_bin, blocks[-1].end_s, np.concatenate([block.counts for block in blocks]))


async def test_the_page_gets_the_streams_counts_bit_for_bit_and_steers_it(path, stream_name):
    with spikeloop.web(path, name=stream_name, seed=5, port=0) as page:
        async with socket_of(page) as socket:
            told = (await until(socket, of(Kind.DESCRIPTION)))[-1].document
            messages = await until(
                socket, lambda message: message.kind == Kind.BINS and message.block(UNITS).first_bin > 50
            )
            await socket.send(request(16, {"values": [1.0, -1.0]}))
            messages += await until(socket, lambda message: message.kind == Kind.CONDITIONS and driven(message))
            await socket.send(request(18, {"units": [2], "amplitude_ua": 100}))
            marker = (await until(socket, of(Kind.MARKER)))[-1].document
            await socket.send(request(17, {"command": "gain", "value": 99}))
            await socket.send(request(17, {"command": "seed", "value": 1}))
            refused = [(await until(socket, of(Kind.REFUSED)))[-1].document["reason"] for _ in range(2)]
            state = (
                await until(socket, lambda message: message.kind == Kind.STATE and bool(message.document["health"]))
            )[-1]
    assert (told["name"], told["steerable"], told["direction"]) == (stream_name, True, [0, 1])
    assert [channel["name"] for channel in told["conditions"]] == ["velocity x", "velocity y"]
    got = joined(messages, UNITS)
    rest = open_source(spikeloop.load_bundle(path), 5, "cpu").next(got.first_bin + 50)
    np.testing.assert_array_equal(got.counts[:50], rest[got.first_bin :])
    assert (marker["event"], marker["units"], marker["bin"] > got.first_bin) == ("stimulate", [2], True)
    assert refused[0] == "control.value: expected at most 10, found 99"
    assert refused[1] == "control: seed can't be changed while the stream runs"
    assert state.document["reception"]["state"] == "live"
    report = page.report().to_dict()
    assert (report["stream"], report["viewers"], report["refused_requests"]) == (stream_name, 1, 2)
    assert report["own_stream"]["condition"]["steered_bins"] > 0


def driven(message: Received) -> bool:
    return bool((np.frombuffer(message.body, "<f4", offset=24).reshape(-1, 3)[:, :2] == [1, -1]).all(axis=1).any())


async def test_what_a_page_drives_is_let_go_when_the_page_leaves(path, stream_name):
    with spikeloop.web(path, name=stream_name, port=0) as page:
        async with socket_of(page) as socket:
            await until(socket, of(Kind.BINS))
            await socket.send(request(16, {"values": [1.0, -1.0]}))
            await until(socket, lambda message: message.kind == Kind.CONDITIONS and driven(message))
        async with socket_of(page) as socket:
            await until(socket, lambda message: message.kind == Kind.CONDITIONS and not driven(message))


async def test_a_stream_that_runs_elsewhere_is_watched_and_not_steered(tmp_path, stream_name):
    bundle = tiny_bundle(tmp_path / "tiny", units=UNITS, bin_size_s=0.01)
    with spikeloop.stream(bundle, stream_name, seed=3), spikeloop.web(attach=stream_name, port=0) as page:
        async with socket_of(page) as socket:
            told = (await until(socket, of(Kind.DESCRIPTION)))[-1].document
            messages = await until(socket, of(Kind.BINS))
            messages += await until(socket, of(Kind.STATISTICS))
            await socket.send(request(17, {"command": "pause"}))
            refused = (await until(socket, of(Kind.REFUSED)))[-1].document["reason"]
    assert not told["steerable"]
    assert refused == "this stream was started elsewhere; only its own program steers it"
    got = joined(messages, UNITS)
    expected = open_source(bundle, 3, "cpu").next(got.first_bin + len(got.counts))[got.first_bin :]
    np.testing.assert_array_equal(got.counts, expected)


async def test_names_reach_the_page_without_what_could_move_or_hide_text(tmp_path, stream_name):
    names = ("<script>alert(1)</script>", "\x9b31mred", "\u202egnp.exe", "\"quoted\" & 'more'")
    bundle = tiny_bundle(tmp_path / "tiny", units=4, bin_size_s=0.01)
    renamed = rename(bundle, names)
    with spikeloop.stream(renamed, stream_name), spikeloop.web(attach=stream_name, port=0) as page:
        async with socket_of(page) as socket:
            units = (await until(socket, of(Kind.DESCRIPTION)))[-1].document["units"]
    assert units == ["<script>alert(1)</script>", "?31mred", "?gnp.exe", "\"quoted\" & 'more'"]


def rename(bundle, names):
    return replace(bundle, card=replace(bundle.card, unit_names=names))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"port": 99999}, "--port: expected a whole number from 0 to 65535, found 99999"),
        ({"host": "0.0.0.0"}, "--host 0.0.0.0: others reach the page there.*add --token"),
        ({"token": "short"}, "--token: expected 16 or more of the characters"),
        ({"bundle": "absent"}, "absent"),
        ({"name": ""}, "expected"),
        (
            {"host": "192.0.2.7", "token": "sixteen-characters"},
            "--host: expected the name .* found host '192.0.2.7'",
        ),
    ],
)
def test_what_can_not_be_served_is_said_at_once(options, message, stream_name):
    with pytest.raises(BadInputError, match=message), spikeloop.web(**({"name": stream_name, "port": 0} | options)):
        pass


async def test_a_stream_whose_process_dies_is_a_failure_that_is_said_in_the_page_too(path, stream_name):
    before = children()
    with spikeloop.web(path, name=stream_name, port=0) as page:
        socket = await socket_of(page)
        await until(socket, of(Kind.BINS))
        (streaming,) = children() - before
        os.kill(streaming, signal.SIGKILL)
        with pytest.raises(FailureError, match="the stream's process ended, with code -9"):
            await asyncio.to_thread(page.wait, 280)
    states = [message async for message in received_by(socket) if message.kind == Kind.STATE]
    assert states[-1].document["failure"] == "the stream's process ended, with code -9"


async def received_by(socket: ClientConnection):
    """What comes until the server ends."""
    with suppress(ConnectionClosed):
        while True:
            yield received(await socket.recv())


def children() -> set[int]:
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(os.getpid())], capture_output=True, text=True, check=False
    )
    return {int(pid) for pid in listed.stdout.split() if Path(f"/proc/{pid}").exists()}


def test_a_script_without_a_guard_opens_a_page(path, stream_name, start, tmp_path):
    script = tmp_path / "script.py"
    opened = f"spikeloop.web({str(path)!r}, name={stream_name!r}, port=0)"
    lines = (
        "import spikeloop",
        f"with {opened} as page:",
        "    page.wait(0.5)",
        "print(page.report().own_stream['name'])",
    )
    script.write_text("\n".join(lines))
    printed, said = start(script=script).communicate(timeout=280)
    assert printed == f"{stream_name}\n", said


def test_a_report_is_json(path, stream_name):
    with spikeloop.web(path, name=stream_name, port=0) as page:
        assert not page.wait(0)
    assert json.loads(json.dumps(page.report().to_dict()))["own_stream"]["name"] == stream_name
    assert asyncio.run(gone(page))


async def gone(page: Dashboard) -> bool:
    """Whether nothing listens any more."""
    try:
        await socket_of(page)
    except OSError:
        return True
    return False
