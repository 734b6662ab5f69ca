"""Samples of a spike stream as pieces of contiguous bins: what is no count is left out, and gaps are told by stamps."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.measures.running import LARGEST_COUNT
from spikeloop.streamer.lsl import LARGEST_INT8

__all__ = ["Cut", "Piece", "PieceCutter"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

FOLLOW_S = 5.0  # in which the expected stamps go along with those that come: a rate 0.4 % off makes no gap


@dataclass(frozen=True, eq=False)
class Piece:
    """Bins without a gap between them.

    Attributes
    ----------
    counts : uint8 array of shape (bins, units), uint16 where there are counts above 255
    ends_s : array of shape (bins,), the end of each bin on this machine's LSL clock, as the sender stamped it
    follows : whether it directly continues the piece before
    """

    counts: NDArray[np.uint8] | NDArray[np.uint16]
    ends_s: Floats
    follows: bool


class Cut(NamedTuple):
    """Pieces, and what was left out of them; see `Reception`."""

    pieces: tuple[Piece, ...]
    bins: int
    gaps: int
    lost_bins: int
    invalid_bins: int
    saturated_bins: int


class PieceCutter:
    """Cuts one run of a stream into pieces.

    Parameters
    ----------
    jitter_s : by which stamps may be off without a gap, besides half a bin
    saturates : whether 127 stands for 127 or more
    """

    def __init__(self, bin_size_s: float, jitter_s: float, saturates: bool) -> None:
        self._grid = _Grid(bin_size_s, jitter_s)
        self._saturates = saturates
        self._begun, self._broken = False, True

    def cut(self, values: NDArray, stamps_s: Floats, ends_s: Floats) -> Cut:
        """The next samples.

        Parameters
        ----------
        values : (bins, units), as they came
        stamps_s, ends_s : (bins,), on the sender's clock, by which gaps are told, and on this machine's
        """
        with np.errstate(invalid="ignore"):
            counts = values.astype(np.uint16)
        whole = (counts == values) & (counts <= LARGEST_COUNT)  # what uint16 can't hold comes out as another
        valid = whole.all(axis=1) & np.isfinite(stamps_s)
        full = (values == LARGEST_INT8).any(axis=1) & valid if self._saturates else np.zeros_like(valid)
        fits = valid & ~full
        jumps, lost_bins = self._grid.place(stamps_s)
        starts = 1 + np.flatnonzero(jumps[1:] | (fits[1:] != fits[:-1]))
        pieces, gaps = [], 0
        for first, last in pairwise([0, *starts.tolist(), len(fits)]):
            self._broken |= bool(jumps[first]) or not fits[first]
            if not fits[first]:
                continue
            part = counts[first:last]
            narrow = part.astype(np.uint8) if part.max() < 256 else part
            pieces.append(Piece(narrow, ends_s[first:last], follows=not self._broken))
            gaps += self._broken and self._begun
            self._begun, self._broken = True, False
        return Cut(tuple(pieces), int(fits.sum()), gaps, lost_bins, int((~valid).sum()), int(full.sum()))


class _Grid:
    """Where the next bins should end, by the stamps so far, all on the sender's clock.

    A stamp is a jump where it is off the expected one by more than half a bin and more than the jitter. The grid goes
    on from there, and where the next stamp comes back from it, the one between was a stray, and nothing was lost
    before it; within the tolerance it slowly goes along with the stamps, as no sender's rate is quite nominal.
    """

    def __init__(self, bin_size_s: float, jitter_s: float) -> None:
        self._bin_size_s = bin_size_s
        self._tolerance_s = max(bin_size_s / 2, jitter_s)
        self._last_s = math.nan  # where the latest bin should have ended
        self._before_s, self._lost_bins = math.nan, 0  # the same before the latest jump, and what that jumped over

    def place(self, stamps_s: Floats) -> tuple[Flags, int]:
        """Which of the next bins are jumps, (bins,), the very first among them, and how many bins were jumped over."""
        jumps, lost_bins = np.zeros(len(stamps_s), np.bool_), 0
        first = 0
        while first < len(stamps_s):
            rest_s = stamps_s[first:]
            off_s = rest_s - (self._last_s + self._bin_size_s * np.arange(1, len(rest_s) + 1))
            off_s[~np.isfinite(rest_s)] = 0.0
            far = np.flatnonzero(~(np.abs(off_s) <= self._tolerance_s))  # NaN, the first, is far
            kept = int(far[0]) if len(far) else len(rest_s)
            if kept:
                went_s = kept * self._bin_size_s
                self._last_s += went_s - math.expm1(-went_s / FOLLOW_S) * float(off_s[:kept].mean())
                self._before_s = math.nan
            if len(far):
                lost_bins += self._jump(float(rest_s[kept]))
                jumps[first + kept] = True
            first += kept + 1
        return jumps, lost_bins

    def _jump(self, stamp_s: float) -> int:
        """Go on from a stamp off the grid; how many bins more, or less, were lost than was thought."""
        before_s, stamped, wrong = self._last_s, 1, 0
        if abs(stamp_s - self._before_s) < abs(self._last_s - self._before_s):  # back from a stray
            before_s, stamped, wrong = self._before_s, 2, self._lost_bins
        self._before_s = self._last_s if stamped == 1 else math.nan
        self._last_s = stamp_s
        gap = (stamp_s - before_s) / self._bin_size_s
        self._lost_bins = max(0, round(gap) - stamped) if math.isfinite(gap) else 0
        return self._lost_bins - wrong
