"""Cut samples of a spike stream into segments of contiguous bins: what is no count is left out, stamps show gaps."""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats
from spikeloop.models.measures.counts_check import CountsCheck, are_counts
from spikeloop.streamer.lsl.bin_ends import BinEnds
from spikeloop.streamer.lsl.clock_model import ClockModel, Placed
from spikeloop.streamer.lsl.description import LARGEST_INT8
from spikeloop.streamer.lsl.exact_clock import ExactClock
from spikeloop.streamer.lsl.stamps_check import StampsCheck

__all__ = ["Cut", "Segment", "SegmentCutter"]

Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Segment:
    """Bins without a gap between them.

    Attributes
    ----------
    counts : array of shape (bins, units), uint8
        uint16 where there are counts above 255.
    ends_s : array of shape (bins,), float64, s
        The end of each bin on this machine's LSL clock, as the sender stamped it; by the bin's number where that is no
        time.
    follows : bool
        Whether it directly continues the segment before.
    """

    counts: NDArray[np.uint8] | NDArray[np.uint16]
    ends_s: Floats
    follows: bool


class Cut(NamedTuple):
    """Segments, and what was left out of them; see `Reception`."""

    segments: tuple[Segment, ...]
    bins: int
    gaps: int
    lost_bins: int
    invalid_bins: int
    saturated_bins: int
    clock_resets: int


class _Samples(NamedTuple):
    """Samples that arrived: counts, which are spike counts, which of those are saturated, and ends."""

    counts: NDArray[np.uint16]
    valid: Flags
    full: Flags
    ends_s: Floats

    def before(self, end: int) -> "_Samples":
        return _Samples(self.counts[:end], self.valid[:end], self.full[:end], self.ends_s[:end])

    def since(self, first: int) -> "_Samples":
        return _Samples(self.counts[first:], self.valid[first:], self.full[first:], self.ends_s[first:])

    def with_next(self, later: "_Samples") -> "_Samples":
        return _Samples(
            np.concatenate([self.counts, later.counts]),
            np.concatenate([self.valid, later.valid]),
            np.concatenate([self.full, later.full]),
            np.concatenate([self.ends_s, later.ends_s]),
        )


class SegmentCutter:
    """Cuts one run of a stream into segments.

    Parameters
    ----------
    clock : ExactClock or ClockModel
        Finds gaps by stamps.
    bin_size_s : float > 0, s
        As declared.
    saturates : bool
        Whether 127 stands for 127 or more.

    Attributes
    ----------
    counts_check : CountsCheck
        Whether what comes is spike counts.
    stamps_check : StampsCheck
        Whether stamps are numbers, and move.
    """

    def __init__(self, clock: ExactClock | ClockModel, bin_size_s: float, saturates: bool) -> None:
        self._clock, self._saturates = clock, saturates
        self.counts_check, self.stamps_check = CountsCheck(bin_size_s), StampsCheck(bin_size_s)
        self._ends = BinEnds(bin_size_s)
        self._waiting: _Samples | None = None  # until the clock has placed them
        self._begun, self._broken = False, True

    @property
    def waits(self) -> bool:
        """Whether samples wait until it is clear what happened to the sender's clock."""
        return self._waiting is not None and len(self._waiting.valid) > 0

    def cut(self, values: NDArray, stamps_s: Floats, ends_s: Floats, now_s: float) -> Cut:
        """Cut the next samples, and those that waited.

        Parameters
        ----------
        values : array of shape (bins, units)
            In the format of the stream.
        stamps_s : array of shape (bins,), float64, s
            On the sender's clock, by which gaps are found.
        ends_s : array of shape (bins,), float64, s
            On this machine's clock.
        now_s : float, s
            The present, on this machine's clock.
        """
        valid: Flags = np.all(are_counts(values), axis=1)
        with np.errstate(invalid="ignore"):
            counts = values.astype(np.uint16)
        self.counts_check.add(values, int((~valid).sum()), now_s)
        self.stamps_check.add(stamps_s, now_s)
        ends_s = self._ends.date(ends_s, now_s, self.stamps_check.stand)
        full = (values == LARGEST_INT8).any(axis=1) & valid if self._saturates else np.zeros_like(valid)
        arrived = _Samples(counts, valid, full, ends_s)
        self._waiting = arrived if self._waiting is None else self._waiting.with_next(arrived)
        return self._release(self._clock.place(stamps_s, now_s))

    def check(self, now_s: float) -> Cut | None:
        """Cut what waited long enough, where nothing came; None where nothing waits."""
        return self._release(self._clock.place(np.empty(0), now_s)) if self.waits else None

    def end(self) -> Cut | None:
        """Cut what waits, as no more will come; None where nothing does."""
        return self._release(self._clock.flush()) if self.waits else None

    def _release(self, placed: Placed) -> Cut:
        """Make segments of the samples that were placed."""
        assert self._waiting is not None
        jumps, ready = placed.jumps, len(placed.jumps)
        counts, valid, full, ends_s = self._waiting.before(ready)
        self._waiting = self._waiting.since(ready)
        fits = valid & ~full
        starts = 1 + np.flatnonzero(jumps[1:] | (fits[1:] != fits[:-1]))
        segments, gaps = [], 0
        for first, last in pairwise([0, *starts.tolist(), ready] if ready else []):
            self._broken |= bool(jumps[first]) or not fits[first]
            if not fits[first]:
                continue
            part = counts[first:last]
            narrow = part.astype(np.uint8) if part.max() < 256 else part
            segments.append(Segment(narrow, ends_s[first:last], follows=not self._broken))
            gaps += self._broken and self._begun
            self._begun, self._broken = True, False
        bins, invalid_bins = int(fits.sum()), int((~valid).sum())
        return Cut(tuple(segments), bins, gaps, placed.lost_bins, invalid_bins, int(full.sum()), placed.resets)
