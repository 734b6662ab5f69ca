"""Spike counts that come over LSL, from a stream that may err, stall, fall silent, vanish and return."""

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Self

import numpy as np

from spikeloop.exporters.stream_names import FLUORESCENCE, MONITOR_TYPE, SPIKES, STREAM_TYPES
from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError
from spikeloop.streamer.lsl.arrival import ArrivalCheck
from spikeloop.streamer.lsl.clock_model import ClockModel
from spikeloop.streamer.lsl.connection import Connection, connect
from spikeloop.streamer.lsl.description import StreamDescription, check_same
from spikeloop.streamer.lsl.exact_clock import ExactClock
from spikeloop.streamer.lsl.follower import Follower, list_streams, named
from spikeloop.streamer.lsl.library import import_pylsl
from spikeloop.streamer.lsl.notices import namesakes_notice, other_clock_notice, reset_notice
from spikeloop.streamer.lsl.reception import Reception
from spikeloop.streamer.lsl.segments import Cut, Segment, SegmentCutter
from spikeloop.streamer.lsl.stream_query import StreamQuery

if TYPE_CHECKING:
    import pylsl

__all__ = ["LslSpikes", "Reception"]

APPEARS_WITHIN_S = 5.0
SETTLE_S = 1.0  # until all streams have answered; LSL asks every half second
SILENT_AFTER_S = 1.0  # and as long as a step takes
BUFFER_S = 60  # of bins that wait in LSL while nothing is pulled,
BUFFER_BYTES = 10**8  # but no more memory than this
SAMPLE_BYTES, VALUE_BYTES = 64, 8  # at most, with what LSL adds
MOST_S, MOST_BINS = 1.0, 1000  # pulled at once, the more of these: LSL needs a few µs a bin
NOT_COUNTS = {FLUORESCENCE, MONITOR_TYPE, *STREAM_TYPES.values()}


