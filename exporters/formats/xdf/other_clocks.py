"""Streams of an XDF file whose stamps are of another clock than LSL's, placed by when their samples arrived.

LSL compares the clocks of computers. A sender that stamps with the time of day, or with the seconds since its device
was switched on, has a clock of its own that LSL knows nothing of. The order of the file shows it: samples that were
written between two comparisons came between their times. Stamps of LSL's clock are near; where all of a clock's stamps
are off by more than two minutes, it is another one, and what lies between it and the recorder's clock is estimated.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from spikeloop.exporters.formats.xdf.chunk_stamps import Comparison, comparisons_of, stamps_of_chunks
from spikeloop.exporters.formats.xdf.chunks import Stream, Streams
from spikeloop.exporters.formats.xdf.header import file_header
from spikeloop.models.arrays import Floats
from spikeloop.models.clocks import OTHER_CLOCK_S, apart_words
from spikeloop.models.recordings.spike_times import LATEST_S

__all__ = ["OtherClock", "find_other_clocks", "other_clock_words", "placed_by_arrival"]

EARLY = 0.1  # share of the delays that count as the shortest: nothing comes before it is sent, but a few stamps err
ONE_CLOCK_S = 1.0  # streams of one computer whose clocks are nearer than that have one, as of the time of day


@dataclass(frozen=True)
class OtherClock:
    """Samples in a row with stamps of one clock that is not LSL's.

    Attributes
    ----------
    first, stop : int
        The first of these samples, and the one behind the last; of those whose stamps are times.
    offset_s : float, s
        What to add to these stamps to have the samples when they arrived, on the recorder's clock.
    """

    first: int
    stop: int
    offset_s: float


@dataclass(eq=False)
class _Piece:
    """Samples in a row whose stamps don't jump, and what comparisons say of them."""

    first: int
    stop: int
    judged: int = 0  # stretches between two comparisons
    apart: int = 0  # of these, those whose stamps are far from both
    delays_s: list[float] = field(default_factory=list)  # from the latest stamp of each to the comparison behind it

    @property
    def is_other(self) -> bool:
        return 0 < self.judged == self.apart and bool(self.delays_s)


@dataclass
class _Part:
    """What a piece has between two comparisons: its earliest and latest stamp, s."""

    piece: _Piece
    low_s: float
    high_s: float


def find_other_clocks(streams: Streams) -> dict[int, tuple[OtherClock, ...]]:
    """Find what is stamped by other clocks, by the numbers of streams; nothing of streams that are not.

    The offset is the shortest delay from a sample's stamp to the next comparison behind it, but for a tenth of them.
    Streams of one computer whose offsets differ by less than a second share the smallest, so that they keep their
    place to each other.
    """
    comparisons = _all_comparisons(streams)
    places = [comparison.place for comparison in comparisons]
    found = {
        stream.number: clocks
        for stream in streams.streams
        if stream.samples and (clocks := _of_stream(streams, stream, comparisons, places))
    }
    return _shared(streams, found)


def placed_by_arrival(stamps_s: Floats, times_s: Floats, clocks: Sequence[OtherClock]) -> Floats:
    """Return the times of samples, s, those of other clocks by when they arrived.

    Parameters
    ----------
    stamps_s : array of shape (samples,), s
        As sent; those that are no times stay as they are.
    times_s : array of shape (samples,), s
        On the recorder's clock, as far as that follows from comparisons.
    clocks : sequence of OtherClock
    """
    if not clocks:
        return times_s
    placed, sound = np.array(times_s), np.flatnonzero(np.abs(stamps_s) <= LATEST_S)
    for clock in clocks:
        some = sound[clock.first : clock.stop]
        placed[some] = stamps_s[some] + clock.offset_s
    return placed


def other_clock_words(name: str, clocks: Sequence[OtherClock]) -> str:
    """Say that a stream has stamps of another clock, and what its times are."""
    clock = clocks[0]
    others = f", and {len(clocks) - 1} more clocks later" if len(clocks) > 1 else ""
    return (
        f"{name}: stamps of another clock, {apart_words(-clock.offset_s)}{others}; its times are those at which its"
        f" samples arrived: {clock.offset_s:+.3f} s is added to its stamps"
    )


def _all_comparisons(streams: Streams) -> list[Comparison]:
    """Return the comparisons of all streams in the order of the file; in our own files from the recorder's start on."""
    found = [comparison for stream in streams.streams for comparison in comparisons_of(streams, stream)]
    try:
        began = [Comparison(0, float(file_header(streams).findtext("spikeloop/clock_s") or ""), 0.0)]
    except ValueError:
        began = []
    return began + sorted(found, key=lambda comparison: comparison.place)


