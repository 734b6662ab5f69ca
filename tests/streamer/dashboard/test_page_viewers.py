"""Two browsers look on, one of them over a line that stands still for a while."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import pytest
from websockets.sync.client import connect

import spikeloop
from spikeloop.streamer.dashboard.frames import Kind
from spikeloop.streamer.dashboard.web import Dashboard
from tests.support.browser_pages import BEGUN, Messages, until
from tests.support.web_pages import request

if TYPE_CHECKING:
    from playwright.sync_api import Page

UNITS = 96
ROUNDS = 20
pytestmark = [pytest.mark.lsl, pytest.mark.realtime]


@pytest.fixture(scope="module")
def served() -> Iterator[Dashboard]:
    with spikeloop.web("m1-sim", name=f"test-viewers-{os.getpid()}", port=0) as served:
        yield served


class SlowLine:
    """Passes connections on to a port; what comes back waits while the line is not `open`."""

    def __init__(self, port: int) -> None:
        self._to = ("127.0.0.1", port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.open = threading.Event()
        self.open.set()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.open.set()
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.socket()
                far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                far.connect(self._to)
                threading.Thread(target=self._pass, args=(near, far, None), daemon=True).start()
                threading.Thread(target=self._pass, args=(far, near, self.open), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket, waits_for: threading.Event | None) -> None:
        with suppress(OSError), one, other:
            while content := one.recv(4096):
                if waits_for is not None:
                    waits_for.wait()
                other.sendall(content)
            other.shutdown(socket.SHUT_WR)


def dropped(messages: Messages, more_than: int, after: int) -> int:
    """Wait until so many messages were dropped for slow pages; returns how many."""
    place = messages.until(Kind.STATE, lambda message: message.document["dropped_frames"] > more_than, after)
    return messages.all[place].document["dropped_frames"]


def test_a_slow_browser_gets_fewer_frames_and_the_quick_one_and_the_stream_lose_nothing(
    served: Dashboard, shared_tab: "Page", tab: "Page"
):
    quick, slow, messages = shared_tab, tab, Messages(shared_tab, UNITS)
    quick.goto(served.url)
    until(quick, BEGUN)
    with connect(served.url.replace("http", "ws") + "stream", max_size=None) as asks:
        asks.send(request(Kind.PERTURB, {"kind": "noise", "value": 1000}))  # so that messages are large
    with SlowLine(urlsplit(served.url).port or 0) as line:
        slow.goto(f"http://127.0.0.1:{line.port}/")
        until(slow, BEGUN)
        for _ in range(ROUNDS):  # on a busy machine the quick browser is slow now and then
            begun = len(messages.all)
            before = dropped(messages, -1, begun)
            line.open.clear()
            dropped(messages, before + 10, begun)
            line.open.set()
            blocks = [message.block(UNITS) for message in messages.all[begun:] if message.kind == Kind.BINS]
            if all(one.first_bin + len(one.counts) == other.first_bin for one, other in pairwise(blocks)):
                break
        else:
            pytest.fail("the quick browser lost bins, too")
        until(slow, "document.querySelector('#health-skipped').textContent.includes('here')")
    state = messages.all[messages.until(Kind.STATE, after=begun)].document
    assert state["reception"]["lost_bins"] == 0
    assert len(blocks) > 10
