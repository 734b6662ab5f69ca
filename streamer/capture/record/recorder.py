"""The recorder: finds streams, pulls their samples and hands them to a writer, one round after the other."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Self

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.capture.record.inlets import OpenInlet, open_inlet
from spikeloop.streamer.capture.record.received_stream import ReceivedStream, Writer
from spikeloop.streamer.capture.record.report import Note, StreamRecord
from spikeloop.streamer.capture.record.threads import Threads
from spikeloop.streamer.lsl.heaps import return_free_pages, return_large_blocks

if TYPE_CHECKING:
    import pylsl

__all__ = ["Recorder"]

LOOK_EVERY_S = 0.5
WRITE_EVERY_S = 0.25
FLUSH_EVERY_S = 0.5
CLOCKS_EVERY_S = 5.0  # as LabRecorder
CLOCKS_S = 5.0  # to wait for an answer
BOUNDARY_EVERY_S = 10.0  # as the specification of XDF says
TRIM_EVERY_S = 60.0
STOOD_STILL_S = 2.0
MOST_NOTES = 1000

Look = Callable[[], dict[str, list["pylsl.StreamInfo"]]]


class Recorder:
    """Records the streams that are found, from entering to leaving the context.

    A stream is one run of an outlet. One that can't be reached for a while goes on in the file as it was; where its
    sender starts anew, its next run is another stream of the file, with its own description.

    Parameters
    ----------
    look : callable
        Returns the streams on the network now, by what was asked for.
    writer : Writer
    now : callable
        The present, s, on LSL's clock.
    connect : callable
        Opens an inlet, as `open_inlet` does; called in another thread.
    until_end : bool
        Whether the recording ends when its streams have; otherwise a note then says how to end it.
    """

    def __init__(
        self,
        look: Look,
        writer: Writer,
        now: Callable[[], float],
        connect: Callable[["pylsl.StreamInfo"], OpenInlet] = open_inlet,
        until_end: bool = False,
    ) -> None:
        self._look, self._writer, self._now, self._connect = look, writer, now, connect
        self._until_end, self._said_that_all_ended = until_end, False
        self._streams: dict[str, ReceivedStream] = {}  # by uid
        self._opening: dict[str, Future[OpenInlet]] = {}
        self._comparing: dict[str, Future[float]] = {}
        self._notes: deque[Note] = deque(maxlen=MOST_NOTES)
        self._noted = 0
        self._found: dict[str, bool] = {}  # by what was asked for
        self._entered_s = self._worked_s = self._now()
        self._began_s: float | None = None
        self._due = {"clocks": self._entered_s + CLOCKS_EVERY_S}  # of each stream also when it begins
        self._threads = Threads()

    def __enter__(self) -> Self:
        return_large_blocks()
        self._threads.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        for stream in self._streams.values():
            stream.close()
        self._opening.clear()  # with the inlets that were opened too late
        self._threads.__exit__(*error)

    @property
    def began(self) -> bool:
        """Whether a stream was recorded yet."""
        return self._began_s is not None

    @property
    def duration_s(self) -> float:
        """Time since the first stream was recorded, s; 0 before."""
        return 0.0 if self._began_s is None else self._now() - self._began_s

    @property
    def streams(self) -> tuple[StreamRecord, ...]:
        """The streams, in the order of the file; those that are not in it yet at the end."""
        ordered = sorted(self._streams.values(), key=lambda stream: (not stream.number, stream.number))
        return tuple(stream.record(self._label(stream)) for stream in ordered)

    @property
    def notes(self) -> tuple[Note, ...]:
        """What happened lately."""
        return tuple(self._notes)

    @property
    def missing(self) -> tuple[str, ...]:
        """What was asked for and not found so far."""
        return tuple(asked for asked, found in self._found.items() if not found)

    @property
    def all_ended(self) -> bool:
        """Whether there were streams, and all of them have ended."""
        return self._began_s is not None and all(stream.is_gone for stream in self._streams.values())

    def work(self) -> None:
        """Do what is due: find streams, pull samples, compare clocks, write."""
        now = self._now()
        if now - self._worked_s > STOOD_STILL_S:  # and LSL heard of no stream meanwhile
            self._due["look"] = now + STOOD_STILL_S
        self._worked_s = now
        self._pull(now)
        if self._is_due("look", LOOK_EVERY_S, now):
            self._find(now)
        for uid in [uid for uid, opening in self._opening.items() if opening.done()]:
            self._begin(uid, self._opening.pop(uid))
        self._compare_clocks(now)
        if self._is_due("write", WRITE_EVERY_S, now):
            self._write(now)
        if self._began_s is not None and self._is_due("boundary", BOUNDARY_EVERY_S, now):
            self._writer.add_boundary()
        if self._is_due("flush", FLUSH_EVERY_S, now):
            self._writer.flush()
        if self._is_due("trim", TRIM_EVERY_S, now):
            return_free_pages()

    def finish(self) -> None:
        """Write what has arrived until now."""
        self._pull(self._now())
        self._write(self._now())
        for stream in self._streams.values():
            stream.finish(self._now())
        self._note_all()
        self._writer.flush()

    def _is_due(self, what: str, every_s: float, now: float) -> bool:
        if now < self._due.get(what, now):
            return False
        self._due[what] = now + every_s
        return True

    def _find(self, now: float) -> None:
        visible: dict[str, pylsl.StreamInfo] = {}
        for asked, infos in self._look().items():
            self._found[asked] = self._found.get(asked, False) or bool(infos)
            for info in infos:
                visible[info.uid()] = info
                if info.uid() not in self._streams:
                    self._streams[info.uid()] = ReceivedStream(info, self._writer, self._threads)
        for uid, stream in self._streams.items():
            stream.see(visible.get(uid), now)
            if uid not in self._opening and stream.try_now(now):
                self._opening[uid] = self._threads.start(self._connect, stream.info)
        if self.all_ended and not self._said_that_all_ended and not self._until_end:
            self._note(
                "all senders have ended; the recording waits for others: Ctrl-C ends it, and with --until-end it ends"
                " by itself"
            )
        self._said_that_all_ended = self.all_ended

    def _label(self, stream: ReceivedStream) -> str:
        """The name of a stream, and where others have it, its number in the file."""
        alone = [other.name for other in self._streams.values()].count(stream.name) == 1
        return stream.name if alone or not stream.number else f"{stream.name}#{stream.number}"

    def _begin(self, uid: str, opening: "Future[OpenInlet]") -> None:
        """Begin with a stream that was opened, or go on with it."""
        stream = self._streams[uid]
        known, before = stream.number > 0, stream.reconnections
        try:
            stream.begin(opening.result(), self._now())
        except BadInputError as error:
            self._note(f"{stream.name!r} can't be recorded: {error}")
            return
        except RuntimeError as error:
            if not known:
                self._note(f"{stream.name!r} from {stream.hostname} can't be reached ({error}); trying again")
            return
        self._began_s = self._now() if self._began_s is None else self._began_s
        if not known:
            self._note(f"recording {self._label(stream)!r} from {stream.origin}")
        elif stream.reconnections > before:
            self._note(f"connected again to {self._label(stream)!r} from {stream.hostname}")
        self._start_comparing(uid)

    def _pull(self, now: float) -> None:
        for stream in self._streams.values():
            if not stream.pull(now):
                self._note(f"{self._label(stream)!r} ended or is out of reach, after {stream.samples:,} samples")

    def _write(self, now: float) -> None:
        for stream in self._streams.values():
            stream.write(now)
        self._note_all()

    def _note_all(self) -> None:
        for stream in self._streams.values():
            for text in stream.news():
                self._note(f"{self._label(stream)!r} {text}")

    def _compare_clocks(self, now: float) -> None:
        for uid in [uid for uid, comparing in self._comparing.items() if comparing.done()]:
            comparing = self._comparing.pop(uid)
            if comparing.exception() is None:  # else it is asked again when the next is due
                self._streams[uid].add_offset(comparing.result(), self._now())
        if self._is_due("clocks", CLOCKS_EVERY_S, now):
            for uid in self._streams:
                self._start_comparing(uid)

    def _start_comparing(self, uid: str) -> None:
        clock = self._streams[uid].clock
        if clock is not None and uid not in self._comparing:
            self._comparing[uid] = self._threads.start(clock.measure, CLOCKS_S)

    def _note(self, text: str) -> None:
        self._noted += 1
        self._notes.append(Note(self._noted, self._now() - self._entered_s, text))
