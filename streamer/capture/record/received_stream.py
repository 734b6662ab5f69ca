"""One stream of a recording: its inlet, and what was recorded of it."""

from typing import TYPE_CHECKING, Any, Protocol
from xml.etree import ElementTree

from spikeloop.exporters.stream_names import MARKERS
from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError
from spikeloop.streamer.capture.acts import ActsSeen
from spikeloop.streamer.capture.record.findings import Findings
from spikeloop.streamer.capture.record.inlets import Gathering, OpenInlet
from spikeloop.streamer.capture.record.report import State, StreamRecord
from spikeloop.streamer.capture.record.stamp_check import StampCheck
from spikeloop.streamer.capture.record.threads import Threads
from spikeloop.streamer.lsl.clock_offset import ClockOffset, is_here
from spikeloop.streamer.lsl.stream_query import describe_origin

if TYPE_CHECKING:
    import pylsl

__all__ = ["ReceivedStream", "Writer"]

STALE_S = 10.0  # of silence, after which a regular stream is connected anew: it may be cut without LSL noticing
RETRY_S = 2.0


class Writer(Protocol):
    """Where a recording is written to, such as `XdfWriter`."""

    def add_stream(self, info: ElementTree.Element) -> int: ...
    def add_samples(self, stream: int, values: Any, stamps_s: Floats) -> None: ...
    def add_clock_offset(self, stream: int, at_s: float, offset_s: float) -> None: ...
    def add_boundary(self) -> None: ...
    def flush(self) -> None: ...


