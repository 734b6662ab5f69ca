"""Follows a stream over LSL, in a thread, and publishes what comes: counts, conditions, markers."""

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.documents import parsed_json, printable
from spikeloop.exporters.stream_names import CONDITION, MARKERS
from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError, FailureError, in_one_line
from spikeloop.streamer.dashboard.frames import Kind, bins_body, conditions_body, document_body
from spikeloop.streamer.dashboard.hub import Hub
from spikeloop.streamer.dashboard.numbering import BinNumbers
from spikeloop.streamer.lsl.connection import Connection, connect
from spikeloop.streamer.lsl.description import StreamDescription
from spikeloop.streamer.lsl.follower import Follower, named
from spikeloop.streamer.lsl.library import import_pylsl
from spikeloop.streamer.lsl.segments import Segment
from spikeloop.streamer.lsl.spikes import LslSpikes

if TYPE_CHECKING:
    import pylsl

__all__ = ["Feed", "StreamListener"]

FRAMES_A_S, HURRIED_FRAMES_A_S = 30.0, 120.0
HURRIED_S = 2.0
IDLE_S = 0.2  # between two looks while nobody looks on
BUFFER_S, MOST_SAMPLES = 60, 4096
LONGEST_MARKER = 2**17  # characters: with the numbers of 10,000 units


class StreamListener(Protocol):
    """What is done with each bin besides showing it."""

    def begin_run(self, description: StreamDescription) -> None:
        """Begin with a run of the stream."""
        ...

    def decode(self, first_bin: int, segment: Segment) -> None:
        """Use counts, from the bin of this number on."""
        ...

    def driven(self, first_bin: int, ends_s: Floats, values: NDArray[np.float32]) -> None:
        """Note what drove bins, (bins, channels), from the bin of this number on, and when they ended."""
        ...

    def marked(self, text: str) -> None:
        """Note a marker of the stream."""
        ...


