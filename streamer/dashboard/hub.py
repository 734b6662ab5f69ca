"""Hands frames to every page that looks on; one that is slow gets fewer of them, and delays nobody."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from spikeloop.streamer.dashboard.frames import Kind, Request, frame

__all__ = ["Hub", "Room", "Viewer"]

MOST_FRAMES, MOST_BYTES = 64, 2**21  # that wait for a page
MOST_WAITING = 256  # frames that wait for the event loop
KEPT = (
    Kind.DESCRIPTION,
    Kind.TUNING,
    Kind.GAME,
    Kind.STATE,
    Kind.COURSE,
    Kind.STATISTICS,
    Kind.IMPORTANCE,
    Kind.REPLAY,
)  # for who comes later
PASSING = (Kind.BINS, Kind.CONDITIONS, Kind.CURSOR)  # are dropped first


class Viewer:
    """The frames that wait for one page; on the event loop alone.

    Attributes
    ----------
    number : int
        Of the page, from 1.
    dropped : int
        Frames that gave way to newer ones.
    """

    def __init__(self, number: int) -> None:
        self.number, self.dropped = number, 0
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._news = asyncio.Event()

    def put(self, content: bytes) -> None:
        """Append a frame; without room, the oldest counts and conditions go first, then what newer frames replace."""
        self._waiting.append(content)
        self._bytes += len(content)
        while len(self._waiting) > 1 and (len(self._waiting) > MOST_FRAMES or self._bytes > MOST_BYTES):
            least = self._least()
            self._waiting.remove(least)
            self._bytes -= len(least)
            self.dropped += 1
        self._news.set()

    def _least(self) -> bytes:
        """Return the frame that is missed least: the oldest that passes, or is replaced, or is a single event."""
        newest = {held[0]: held for held in self._waiting}

        def rank(held: bytes) -> int:
            if held[0] in PASSING:
                return 0
            if held[0] not in KEPT:
                return 2
            return 3 if newest[held[0]] is held else 1

        return min(self._waiting, key=rank)

    async def next(self) -> bytes:
        """Return the oldest frame that waits, as soon as there is one."""
        while not self._waiting:
            self._news.clear()
            await self._news.wait()
        content = self._waiting.popleft()
        self._bytes -= len(content)
        return content


class Hub:
    """All pages that look on.

    Attributes
    ----------
    viewers : set of Viewer
    seen : int
        Pages so far.
    published : int
        Frames so far.
    """

    def __init__(self) -> None:
        self.viewers: set[Viewer] = set()
        self.seen = self.published = 0
        self._gone_dropped = 0
        self._kept: dict[Kind, bytes] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting, self._lock = 0, threading.Lock()

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hand frames on in this event loop from now on."""
        self._loop = loop

    @property
    def dropped(self) -> int:
        """Frames that slow pages did not get."""
        return self._gone_dropped + sum(viewer.dropped for viewer in tuple(self.viewers))

    def enter(self) -> Viewer:
        """Add a page, which first gets the latest of what does not pass; on the event loop."""
        self.seen += 1
        viewer = Viewer(self.seen)
        for kind in KEPT:
            if kind in self._kept:
                viewer.put(self._kept[kind])
        self.viewers.add(viewer)
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """Remove a page."""
        self.viewers.discard(viewer)
        self._gone_dropped += viewer.dropped

    def publish(self, kind: Kind, body: bytes, to: int | None = None) -> None:
        """Send a frame to every page, or to the one of this number; from any thread, returns at once."""
        with self._lock:
            if self._loop is None or (self._waiting >= MOST_WAITING and kind in PASSING):
                return
            self.published += 1
            content = frame(kind, self.published, body)
            self._waiting += 1
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._deliver, kind, content, to)

    def keep(self, kind: Kind, body: bytes) -> None:
        """Have later pages begin with this one of its kind, without sending it now."""
        self._kept[kind] = frame(kind, 0, body)

    def _deliver(self, kind: Kind, content: bytes, to: int | None) -> None:
        with self._lock:
            self._waiting -= 1
        if kind in KEPT and kind != Kind.COURSE:
            self._kept[kind] = content
        for viewer in self.viewers:
            if to is None or viewer.number == to:
                viewer.put(content)


def _stay(number: int) -> None:
    """Do nothing about a page that left."""


class Room(NamedTuple):
    """What pages look on together.

    Attributes
    ----------
    hub : Hub
        Has the frames for pages.
    on_request : callable
        Gets what a page asks for and the page's number; returns at once, and raises BadInputError to refuse it.
    on_leave : callable
        Gets the number of a page that left.
    """

    hub: Hub
    on_request: Callable[[Request, int], None]
    on_leave: Callable[[int], None] = _stay