def _of_stream(
    streams: Streams, stream: Stream, comparisons: Sequence[Comparison], places: Sequence[int]
) -> tuple[OtherClock, ...]:
    own = comparisons_of(streams, stream)
    if not own:
        return ()
    offsets = _Offsets(own)
    parts: dict[int, list[_Part]] = {}  # by how many comparisons stand before them
    pieces: list[_Piece] = []
    for place, piece, low_s, high_s in _pieces(streams, stream, pieces):
        between = parts.setdefault(bisect_left(places, place), [])
        if between and between[-1].piece is piece:
            low_s, high_s = min(low_s, between[-1].low_s), max(high_s, between.pop().high_s)
        between.append(_Part(piece, low_s, high_s))
    for behind, between in parts.items():
        before_s = comparisons[behind - 1].recorder_s if behind else -np.inf
        after_s = comparisons[behind].recorder_s if behind < len(comparisons) else np.inf
        if before_s <= after_s and len(between) == 1:  # else they were not written as they came, or a clock jumped
            _judge(between[0], before_s, after_s, offsets.near(places[behind - 1] if behind else 0))
    return _joined(pieces)


class _Offsets:
    """What was measured of a stream's clock, by the place in the file."""

    def __init__(self, own: Sequence[Comparison]) -> None:
        self._own, self._places = own, [comparison.place for comparison in own]

    def near(self, place: int) -> tuple[float, float]:
        """Return what was measured last before a place, and next behind it, s."""
        behind = bisect_left(self._places, place + 1)
        return self._own[max(0, behind - 1)].offset_s, self._own[min(behind, len(self._own) - 1)].offset_s


def _pieces(streams: Streams, stream: Stream, pieces: list[_Piece]) -> Iterator[tuple[int, _Piece, float, float]]:
    """Cut a stream where its stamps jump; yield where each part of a chunk is, its piece, earliest and latest stamp."""
    last_s, number = np.nan, 0
    for place, stamps in stamps_of_chunks(streams, stream):
        stamps = stamps[np.abs(stamps) <= LATEST_S]
        cuts = np.flatnonzero(~(np.abs(np.diff(stamps, prepend=last_s)) <= OTHER_CLOCK_S)).tolist()
        for first, stop in pairwise(sorted({0, *cuts, len(stamps)})):
            if first in cuts:
                pieces.append(_Piece(number + first, number + first))
            pieces[-1].stop = number + stop
            yield place, pieces[-1], float(stamps[first:stop].min()), float(stamps[first:stop].max())
        number += len(stamps)
        last_s = float(stamps[-1]) if len(stamps) else last_s


def _judge(part: _Part, before_s: float, after_s: float, measured_s: Sequence[float]) -> None:
    """Note whether stamps can be of the time between two comparisons."""
    late = part.high_s + max(measured_s) < before_s - OTHER_CLOCK_S
    early = part.low_s + min(measured_s) > after_s + OTHER_CLOCK_S
    part.piece.judged += late or early or bool(np.isfinite([before_s, after_s]).all())
    part.piece.apart += late or early
    if np.isfinite(after_s):
        part.piece.delays_s.append(after_s - part.high_s)


def _joined(pieces: Sequence[_Piece]) -> tuple[OtherClock, ...]:
    """Put pieces of one clock together; one that lies between no comparisons follows the one before it."""
    clocks: list[OtherClock] = []
    delays_s: list[float] = []
    for piece in pieces:
        follows = bool(clocks) and clocks[-1].stop == piece.first
        if follows and not piece.judged:
            clocks[-1] = replace(clocks[-1], stop=piece.stop)
        elif piece.is_other:
            if follows and abs(_shortest(piece.delays_s) - clocks[-1].offset_s) < OTHER_CLOCK_S:
                first, delays_s = clocks.pop().first, delays_s + piece.delays_s
            else:
                first, delays_s = piece.first, piece.delays_s
            clocks.append(OtherClock(first, piece.stop, _shortest(delays_s)))
    return tuple(clocks)


def _shortest(delays_s: Sequence[float]) -> float:
    return float(np.quantile(delays_s, EARLY, method="lower"))


def _shared(streams: Streams, found: dict[int, tuple[OtherClock, ...]]) -> dict[int, tuple[OtherClock, ...]]:
    """Give streams of one computer that have one clock the same offset."""
    hosts = {stream.number: stream.info.findtext("hostname") or "" for stream in streams.streams}
    shared: dict[int, tuple[OtherClock, ...]] = {}
    for number, clocks in found.items():
        host = hosts[number]
        others = sorted(clock.offset_s for other in found if host and hosts[other] == host for clock in found[other])
        shared[number] = tuple(replace(clock, offset_s=_lowest_near(clock.offset_s, others)) for clock in clocks)
    return shared


def _lowest_near(offset_s: float, others_s: Sequence[float]) -> float:
    return min([offset_s, *(other for other in others_s if abs(other - offset_s) < ONE_CLOCK_S)])
