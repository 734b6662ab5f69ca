"""Follow an LSL stream: find it, connect, and connect again when it ends, falls silent or returns as another run."""

import atexit
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Self

import numpy as np

from spikeloop.exporters.stream_names import SPIKES
from spikeloop.models.clocks import as_times
from spikeloop.models.errors import BadInputError
from spikeloop.models.interrupts import hold_interrupts
from spikeloop.streamer.lsl.connection import Chunk, Connection
from spikeloop.streamer.lsl.handed_out import HandedOut
from spikeloop.streamer.lsl.library import import_pylsl
from spikeloop.streamer.lsl.search import Listening, Search
from spikeloop.streamer.lsl.stream_query import StreamQuery, describe_origin

if TYPE_CHECKING:
    import pylsl

__all__ = ["Follower", "list_streams", "named"]

LOOK_EVERY_S = 0.1
CHECK_EVERY_S = 0.5  # whether a connected stream still sends
STALE_S = 10.0  # of silence, after which the connection is made anew: it may be cut without LSL noticing
FORGET_S = 1.5  # streams that do not answer; LSL asks every half second
NAMESAKES_S = 2.0  # in which other streams that could be meant are looked for, though one is followed
LONGEST_LIST = 10  # names of streams in a message


Select = Callable[[Sequence["pylsl.StreamInfo"], float], Sequence["pylsl.StreamInfo"]]


def named(wanted: str | StreamQuery) -> Select:
    """Select the streams of a name, or all that are meant, for `Follower`."""
    query = StreamQuery(wanted) if isinstance(wanted, str) else wanted
    return lambda found, _: [info for info in found if query.matches(info)]


