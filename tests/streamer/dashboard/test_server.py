"""The server and its door, without a stream: frames come from the test."""

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.streamer.dashboard.app import application, assets
from spikeloop.streamer.dashboard.frames import Kind
from spikeloop.streamer.dashboard.hub import Hub, Room
from spikeloop.streamer.dashboard.replay.library import Library
from spikeloop.streamer.dashboard.server import WebServer, bind
from tests.support.web_pages import received, request

TOKEN = "a-token-of-the-test"
pytestmark = pytest.mark.realtime  # it opens network sockets


class Served:
    """A server on a free port, and what pages asked of it."""

    def __init__(self, token: str | None = None) -> None:
        self.hub, self.asked, self.left = Hub(), [], threading.Event()
        listening = bind("127.0.0.1", 0)
        self.port = listening.getsockname()[1]
        room = Room(self.hub, self.ask, lambda number: self.left.set())
        app = application(room, Library(Path("absent")), token)
        self.server = WebServer(listening, lambda: app, self.hub)

    def ask(self, asked, number):
        if asked.payload == b'"bad"':
            raise BadInputError("expected something good")
        self.asked.append((asked, number))

    def open(self, **options) -> connect:
        query = options.pop("query", "")
        return connect(f"ws://127.0.0.1:{self.port}/stream{query}", compression=None, **options)

    def get(self, path: str, **headers: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer


@pytest.fixture
def served() -> Iterator[Served]:
    served = Served()
    with served.server:
        yield served


@pytest.fixture
def guarded() -> Iterator[Served]:
    guarded = Served(TOKEN)
    with guarded.server:
        yield guarded


async def entered(served: Served, number: int) -> None:
    """Until so many pages look on."""
    while len(served.hub.viewers) != number:
        await asyncio.sleep(0.01)


async def closed(page: ClientConnection) -> int | None:
    """The code with which the server closes a connection."""
    with pytest.raises(ConnectionClosed):
        while True:
            await page.recv()
    return page.close_code


async def test_every_page_gets_what_is_published(served):
    async with served.open() as one, served.open() as other:
        await entered(served, 2)
        served.hub.publish(Kind.MARKER, b"{}")
        for page in (one, other):
            assert received(await page.recv()).kind == Kind.MARKER
    await entered(served, 0)
    assert served.left.is_set()


async def test_what_a_page_asks_for_is_passed_on_and_a_refusal_answered_to_it_alone(served):
    async with served.open() as one, served.open() as other:
        await entered(served, 2)
        await one.send(request(Kind.CONTROL, {"command": "pause"}))
        await one.send(request(Kind.CONTROL, "bad"))
        await one.send(b"nonsense")
        reasons = [received(await one.recv()).document["reason"] for _ in range(2)]
        served.hub.publish(Kind.MARKER, b"{}")
        assert received(await other.recv()).kind == Kind.MARKER
    assert reasons[0] == "expected something good"
    assert "expected a message of 8 bytes" in reasons[1]
    assert [(asked.kind, json.loads(asked.payload)) for asked, _ in served.asked] == [(17, {"command": "pause"})]


async def test_messages_that_are_text_or_too_large_end_the_connection_and_nothing_else(served):
    async with served.open() as page, served.open() as text, served.open() as large:
        await text.send("text")
        assert await closed(text) == 1003
        with pytest.raises(ConnectionClosed):
            await large.send(bytes(10_000_000))
            await large.recv()
        assert large.close_code == 1009
        await entered(served, 1)
        served.hub.publish(Kind.MARKER, b"{}")
        assert received(await page.recv()).kind == Kind.MARKER


async def test_of_too_many_requests_those_beyond_are_ignored_and_that_is_said(served):
    async with served.open() as page:
        for _ in range(3000):
            await page.send(request(Kind.RELEASE))
        assert "at most 200 requests a second" in received(await page.recv()).document["reason"]
        assert 0 < len(served.asked) < 3000


async def test_two_hundred_connections_that_never_read_delay_nobody(served):
    """They fill what the system and the server keep for them; a page that reads gets every frame meanwhile."""
    address, frames = ("127.0.0.1", served.port), 100
    hello = (
        f"GET /stream HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()
    stuck = []
    try:
        for _ in range(200):
            stuck.append(socket.create_connection(address))
            stuck[-1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stuck[-1].sendall(hello)
        async with served.open(max_size=None) as page:
            await entered(served, 201)
            for _ in range(frames):
                served.hub.publish(Kind.BINS, bytes(100_000))
                assert received(await page.recv()).kind == Kind.BINS
        assert served.hub.dropped > 0
    finally:
        for connection in stuck:
            connection.close()
    await entered(served, 0)


@pytest.mark.parametrize("origin", ["http://elsewhere.example", "https://127.0.0.1:1", "null", "http://[::1"])
async def test_a_websocket_that_another_page_opened_is_refused(served, origin):
    with pytest.raises(InvalidStatus, match="403"):
        await served.open(origin=Origin(origin))
    async with served.open(origin=Origin(f"http://127.0.0.1:{served.port}")):
        pass


@pytest.mark.parametrize("host", ["elsewhere.example", "127.0.0.1.elsewhere.example", "[::1", ""])
def test_a_request_that_is_meant_for_another_host_is_refused(served, host):
    assert served.get("/", Host=host).status == 403
    assert served.get("/", Host=f"localhost:{served.port}").status == 200


async def test_beyond_the_machine_a_token_opens_the_page_and_its_websocket(guarded):
    assert guarded.get("/").status == 403
    assert guarded.get("/?token=another").status == 403
    welcome = guarded.get(f"/?token={TOKEN}")
    assert (welcome.status, welcome.getheader("location")) == (303, "/")
    deep = guarded.get(f"/?replay=a%20%26b.npz&token={TOKEN}&session=0-1")
    assert deep.getheader("location") == "/?replay=a+%26b.npz&session=0-1"
    assert guarded.get(f"//elsewhere.example/?token={TOKEN}").getheader("location") == "/elsewhere.example/"
    cookie = (welcome.getheader("set-cookie") or "").split(";")[0]
    assert "HttpOnly" in (welcome.getheader("set-cookie") or "")
    assert guarded.get("/", Cookie=cookie, Host="any.example").status == 200
    for options in ({}, {"query": "?token=another"}, {"additional_headers": {"Cookie": "spikeloop-token=another"}}):
        with pytest.raises(InvalidStatus, match="403"):
            await guarded.open(**options)
    for options in ({"query": f"?token={TOKEN}"}, {"additional_headers": {"Cookie": cookie}}):
        async with guarded.open(**options):
            pass


def test_a_server_that_can_not_start_says_why():
    class Broken(Hub):
        def open(self, loop):
            raise RuntimeError("no hub today")

    app = application(None, Library(Path("absent")))
    server = WebServer(bind("127.0.0.1", 0), lambda: app, Broken())
    with pytest.raises(FailureError, match="no hub today"), server:
        pass


def test_the_page_may_run_nothing_but_its_own_files(served):
    answer = served.get("/")
    policy = answer.getheader("content-security-policy") or ""
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert answer.getheader("x-content-type-options") == "nosniff"
    assert (answer.getheader("content-type") or "").startswith("text/html")


def test_files_are_served_by_their_names_alone(served):
    for path in assets():
        assert served.get(f"/{path}").status == 200
    for path in ("/../app.py", "/..%2fapp.py", "/%2e%2e/app.py", "//etc/passwd", "/absent.js"):
        assert served.get(path).status == 404
    tag = served.get("/index.html").getheader("etag")
    assert served.get("/index.html", **{"If-None-Match": tag}).status == 304


def test_a_port_that_is_taken_is_said_so(served):
    with pytest.raises(FailureError, match=f"--port: can't listen on 127.0.0.1:{served.port} .*choose another"):
        bind("127.0.0.1", served.port)
