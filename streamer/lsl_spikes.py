"""Spike counts that come over LSL, from a stream that may err, stall, fall silent, vanish and return."""

import math
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from types import ModuleType
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.lsl import CONDITION, EVENTS, import_pylsl
from spikeloop.streamer.spike_pieces import Piece, PieceCutter
from spikeloop.streamer.stream_description import StreamDescription, check_same, describe

if TYPE_CHECKING:
    import pylsl

__all__ = ["LslSpikes", "Reception"]

Floats = NDArray[np.float64]

APPEARS_WITHIN_S = 5.0
LOOK_EVERY_S = 0.1
CHECK_EVERY_S = 0.5  # whether a stream that is connected still sends
SETTLE_S = 1.0  # until all streams have answered; LSL asks every half second
CONNECT_S = 2.0  # comparing clocks alone takes 0.64 s
SILENT_AFTER_S = 1.0  # and as long as a step takes
STALE_S = 10.0  # of silence, after which a connection is made anew: the old one may be cut without LSL's knowing
FORGET_S = 1.5  # streams that don't answer
BUFFER_S = 60  # of bins that wait in LSL while nothing is taken,
BUFFER_BYTES = 10**8  # but no more memory than this
SAMPLE_BYTES, VALUE_BYTES = 64, 8  # at most, with what LSL adds
MOST_S, MOST_BINS = 1.0, 1000  # taken at once, the more of these: LSL needs a few µs a bin
JITTER_S = 0.02  # of stamps that a foreign sender reads from its system's clock, in ticks of up to 16 ms
LONGEST_LIST = 10  # names of streams in a message
SPIKES = "Spikes"
NOT_COUNTS = {"Fluorescence", "SpikeEvents", "Condition", "Markers", "Monitor", "Broadband"}


@dataclass(frozen=True)
class Reception:
    """How a stream arrives, up to the latest `take`.

    Attributes
    ----------
    state : "live"; "silent" where there is a stream that sends nothing; "absent" where there is none
    bins : handed out
    gaps : places, within one run of the stream, where a piece doesn't continue the one before
    lost_bins : that never came, by the stamps of those around them
    invalid_bins : left out for a value that isn't a whole number from 0 to 1000, or a stamp that isn't finite
    saturated_bins : left out for an int8 count of 127, which stands for 127 or more
    restarts : times that another run of the stream took over
    refused : the latest stream that could not be followed, and why; empty once one is
    delay_ms : from the end of the newest bin to when it was taken; None before the first
    longest_delay_ms : of all
    """

    state: Literal["live", "silent", "absent"]
    bins: int = 0
    gaps: int = 0
    lost_bins: int = 0
    invalid_bins: int = 0
    saturated_bins: int = 0
    restarts: int = 0
    refused: str = ""
    delay_ms: float | None = None
    longest_delay_ms: float | None = None