class Follower:
    """Follows one stream from entering to leaving the context; all that may wait happens in a thread of its own.

    A stream that ends, or is silent and no longer answers, gives way to any other that is selected, such as its
    sender's next run; one that is silent but answers keeps its place. Of several, the first that connects is
    followed; while it never sent, the others are listened to, and the first of them that sends takes its place. `pull`
    returns at once and belongs in one thread.

    Parameters
    ----------
    select : callable
        Gets the streams on the network and the seconds since the search began, and returns those to try. May raise
        BadInputError to say why none can be chosen.
    connect : callable
        Opens a stream as `connect` does. Raises BadInputError for one that does not fit, which is not tried again.
    thread : str
        Name of the thread.

    Attributes
    ----------
    connection : Connection or None
        The present one.
    connections : int
        Times that a connection was made.
    absent : bool
        Whether there is no stream; after leaving, as it was then.
    on_network : sequence of pylsl.StreamInfo
        What the latest search found.
    refused : str
        The latest stream that could not be followed, and why; empty once one is.
    namesakes : tuple of str
        Where other streams that were selected come from, as of the latest search: hosts and source ids.
    origin : str
        Where the present one comes from; empty before the first.
    """

    def __init__(self, select: Select, connect: Callable[["pylsl.StreamInfo"], Connection], thread: str) -> None:
        self.connection: Connection | None = None
        self.connections, self.absent, self.refused = 0, True, ""
        self.on_network: Sequence[pylsl.StreamInfo] = ()
        self.namesakes: tuple[str, ...] = ()
        self.origin = ""
        self._handed_out = HandedOut()
        self._select, self._connect = select, connect
        self._misfits: set[str] = set()  # by uid
        self._connected, self._wake, self._closing = threading.Event(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._follow, name=thread, daemon=True)

    def __enter__(self) -> Self:
        import_pylsl()  # which may be missing
        atexit.register(self._end)  # LSL aborts a process that ends while a thread is inside of it
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._end()
        atexit.unregister(self._end)

    def _end(self) -> None:
        """End the thread, and wait for it whatever arrives meanwhile."""
        with hold_interrupts():
            self.give_up()
            if self._thread.is_alive():
                self._thread.join()

    def give_up(self) -> None:
        """End the thread, and a `wait` in another one, without waiting for them."""
        self._closing.set()
        for event in (self._wake, self._connected):
            event.set()

    def wait(self, within_s: float) -> bool:
        """Wait for the first connection; whether there was one within this time."""
        return self._connected.wait(within_s) and not self._closing.is_set()

    def pull(self) -> Chunk | None:
        """What has arrived since, at once; None where nothing has, or the stream ended."""
        connection = self.connection
        if connection is None:
            return None
        try:
            values, stamps_s = connection.inlet.pull_chunk(
                timeout=0.0, max_samples=connection.most_samples, as_numpy=True
            )
        except RuntimeError:  # it ended
            if self.connection is connection:  # and no other was connected meanwhile
                self.connection, self.absent = None, True
            self._wake.set()
            return None
        connection.received += len(stamps_s)
        chunk = Chunk(connection, np.asarray(values), as_times(np.asarray(stamps_s)))
        chunk = self._handed_out.without_repeats(chunk)
        return chunk if len(chunk.stamps_s) else None

    def _follow(self) -> None:
        kept: Connection | None = None  # so that the thread that pulls never closes an inlet, which may take a while
        search: Search | None = None
        listening = Listening(self._try)
        heard_s, received = time.monotonic(), 0
        while not self._closing.is_set():
            self._wake.wait(LOOK_EVERY_S if self.connection is None else CHECK_EVERY_S)
            self._wake.clear()
            connection = self.connection
            hears = connection is not None and (
                connection.received > received or connection.inlet.samples_available() > 0
            )
            if connection is not None and hears:
                heard_s, received = time.monotonic(), connection.received
                listening.stop()
                connection.compare_clocks()
                if search is None or search.lasted_s() > NAMESAKES_S:
                    search = None
                    continue
            try:
                search = search or Search(FORGET_S, STALE_S)
                found = self._look(search)
            except RuntimeError as error:  # LSL lacks what it needs, such as sockets; perhaps not for long
                self.refused, search = f"LSL can't look for streams ({error})", None
                continue
            made = None
            if connection is not None:
                others = self._note_namesakes(found, connection.description.uid)
                if hears:
                    continue
                made = listening.first_to_send(others) if not received else None
                found = search.replacements(connection.description, found, time.monotonic() - heard_s)
            made = made or self._connect_first(found, kept.description.uid if kept else "")
            if made is not None:
                if kept is not None and kept.description.uid == made.description.uid:
                    made.received = kept.received
                received = made.received
                self._turn_to(made)
                self._note_namesakes(self._look(search), made.description.uid)
                self._closing.wait(LOOK_EVERY_S)  # the thread that pulls may be at work on the old one
                kept, heard_s = made, time.monotonic()
        self.connection = None
        listening.stop()
        del kept

    def _look(self, search: Search) -> Sequence["pylsl.StreamInfo"]:
        self.on_network = search.results()
        try:
            return self._select(self.on_network, search.lasted_s())
        except BadInputError as error:
            self.refused = str(error)
            return []

    def _note_namesakes(self, found: Sequence["pylsl.StreamInfo"], uid: str) -> Sequence["pylsl.StreamInfo"]:
        others = [info for info in found if info.uid() != uid]
        self.namesakes = tuple(sorted(map(describe_origin, others)))
        return others

    def _connect_first(self, found: Sequence["pylsl.StreamInfo"], lost_uid: str) -> Connection | None:
        """Connect to the first of these that fits and can be reached, trying the one that was lost last of all."""
        for info in sorted(found, key=lambda info: info.uid() == lost_uid):
            made = self._try(info, lost_uid)
            if made is not None:
                return made
        return None

    def _try(self, info: "pylsl.StreamInfo", lost_uid: str = "") -> Connection | None:
        """Connect to a stream; None where it does not fit or can't be reached."""
        if info.uid() in self._misfits:
            return None
        try:
            return self._connect(info)
        except BadInputError as error:
            self._misfits.add(info.uid())
            self.refused = f"{info.name()!r} from {info.hostname()}: {error}"
        except RuntimeError as error:
            if info.uid() != lost_uid:  # which is remembered for a while
                self.refused = f"{info.name()!r} from {info.hostname()}: could not be reached ({error})"
        return None

    def _turn_to(self, made: Connection) -> None:
        self.connection, self.absent, self.refused = made, False, ""
        self.origin = made.origin
        self.connections += 1
        self._connected.set()


def list_streams(found: Sequence["pylsl.StreamInfo"]) -> str:
    """List names, types and hosts for a message, streams of spikes first."""
    ordered = sorted(found, key=lambda info: (info.type() != SPIKES, info.name()))
    listed = [f"{info.name()!r} ({info.type() or 'no type'}, {info.hostname()})" for info in ordered[:LONGEST_LIST]]
    return ", ".join(listed + ["..."] * (len(ordered) > LONGEST_LIST))