class LslSpikes:
    """Follows the LSL stream of spike counts of a name, as `Follower` does, from entering to leaving the context.

    A later stream must have the same units, by number and name, and the same bin size, or it is refused, and the
    report says why. Pulling and reporting return at once and belong in one thread.

    Parameters
    ----------
    name : str or None
        Of the stream; None for the only one of type Spikes on the network.
    appears_within_s : float > 0, s
        How long to wait for it on entering.
    wait : bool
        Enter at once, and follow the stream when it comes.
    source_id, host : str
        Of the stream, where several have the name; empty for any.

    Raises
    ------
    BadInputError
        On entering, if there is no such stream, or for None several, or what it carries is not spike counts.
    FailureError
        On entering, if pylsl or liblsl is missing.
    """

    def __init__(
        self,
        name: str | None = None,
        appears_within_s: float = APPEARS_WITHIN_S,
        *,
        wait: bool = False,
        source_id: str = "",
        host: str = "",
    ) -> None:
        self.name = name
        self._query = StreamQuery(name, source_id, host)
        self._appears_within_s, self._wait = appears_within_s, wait
        self._first: StreamDescription | None = None  # which later ones must resemble
        self._follower = Follower(self._select, self._connect, "spikeloop-spikes")
        self._description: StreamDescription | None = None
        self._clock: ClockModel | None = None  # of a foreign stream
        self._arrival = ArrivalCheck()
        self._pulled_s, self._heard_s = 0.0, -math.inf
        self._report = Reception("absent")

    def __enter__(self) -> Self:
        self._lsl = import_pylsl()
        with ExitStack() as opened:
            follower = opened.enter_context(self._follower)
            if not self._wait and not follower.wait(self._appears_within_s):
                raise BadInputError(self._nothing_found())
            if follower.connection is not None:
                self._turn_to(follower.connection.description)
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._opened.close()

    @property
    def description(self) -> StreamDescription | None:
        """Of the stream that the latest segments came from; None before the first is found."""
        return self._description

    @property
    def origin(self) -> str:
        """Where the followed stream comes from, its host and source id; empty before the first is found."""
        return self._follower.origin

    def pull(self) -> tuple[Segment, ...]:
        """Pull what has arrived since; of a long backlog the oldest second, or 1,000 bins, the rest the next times.

        In spikeloop's own streams, whose stamps are exact, a gap is where a stamp is off the expected one by more than
        half a bin. In others, whose stamps have jitter, it is where their line moves for good (see `ClockModel`);
        samples off the line wait for two seconds at most until that is clear. LSL's dejittering would close gaps.
        """
        connection = self._follower.connection
        waited = self._turn_to(connection.description) if connection is not None else ()
        chunk = self._follower.pull()
        self._pulled_s = self._lsl.local_clock()
        if chunk is None:
            late = self._cutter.check(self._pulled_s) if self._description is not None else None
            if late is not None and late.bins:
                self._heard_s = self._pulled_s
            return waited if late is None else (*waited, *self._count(late))
        waited = (*waited, *self._turn_to(chunk.connection.description))
        self._heard_s = self._pulled_s
        self._note_delay(chunk.local_s)
        cut = self._cutter.cut(chunk.values, chunk.stamps_s, chunk.local_s + self._arrival.offset_s, self._pulled_s)
        return (*waited, *self._count(cut))

    def report(self) -> Reception:
        """The figures so far."""
        report = replace(self._report, refused=self._follower.refused)
        if self._description is None:
            return replace(report, state="absent")
        if (clock := self._clock) is not None and (interval_hz := clock.rate_interval_hz()) is not None:
            report = replace(report, true_rate_hz=clock.rate_hz, true_rate_interval_hz=interval_hz)
        no_counts = bool(self._cutter.counts_check.finding)
        report = replace(report, no_counts=no_counts, warnings=tuple(self._warnings()))
        if self._follower.absent:
            return replace(report, state="absent")
        silent = self._pulled_s > self._heard_s + SILENT_AFTER_S + self._description.step_s
        return replace(report, state="silent" if silent and not self._cutter.waits else "live")

    def _warnings(self) -> Iterator[str]:
        if self._cutter.counts_check.finding:
            yield self._cutter.counts_check.finding
        yield from self._cutter.stamps_check.findings()
        if self._report.other_clock:
            yield other_clock_notice(-self._arrival.offset_s, "delays are left out")
        if self._report.clock_resets:
            yield reset_notice(self._report.clock_resets)
        if self._follower.namesakes and self.name is not None:
            yield namesakes_notice(self.name, self._follower, "--source-id or --host")

    def _turn_to(self, description: StreamDescription) -> tuple[Segment, ...]:
        """Begin with another run of the stream, where this is one; what waited of the one before."""
        waited: tuple[Segment, ...] = ()
        if self._description is not None:
            if description.uid == self._description.uid:
                return ()
            if (rest := self._cutter.end()) is not None:
                waited = self._count(rest)
            if math.isfinite(self._heard_s):  # else it never sent
                self._report = replace(self._report, restarts=self._report.restarts + 1)
        self._description, self._heard_s, self._arrival = description, -math.inf, ArrivalCheck()
        self._report = replace(self._report, other_clock=False)
        self._clock = ClockModel(description.bin_size_s) if description.start_s is None else None
        clock = self._clock or ExactClock(description.bin_size_s)
        self._cutter = SegmentCutter(clock, description.bin_size_s, description.saturates)
        return waited

    def _note_delay(self, ends_s: Floats) -> None:
        """Note how late the newest bin came, or that it is stamped by another clock."""
        known_s = ends_s[np.isfinite(ends_s)]
        if self._cutter.stamps_check.stand or not len(known_s):
            self._report = replace(self._report, delay_ms=None)
            return
        delay_s = self._arrival.add(float(known_s[-1]), self._pulled_s)
        if delay_s is None:
            self._report = replace(self._report, other_clock=True, delay_ms=None)
            return
        delay_ms = 1e3 * delay_s
        longest_ms = max(delay_ms, self._report.longest_delay_ms or 0.0)
        self._report = replace(self._report, other_clock=False, delay_ms=delay_ms, longest_delay_ms=longest_ms)

    def _count(self, cut: Cut) -> tuple[Segment, ...]:
        """Add to the figures, and return the segments."""
        so_far = self._report
        self._report = replace(
            so_far,
            bins=so_far.bins + cut.bins,
            gaps=so_far.gaps + cut.gaps,
            lost_bins=so_far.lost_bins + cut.lost_bins,
            invalid_bins=so_far.invalid_bins + cut.invalid_bins,
            saturated_bins=so_far.saturated_bins + cut.saturated_bins,
            clock_resets=so_far.clock_resets + cut.clock_resets,
        )
        return cut.segments

    def _select(self, found: "Sequence[pylsl.StreamInfo]", searched_s: float) -> "Sequence[pylsl.StreamInfo]":
        """Those of the name; without one, the only stream of spikes, once all have answered."""
        meant = named(replace(self._query, name=self.name))(found, searched_s)
        if self.name is not None:
            return meant
        spikes = [info for info in meant if info.type() == SPIKES]
        if len(spikes) > 1:
            raise BadInputError(f"{len(spikes)} of them, {list_streams(spikes)}")
        return spikes if searched_s > SETTLE_S else []

    def _connect(self, info: "pylsl.StreamInfo") -> Connection:
        check_counts(info)
        connection = connect(info, _buffer_s(info), max(MOST_BINS, math.ceil(MOST_S * info.nominal_srate())))
        self._first = self._first or connection.description
        check_same(connection.description, self._first)
        self.name = self._first.name
        return connection

    def _nothing_found(self) -> str:
        refused = self._follower.refused
        if self.name is None:
            advice = "name the stream to follow"
        elif refused:
            advice = "name a stream of counts, one channel a unit and one sample a bin"
        else:
            advice = "start its sender first, or name one that is there"
        wanted = "one LSL stream of type Spikes" if self.name is None else f"an LSL stream named {self._query}"
        found = refused or list_streams(self._follower.on_network) or "no stream at all"
        return f"expected {wanted} within {self._appears_within_s:g} s, found {found}; {advice}"


def check_counts(info: "pylsl.StreamInfo") -> None:
    """Check that a stream can be one of spike counts, as far as can be seen without connecting.

    Raises
    ------
    BadInputError
        If it can't.
    """
    if info.type() in NOT_COUNTS:
        counts = [info.name().removesuffix(suffix) for suffix in STREAM_TYPES if info.name().endswith(suffix)]
        found = f"{info.type()} (the counts are in {counts[0]!r})" if counts else info.type()
        raise BadInputError(f"expected spike counts, found {found}")
    if info.channel_format() == import_pylsl().cf_string:
        raise BadInputError("expected spike counts, found texts")
    if info.channel_count() < 1:
        raise BadInputError("expected spike counts, found no channels")
    rate_hz = info.nominal_srate()
    if not (0 < rate_hz < math.inf and 1 / rate_hz < math.inf):
        raise BadInputError("expected bins at a regular rate, found an irregular one")
    if not _buffer_s(info):
        raise BadInputError(f"expected at most {BUFFER_BYTES / 1e6:g} MB a second, found more")


def _buffer_s(info: "pylsl.StreamInfo") -> int:
    """Whole seconds of bins that may wait; 0 where there is no room for one."""
    bytes_a_s = info.nominal_srate() * (SAMPLE_BYTES + info.channel_count() * VALUE_BYTES)
    return int(min(BUFFER_S, BUFFER_BYTES / bytes_a_s))