class LslSpikes:
    """Follows the LSL stream of spike counts of a name, from entering to leaving the context.

    A stream that ends, or is silent and no longer answers, gives way to any other of the same name, such as its
    sender's next run; one that is silent but answers keeps its place. Who comes later must have the units, by number
    and name, and the bin size of the first; who hasn't is refused and reported. Finding and connecting go on in a
    thread of their own; taking and reporting return at once and belong in one thread.

    Parameters
    ----------
    name : of the stream; None for the only one of type Spikes on the network
    appears_within_s : how long to wait for it on entering
    wait : don't; enter at once, and follow the stream when it comes

    Raises
    ------
    BadInputError
        On entering, if there is no such stream, or for None several, or what it carries isn't spike counts.
    FailureError
        On entering, if pylsl or liblsl is missing.
    """

    def __init__(
        self, name: str | None = None, appears_within_s: float = APPEARS_WITHIN_S, *, wait: bool = False
    ) -> None:
        self.name = name
        self._appears_within_s, self._wait = appears_within_s, wait
        self._first: StreamDescription | None = None  # which later ones must resemble
        self._connection: _Connection | None = None
        self._connected, self._lost, self._closing = threading.Event(), threading.Event(), threading.Event()
        self._on_network: list[pylsl.StreamInfo] = []
        self._misfits: set[str] = set()  # by uid
        self._refused = ""
        self._description: StreamDescription | None = None
        self._received = 0
        self._took_s, self._heard_s = 0.0, -math.inf
        self._report = Reception("absent")

    def __enter__(self) -> Self:
        self._lsl = import_pylsl()
        self._follower = threading.Thread(target=self._follow, name="spikeloop-spikes", daemon=True)
        self._follower.start()
        try:
            if not self._wait and not self._connected.wait(self._appears_within_s):
                raise BadInputError(self._nothing_found())
        except BaseException:
            self.__exit__()
            raise
        if self._first is not None:
            assert self._connection is not None
            self._turn_to(self._connection)
        return self

    def __exit__(self, *error: object) -> None:
        self._closing.set()
        self._lost.set()  # wakes it
        self._follower.join()

    @property
    def description(self) -> StreamDescription | None:
        """Of the stream that the latest pieces came from; None before the first is found."""
        return self._description

    def take(self) -> tuple[Piece, ...]:
        """What has arrived since; of a long backlog the oldest second, or 1,000 bins, the rest the next times.

        A gap is where a stamp is off what those before let expect: by more than half a bin in spikeloop's own
        streams, whose stamps are exact; in others also by more than 20 ms. LSL's dejittering would close gaps.
        """
        connection = self._connection
        if connection is None:
            return ()
        if self._description is None or connection.description.uid != self._description.uid:
            self._turn_to(connection)
        most = max(MOST_BINS, math.ceil(MOST_S / connection.description.bin_size_s))
        try:
            values, stamps_s = connection.inlet.pull_chunk(timeout=0.0, max_samples=most, as_numpy=True)
        except RuntimeError:  # it ended
            if self._connection is connection:  # and no other that was connected meanwhile
                self._connection = None
            self._lost.set()
            return ()
        self._took_s = time.monotonic()
        if not len(stamps_s):
            return ()
        self._heard_s = self._took_s
        self._received += len(stamps_s)
        ends_s = np.asarray(stamps_s) + connection.correction_s
        delay_ms = 1e3 * float(self._lsl.local_clock() - ends_s[-1])
        if math.isfinite(delay_ms):
            longest_ms = max(delay_ms, self._report.longest_delay_ms or 0.0)
            self._report = replace(self._report, delay_ms=delay_ms, longest_delay_ms=longest_ms)
        cut = self._cutter.cut(np.asarray(values), np.asarray(stamps_s), ends_s)
        so_far = self._report
        self._report = replace(
            so_far,
            bins=so_far.bins + cut.bins,
            gaps=so_far.gaps + cut.gaps,
            lost_bins=so_far.lost_bins + cut.lost_bins,
            invalid_bins=so_far.invalid_bins + cut.invalid_bins,
            saturated_bins=so_far.saturated_bins + cut.saturated_bins,
        )
        return cut.pieces

    def report(self) -> Reception:
        """The figures so far."""
        report = replace(self._report, refused=self._refused)
        if self._connection is None or self._description is None:
            return replace(report, state="absent")
        silent = self._took_s > self._heard_s + SILENT_AFTER_S + self._description.step_s
        return replace(report, state="silent" if silent else "live")

    def _turn_to(self, connection: "_Connection") -> None:
        """Begin with another run of the stream."""
        if self._description is not None:
            self._report = replace(self._report, restarts=self._report.restarts + 1)
        description = self._description = connection.description
        self._heard_s = -math.inf
        jitter_s = 0.0 if description.sha256 is not None else JITTER_S
        self._cutter = PieceCutter(description.bin_size_s, jitter_s, connection.saturates)

    def _follow(self) -> None:
        """Connect, and again whenever the stream is lost, or is silent and another of its name answers in its place."""
        made = owned = None  # so that the thread that takes, which closing could hold up, never closes one
        resolver = None
        last_heard_s = looking_since_s = time.monotonic()
        while not self._closing.is_set():
            received = self._received
            self._lost.wait(LOOK_EVERY_S if self._connection is None else CHECK_EVERY_S)
            self._lost.clear()
            connection = self._connection
            if connection is not None and (self._received > received or connection.inlet.samples_available()):
                last_heard_s, resolver = time.monotonic(), None
                connection.compare_clocks()
                continue
            try:
                if resolver is None:
                    resolver, looking_since_s = self._lsl.ContinuousResolver(forget_after=FORGET_S), time.monotonic()
                self._on_network = resolver.results()
            except RuntimeError as error:  # LSL lacks what it needs, such as sockets; perhaps not for long
                self._refused, resolver = f"LSL can't look for streams ({error})", None
                continue
            found = self._candidates(settled=time.monotonic() > looking_since_s + SETTLE_S)
            if connection is not None:  # but silent
                same = [info for info in found if info.uid() == connection.description.uid]
                until_s = last_heard_s + STALE_S + connection.description.step_s
                if time.monotonic() < (until_s if same else looking_since_s + FORGET_S):  # an answer may be under way
                    continue
                found = same or found
            made = self._connect(found, owned.description.uid if owned else "")
            if made is not None:
                self._closing.wait(LOOK_EVERY_S)  # the other thread may be at work on the old one
                owned, last_heard_s = made, time.monotonic()
        self._connection = None
        del made, owned

    def _candidates(self, settled: bool) -> "list[pylsl.StreamInfo]":
        if self.name is not None:
            return [info for info in self._on_network if info.name() == self.name]
        found = [info for info in self._on_network if info.type() == SPIKES]
        if len(found) > 1:
            self._refused = f"{len(found)} of them, {_listed(found)}"
        return found if len(found) == 1 and settled else []

    def _connect(self, found: "list[pylsl.StreamInfo]", lost_uid: str) -> "_Connection | None":
        """Take the first of these streams that fits and can be reached, the one that was lost last of all."""
        for info in sorted(found, key=lambda info: info.uid() == lost_uid):
            if info.uid() in self._misfits:
                continue
            try:
                connection = _connect(self._lsl, info, self._first)
            except BadInputError as error:
                self._misfits.add(info.uid())
                self._refused = f"{info.name()!r} from {info.hostname()}: {error}"
                continue
            except RuntimeError as error:
                if info.uid() != lost_uid:  # which is remembered for a while
                    self._refused = f"{info.name()!r} from {info.hostname()}: could not be reached ({error})"
                continue
            self._first = self._first or connection.description
            self.name = connection.description.name
            self._connection, self._refused = connection, ""
            self._connected.set()
            return connection
        return None

    def _nothing_found(self) -> str:
        wanted = "one LSL stream of type Spikes" if self.name is None else f"an LSL stream named {self.name!r}"
        found = self._refused or _listed(self._on_network) or "no stream at all"
        if self.name is None:
            advice = "name the stream to follow"
        elif self._refused:
            advice = "name a stream of counts, one channel a unit and one sample a bin"
        else:
            advice = "start its sender first, or name one that is there"
        return f"expected {wanted} within {self._appears_within_s:g} s, found {found}; {advice}"