class ReceivedStream:
    """A stream that was found: one run of an outlet.

    Parameters
    ----------
    info : pylsl.StreamInfo
        As LSL found it first.
    writer : Writer
    threads : Threads
        For closing inlets.

    Attributes
    ----------
    name, hostname, state, samples
        As of `StreamRecord`.
    origin : str
        As of `describe_origin`.
    info : pylsl.StreamInfo or None
        As LSL found it last; None while it is not on the network, as LSL's takes 40 KB of memory.
    number : int
        In the file; 0 before it has one.
    reconnections : int
        Times that it was lost, and found again.
    """

    def __init__(self, info: "pylsl.StreamInfo", writer: Writer, threads: Threads) -> None:
        self.info: pylsl.StreamInfo | None = info
        self.name, self.hostname, self.origin = info.name(), info.hostname(), describe_origin(info)
        self._type, self._source_id, self._uid = info.type(), info.source_id(), info.uid()
        self._channels, self._rate_hz = info.channel_count(), info.nominal_srate()
        self.number = self.samples = 0
        self.state: State = "connecting"
        self._writer, self._threads = writer, threads
        self._opened: OpenInlet | None = None
        self._gathering: Gathering | None = None
        self._stamps, self._findings = StampCheck(self._rate_hz, False), Findings("", 0.0, False)
        self._acts: ActsSeen | None = None
        self._format, self._offset_s = "", None
        self.reconnections, self._lost = 0, False  # the latter: since the latest connection
        self._vanished, self._stale_s = False, STALE_S  # the former since it was last heard
        self._heard_s = self._retry_s = -float("inf")
        self._silent_s = 0.0  # how long it was, where that is still to be reported

    def see(self, info: "pylsl.StreamInfo | None", now: float) -> None:
        """Note what LSL found of it on the network, or that it did not.

        One that is silent and was out of sight, or is regular and silent for long, is to be connected anew.
        """
        self.info = info
        if self.state == "recording":
            stale = self._rate_hz > 0 and now - self._heard_s >= self._stale_s
            if info is not None and (self._vanished or stale):
                self._lost, self._silent_s = self._vanished, 0.0 if self._vanished else self._stale_s
                self._stale_s *= 2
                self.write(now)
                self.close()
                self.state = "connecting"
            self._vanished = info is None

    @property
    def is_gone(self) -> bool:
        """Whether there is nothing to wait for."""
        return self.state == "refused" or (self.state != "recording" and self.info is None)

    def try_now(self, now: float) -> bool:
        """Whether a connection should be tried now; the next is due later."""
        if self.state not in ("connecting", "ended") or self.info is None or now < self._retry_s:
            return False
        self._retry_s = now + RETRY_S
        return True

    def begin(self, opened: OpenInlet, now: float) -> None:
        """Go on with an inlet that was opened.

        Raises
        ------
        BadInputError
            If the file can't hold what it sends.
        """
        if self._lost and self.number:
            self.reconnections, self._lost = self.reconnections + 1, False
        if not self.number:
            try:
                self.number = self._writer.add_stream(opened.info)
            except BadInputError:
                self.state = "refused"
                raise
            exact = opened.info.find("desc/spikeloop") is not None
            self._stamps = StampCheck(self._rate_hz, exact)
            self._acts = ActsSeen() if exact and self.name.endswith(MARKERS) else None
            self._format = opened.info.findtext("channel_format") or ""
            self._findings = Findings(self._type, self._rate_hz, self._format != "string")
        self._opened = opened
        self._gathering = Gathering(opened.inlet, self._rate_hz)
        self.state, self._heard_s, self._vanished = "recording", now, False

    @property
    def clock(self) -> ClockOffset | None:
        """Its sender's clock, where it is connected."""
        return None if self._opened is None else self._opened.clock

    def pull(self, now: float) -> bool:
        """Gather what has arrived; return False where the connection is lost."""
        if self._gathering is None:
            return True
        try:
            arrived = self._gathering.pull(lambda values, stamps_s: self._add(values, stamps_s, now))
        except RuntimeError:
            self._lost = True
            self.write(now)
            self.close()
            return False
        if arrived:
            self._heard_s, self._vanished, self._stale_s = now, False, STALE_S
        return True

    def write(self, now: float) -> None:
        """Write what was gathered."""
        if self._gathering is not None:
            self._gathering.hand_on(lambda values, stamps_s: self._add(values, stamps_s, now))
        self._stamps.wait(now)

    def finish(self, now: float) -> None:
        """Decide what is missing, as no more will come."""
        if self.samples and self._offset_s is None and is_here(self.hostname):  # it ended before LSL had measured
            self.add_offset(0.0, now)
        self._stamps.flush()

    def news(self) -> list[str]:
        """Say what was found since the last time: gaps, stamps of another clock, acts that came before."""
        silent, self._silent_s = self._silent_s, 0.0
        silence = [f"has sent nothing for {silent:g} s; its connection is made anew"] if silent else []
        acts = self._acts.news() if self._acts is not None else []
        return [*silence, *self._stamps.news(), *self._findings.news(), *acts]

    def _add(self, values: Any, stamps_s: Floats, now: float) -> None:
        self._writer.add_samples(self.number, values, stamps_s)
        self._stamps.add(stamps_s, now)
        if self._acts is not None:
            self._acts.add(values)
        self.samples += len(stamps_s)
        self._findings.add(values, stamps_s, now, self._offset_s)
        if self._findings.other_clock:
            self._note_arrival(now)

    def add_offset(self, offset_s: float, now: float) -> None:
        """Write a comparison of clocks, with its time on the stream's clock, as pyxdf reads it."""
        self._offset_s = offset_s
        self._findings.compare(self._offset_s)
        self._note_arrival(now)

    def _note_arrival(self, now: float) -> None:
        """Write a comparison of clocks, by which a reader sees when the samples before it came."""
        offset_s = self._offset_s or 0.0
        self._writer.add_clock_offset(self.number, now - offset_s, offset_s)

    def close(self) -> None:
        """Close the inlet, in a thread, as that may take a while."""
        self.state = "ended" if self.state == "recording" else self.state
        self._gathering = None
        held = [self._opened]
        self._opened = None
        self._threads.start(held.clear)

    def record(self, label: str) -> StreamRecord:
        """Return what was recorded so far; `label` is what people know it by."""
        stamps = self._stamps
        return StreamRecord(
            self.name,
            label,
            self._type,
            self.hostname,
            self._source_id,
            self._uid,
            self.number,
            self._channels,
            self._format,
            self._rate_hz,
            self.state,
            self.samples,
            stamps.measured_rate_hz(),
            stamps.gaps,
            stamps.lost,
            stamps.resets,
            stamps.unusable,
            self.reconnections,
            stamps.first_s,
            stamps.last_s,
            self._offset_s,
            self._findings.sentences,
        )