class Feed:
    """Pulls counts, conditions and markers of a stream and publishes them, from entering to leaving the context.

    Parameters
    ----------
    stream : str or None
        The stream's name; None for the only one of type Spikes.
    hub : Hub
    describe : callable
        Gets the stream's description and the names of its conditions, and returns the document for pages.
    beside : callable
        Called in the feed's thread after each look at the stream, with the counts that came.
    listener : StreamListener, optional
        Told in the feed's thread what comes, before it is published.
    failed : callable
        Called in the feed's thread where it ends by an error.

    Attributes
    ----------
    spikes : LslSpikes
        The stream's counts.
    withheld_bins : int
        Bins that never came since a pause kept them back.
    failure : FailureError or None
        Why nothing more is published.
    """

    def __init__(
        self,
        stream: str | None,
        hub: Hub,
        describe: Callable[[StreamDescription, tuple[str, ...]], dict[str, Any]],
        beside: Callable[[tuple[Segment, ...]], None] = lambda segments: None,
        listener: "StreamListener | None" = None,
        failed: Callable[[], None] = lambda: None,
    ) -> None:
        self.spikes = LslSpikes(stream, wait=True)
        self._hub, self._describe, self._beside, self._listener = hub, describe, beside, listener
        self._failed = failed
        self.failure: FailureError | None = None
        self._run: tuple[str, tuple[str, ...]] | None = None  # of the stream: its uid, and what is known of it
        self._numbers: BinNumbers | None = None
        self._paused_at: float | None = None  # bin
        self.withheld_bins = 0
        self._hurried_until_s = 0.0
        self._conditions: Follower | None = None
        self._markers: Follower | None = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, name="spikeloop-feed", daemon=True)

    def __enter__(self) -> Self:
        self._lsl = import_pylsl()
        with ExitStack() as opened:
            opened.enter_context(self.spikes)
            self._opened = opened.pop_all()
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ending.set()
        self._thread.join()
        self._opened.close()

    def _work(self) -> None:
        try:
            self._follow()
        except Exception as error:  # of any kind: pages get to know, or they would go on as if the stream stood still
            self.failure = FailureError(
                f"its counts can't be followed any more ({in_one_line(error)}); start spikeloop web again"
            )
            self._failed()

    def _follow(self) -> None:
        due_s = time.monotonic()
        while not self._ending.is_set():
            segments = self.spikes.pull()
            self._open_others()
            self._publish(segments)
            self._beside(segments)
            due_s = max(due_s + self._period_s(), time.monotonic())
            self._ending.wait(max(0.001, due_s - time.monotonic()))

    def hurry(self) -> None:
        """Look at the stream more often for two seconds, as somebody in a loop waits for it; from any thread."""
        self._hurried_until_s = time.monotonic() + HURRIED_S

    def _period_s(self) -> float:
        if not self._hub.viewers:
            return IDLE_S
        return 1 / (HURRIED_FRAMES_A_S if time.monotonic() < self._hurried_until_s else FRAMES_A_S)

    def _open_others(self) -> None:
        """Follow conditions and markers as soon as the counts have a name, and describe each run of the stream."""
        description = self.spikes.description
        if description is None:
            return
        if self._conditions is None:
            followers = [
                Follower(named(f"{description.name}{suffix}"), open_stream, f"spikeloop-web{suffix.lower()}")
                for suffix, open_stream in ((CONDITION, _connect_numbers), (MARKERS, _connect_texts))
            ]
            self._conditions, self._markers = map(self._opened.enter_context, followers)
        run = description.uid, self._channels()
        if run != self._run:
            if self._run is None or self._run[0] != run[0]:
                self._numbers = BinNumbers(description)
                if self._listener is not None:
                    self._listener.begin_run(description)
            self._run = run
            self._hub.publish(Kind.DESCRIPTION, document_body(self._describe(description, run[1])))

    def _channels(self) -> tuple[str, ...]:
        connection = self._conditions.connection if self._conditions is not None else None
        return connection.description.unit_names if connection is not None else ()

    def _publish(self, segments: tuple[Segment, ...]) -> None:
        numbers = self._numbers
        if numbers is None:
            return
        for segment in segments:
            first_bin = numbers.first_of(segment)
            if self._listener is not None:
                self._listener.decode(first_bin, segment)
            if self._hub.viewers:
                self._hub.publish(Kind.BINS, bins_body(first_bin, float(segment.ends_s[-1]), segment.counts))
        chunk = self._conditions.pull() if self._conditions is not None else None
        if chunk is not None and (last := numbers.ending_at(float(chunk.local_s[-1]))) is not None:
            first_bin = last - len(chunk.values) + 1
            if self._listener is not None and first_bin >= 0:
                self._listener.driven(first_bin, chunk.local_s, chunk.values)
            if self._hub.viewers and first_bin >= 0:
                self._hub.publish(Kind.CONDITIONS, conditions_body(first_bin, float(chunk.local_s[-1]), chunk.values))
        marked = self._markers.pull() if self._markers is not None else None
        if marked is not None:
            for (content,), stamp_s in zip(marked.values, marked.local_s, strict=True):
                self._mark(content, float(stamp_s), numbers)

    def _mark(self, content: bytes, stamp_s: float, numbers: BinNumbers) -> None:
        """Publish a marker with the bin that it falls into; what is no marker of ours goes as its text."""
        text = content[:LONGEST_MARKER].decode(errors="replace")
        marker = parsed_json(text)
        details = marker if isinstance(marker, dict) else {"event": text[:80]}
        if self._listener is not None:
            self._listener.marked(text)
        event = printable(str(details.get("event", "marker"))[:80])
        place = numbers.bin_of(stamp_s)
        self._count_withheld(event, place)
        self._hub.publish(Kind.MARKER, document_body({**details, "event": event, "bin": place}))

    def mark(self, event: str, **details: Any) -> None:
        """Publish a marker of what is done now, beside the stream; from any thread."""
        place = None if self._numbers is None else self._numbers.bin_of(self._lsl.local_clock())
        self._hub.publish(Kind.MARKER, document_body({"event": event, "bin": place} | details))

    def _count_withheld(self, event: str, place: float | None) -> None:
        if event == "pause":
            self._paused_at = place
        elif event == "resume" and self._paused_at is not None and place is not None:
            self.withheld_bins += max(0, round(place) - round(self._paused_at))
            self._paused_at = None


def _connect_numbers(info: "pylsl.StreamInfo") -> Connection:
    if info.channel_format() == import_pylsl().cf_string or not 1 <= info.channel_count() <= MOST_SAMPLES:
        raise BadInputError("expected numbers")
    return connect(info, BUFFER_S, MOST_SAMPLES)


def _connect_texts(info: "pylsl.StreamInfo") -> Connection:
    if info.channel_format() != import_pylsl().cf_string or info.channel_count() != 1:
        raise BadInputError("expected texts")
    return connect(info, BUFFER_S, MOST_SAMPLES)