@dataclass(eq=False)
class _Connection:
    """An open inlet; it gives stamps on its sender's clock, on which jumps of the clocks' comparison make no gaps."""

    inlet: "pylsl.StreamInlet"
    description: StreamDescription
    saturates: bool
    correction_s: float  # from its sender's clock to this machine's

    def compare_clocks(self) -> None:
        with suppress(RuntimeError):  # it ended; who takes will see
            self.correction_s = self.inlet.time_correction(CONNECT_S)  # at once: LSL keeps it up to date


def _connect(lsl: ModuleType, info: "pylsl.StreamInfo", first: StreamDescription | None) -> _Connection:
    """Open an inlet.

    Raises
    ------
    BadInputError
        If the stream can't be one of spike counts, or can't go on where the first ended.
    RuntimeError
        If it can't be reached.
    """
    _check_format(info, lsl.cf_string)
    inlet = lsl.StreamInlet(info, max_buflen=_buffer_s(info), recover=False)
    inlet.open_stream(CONNECT_S)
    description = describe(inlet.info(CONNECT_S))
    check_same(description, first or description)
    saturates = info.channel_format() == lsl.cf_int8
    return _Connection(inlet, description, saturates, inlet.time_correction(CONNECT_S))


def _buffer_s(info: "pylsl.StreamInfo") -> int:
    """Whole seconds of its bins that may wait; 0 where there isn't room for one."""
    bytes_a_s = info.nominal_srate() * (SAMPLE_BYTES + info.channel_count() * VALUE_BYTES)
    return min(BUFFER_S, int(BUFFER_BYTES / bytes_a_s))


def _check_format(info: "pylsl.StreamInfo", text_format: int) -> None:
    if info.type() in NOT_COUNTS:
        counts = info.name().removesuffix(EVENTS).removesuffix(CONDITION)
        found = info.type() if counts == info.name() else f"{info.type()} (the counts are in {counts!r})"
        raise BadInputError(f"expected spike counts, found {found}")
    if info.channel_format() == text_format:
        raise BadInputError("expected spike counts, found texts")
    if info.channel_count() < 1:
        raise BadInputError("expected spike counts, found no channels")
    if not 0 < info.nominal_srate() < math.inf:
        raise BadInputError("expected bins at a regular rate, found an irregular one")
    if not _buffer_s(info):
        raise BadInputError(f"expected at most {BUFFER_BYTES / 1e6:g} MB a second, found more")


def _listed(found: "list[pylsl.StreamInfo]") -> str:
    """Names, types and hosts, those of spikes first."""
    ordered = sorted(found, key=lambda info: (info.type() != SPIKES, info.name()))
    listed = [f"{each.name()!r} ({each.type() or 'no type'}, {each.hostname()})" for each in ordered[:LONGEST_LIST]]
    return ", ".join(listed + ["..."] * (len(ordered) > LONGEST_LIST))
