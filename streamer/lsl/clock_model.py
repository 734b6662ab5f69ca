"""The clock of a foreign stream: which of its samples follow each other, though their stamps come with jitter.

Stamps are regressed on the numbers of their samples. What is off that line by more than the stream's own jitter waits
until it is clear what happened: samples that were late return to the line; bins that were lost move it forwards for
good, by whole bins; a rate that changed bends it; a clock that was reset moves it by more time than passed on this
machine.
"""

import math
from copy import copy
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats
from spikeloop.streamer.lsl.distances import Arrivals, Distances, held_back
from spikeloop.streamer.lsl.line_fit import LineFit
from spikeloop.streamer.lsl.rate_change import RateChange, RateWatch
from spikeloop.streamer.lsl.residuals import Blocks, JitterBand, StepDetector

__all__ = ["RESET_S", "ClockModel", "Placed"]

Flags = NDArray[np.bool_]

FOLLOW_S, RATE_S = 20.0, 600.0  # memory of the line that shows what is lost, and of the one that measures the rate
PIECE_S = 4.0  # of samples between two updates, at most
FIRST_PIECE, LARGEST_PIECE = 8, 1024  # samples, while the rate is hardly known; and later
YOUNG_S = 4.0  # in which a rate far off the declared one is still to be found
DECIDE_S, DECIDE_SAMPLES, DECIDE_KNOWN = 0.5, 20, 4  # off the line, and with stamps of their own, to decide
WAIT_S, WAIT_BINS = 2.0, 12  # the longer of these is how long samples wait at most
RESET_S = 120.0  # beyond what passed on this machine: LSL's buffer may hold a minute
BACKWARDS_S = 1.0  # from which a jump backwards is a clock reset
REVIEW_S, REVIEW_SAMPLES, REVIEW_KNOWN = 4.0, 40, 8  # after a loss, the longest: their mean says how many bins it was
OWED_S = 60.0  # in which bins that were counted as lost may turn out to have been late
CATCHES_UP = 0.3  # change of distances from sample to sample, in bins, while a sender catches up after a stall
WRONG_RATE, STANDARD_ERRORS = 0.02, 4.0  # change of distances from sample to sample that shows another rate, in bins
LEFT = 4  # lines that were left, at most, to which the clock may return
KNOWN_RATE = 0.1  # width of the rate's interval, as a share of it, from which on it is reported


class Placed(NamedTuple):
    """What is known of the oldest samples.

    Attributes
    ----------
    jumps : array of shape (samples,), bool
        Of each that no longer waits: whether it does not follow the one before it, as the very first.
    lost_bins : int
        That never came; negative where bins that were counted as lost turned out to have been late, or the rate to have
        changed.
    resets : int
        Times that the sender's clock was reset.
    """

    jumps: Flags
    lost_bins: int = 0
    resets: int = 0


class ClockModel:
    """Follows the clock of one run of a foreign stream.

    Parameters
    ----------
    bin_size_s : float > 0, s
        As declared.
    """

    def __init__(self, bin_size_s: float) -> None:
        self._nominal_s = bin_size_s
        self._piece = min(LARGEST_PIECE, max(FIRST_PIECE, round(PIECE_S / bin_size_s)))
        self._begun = False
        self._begin(bin_size_s, 0.0)
        self._waiting_s = np.empty(0)  # stamps not yet placed
        self._since_s: float | None = None  # when the first of them came, where it is off the line
        self._heard_s, self._passed_s = math.nan, 0.0  # when samples came last; what passed before those that wait
        self._arrivals = Arrivals()
        self._owed, self._owed_until_s = 0, -math.inf
        self._reviewed: list[Floats] | None = None  # distances since the latest loss
        self._strayed = False  # whether the latest sample was off the line, and passed over
        self._breaks = True  # whether the next sample does not follow
        self._still_s = math.nan  # the stamp that the sender gave again and again
        self._left_s: list[float] = []  # lines that resets left, from the present one
        self._lost = self._resets = 0

    @property
    def rate_hz(self) -> float:
        """The estimated rate of the samples, those that were lost included, Hz."""
        return 1 / self._rate.bin_size_s

    def rate_interval_hz(self) -> tuple[float, float] | None:
        """Return the interval, at least 95 %, of that rate; None before it is known to some percent.

        Jitter may wander, by its standard deviation from the first sample to the last.
        """
        shortest_s, longest_s = self._rate.interval_s(self._steps.inflation)
        wander_s = math.sqrt(self._rate.noise_s2) / max(1.0, min(self._placed, RATE_S / self._nominal_s))
        shortest_s, longest_s = shortest_s - wander_s, longest_s + wander_s
        if not self._steps.settled or not longest_s - shortest_s < KNOWN_RATE * self._rate.bin_size_s:
            return None
        return 1 / longest_s, 1 / shortest_s

    def place(self, stamps_s: Floats, now_s: float) -> Placed:
        """Place the next samples, and those that waited.

        Parameters
        ----------
        stamps_s : array of shape (samples,), float64, s
            On the sender's clock, in the order in which they came; perhaps none.
        now_s : float, s
            The present, on a clock of this machine.
        """
        self._arrivals.add(len(stamps_s), now_s)
        known = np.isfinite(stamps_s) & (stamps_s != self._still_s)
        self._waiting_s = np.concatenate([self._waiting_s, np.where(known, stamps_s, np.nan)])
        self._lost = self._resets = 0
        jumps = [np.empty(0, np.bool_)]
        while len(self._waiting_s):
            placed = self._advance(now_s)
            if not len(placed):
                break
            jumps.append(placed)
        if len(stamps_s):
            self._heard_s = now_s
        return Placed(np.concatenate(jumps), self._lost, self._resets)

    def flush(self) -> Placed:
        """Place what waits, as nothing will come that could show what happened."""
        self._lost = self._resets = 0
        self._since_s = None
        waiting = len(self._waiting_s)
        return Placed(self._accept(waiting) if waiting else np.empty(0, np.bool_), self._lost, self._resets)

    def _begin(self, bin_size_s: float, level_s: float) -> None:
        self._line, self._rate = LineFit(bin_size_s, level_s, FOLLOW_S), LineFit(bin_size_s, level_s, RATE_S)
        self._band, self._steps = JitterBand(bin_size_s), StepDetector(bin_size_s)
        self._watch = RateWatch(bin_size_s)
        self._placed = 0  # samples, since then
        self._save()

    def _advance(self, now_s: float) -> Flags:
        """Place some of the samples that wait; none where they have to wait on."""
        if not self._begun:
            times = np.flatnonzero(np.isfinite(self._waiting_s) & ~self._held_back(self._waiting_s))
            if not len(times):
                return self._let_go(len(self._waiting_s))
            self._begun, first = True, int(times[0])
            self._begin(self._nominal_s, float(self._waiting_s[first]) - (first + 1) * self._nominal_s)
        if self._since_s is not None:
            return self._look_back(self._since_s, now_s)
        piece = self._piece if self._steps.settled else FIRST_PIECE
        far = np.flatnonzero(self._band.is_far(self._off(piece)))
        follow = self._first_of_burst(int(far[0])) if len(far) else piece
        if follow == 0:
            self._since_s = now_s
            self._passed_s = 0.0 if math.isnan(self._heard_s) else now_s - self._heard_s
            return self._look_back(now_s, now_s)
        return self._accept(follow)

    def _look_back(self, since_s: float, now_s: float) -> Flags:
        """Place samples off the line where it is clear by now what happened."""
        off_s = self._off(len(self._waiting_s))
        near = self._band.is_near(off_s)
        if near.any():  # those before were late, or early
            self._since_s, self._strayed, back = None, False, int(near.argmax())
            strayed = self._first_of_burst(back)
            return self._accept(strayed, strayed=True) if strayed else self._accept(back + 1)
        known_s, off = self._waiting_s[np.isfinite(self._waiting_s)], Distances.known(off_s)
        if not self._is_clear(off) and now_s - since_s < max(WAIT_S, WAIT_BINS * self._nominal_s):
            return np.empty(0, np.bool_)
        self._since_s = None
        if len(known_s) >= WAIT_BINS and (known_s == known_s[0]).all():  # they stand still
            if self._is_young():  # the line is that of stamps that stood; the first of them was in time
                self._begin(self._nominal_s, float(known_s[0]) + (self._placed - 1) * self._nominal_s)
            self._still_s, self._waiting_s = float(known_s[0]), np.full(len(self._waiting_s), np.nan)
        elif len(off.numbers) == 1 and not self._strayed:  # nothing came since: it may be late, as any last one
            self._strayed = True
            return self._accept(len(self._waiting_s), strayed=True)
        else:
            self._decide(off, float(known_s[0]))
        return self._accept(len(self._waiting_s))

    def _is_clear(self, off: Distances) -> bool:
        """Whether samples off the line are enough, and do not catch up with it as those that had to wait do."""
        lasts_s = off.span * self._nominal_s
        if len(off.numbers) < DECIDE_KNOWN or off.span < DECIDE_SAMPLES or lasts_s < DECIDE_S:
            return False
        return self._is_young() or abs(off.last(DECIDE_SAMPLES).slope_s()[0]) < CATCHES_UP * self._nominal_s

    def _is_young(self) -> bool:
        return self._placed * self._nominal_s <= YOUNG_S

    def _decide(self, off: Distances, stamp_s: float) -> None:
        """Decide what happened where samples left the line and none returned."""
        shift_s = float(off.last(max(DECIDE_SAMPLES, off.span // 2)).off_s.mean())
        bins = round(shift_s / self._line.bin_size_s)
        if self._rate_is_wrong(off):
            bin_size_s = max(self._nominal_s / 100, self._line.bin_size_s + off.slope_s()[0])
            first = int(off.numbers[0])
            self._begin(bin_size_s, float(self._waiting_s[first]) - (first + 1) * bin_size_s)
        elif self._owes(-bins, stamp_s):
            self._regain(-bins)
        elif (change := self._rate_change(off)) is not None:
            self._turn(change)
        elif shift_s > self._passed_s + RESET_S or shift_s < -BACKWARDS_S:
            self._resets += 1
            self._watch = RateWatch(self._line.bin_size_s)
            self._breaks, self._owed = self._breaks or not self._returns(shift_s), 0
            self._move(shift_s)
        elif bins > 0:
            self._lose(bins, stamp_s)
        else:  # the first stamps were late
            self._move(shift_s)

    def _returns(self, shift_s: float) -> bool:
        """Whether a reset leads back to a line that was left, so that nothing was lost meanwhile."""
        near_s = self._band.margin_s + self._nominal_s / 2
        others_s = [left_s for left_s in self._left_s if abs(shift_s - left_s) > near_s]
        returns = len(others_s) < len(self._left_s)
        self._left_s = [left_s - shift_s for left_s in [0.0, *others_s]][:LEFT]
        return returns

    def _rate_is_wrong(self, off: Distances) -> bool:
        """Whether distances grow from sample to sample, at the beginning: the declared rate is not the true one."""
        if not self._is_young() or off.span < DECIDE_SAMPLES or len(off.numbers) < DECIDE_KNOWN:
            return False
        slope_s, error_s = off.slope_s()
        return abs(slope_s) > max(WRONG_RATE * self._nominal_s, STANDARD_ERRORS * error_s)

    def _lose(self, bins: int, stamp_s: float) -> None:
        self._lost += bins
        self._owed, self._owed_until_s, self._breaks = bins, stamp_s + OWED_S, True
        self._reviewed = None if self._is_young() or self._reviewed is not None else []
        self._skip(bins)

    def _owes(self, bins: int, stamp_s: float) -> bool:
        return 0 < bins <= self._owed and stamp_s <= self._owed_until_s

    def _regain(self, bins: int) -> None:
        """Take back bins that were counted as lost, but were late."""
        self._lost -= bins
        self._owed -= bins
        self._skip(-bins)

    def _review(self, reviewed: list[Floats], off_s: Floats) -> None:
        """Correct the number of bins that were lost, when the mean of jitter is that of enough samples."""
        reviewed.append(off_s)
        all_s = np.concatenate(reviewed)
        known_s = all_s[~np.isnan(all_s)]
        if len(all_s) >= max(REVIEW_SAMPLES, REVIEW_S / self._nominal_s) and len(known_s) >= REVIEW_KNOWN:
            self._reviewed = None
            bins = max(-self._owed, round(float(known_s.mean()) / self._line.bin_size_s))
            self._lost += bins
            self._owed += bins
            self._skip(bins)

    def _rate_change(self, off: Distances) -> RateChange | None:
        """Whether samples off the line come at another rate."""
        waiting_s = np.full(len(self._waiting_s), np.nan)
        waiting_s[off.numbers] = self._waiting_s[off.numbers]
        return self._watch.change(waiting_s, self._steps.inflation)

    def _turn(self, change: RateChange) -> None:
        """Go on with another rate, by which bins that were counted as lost since it changed are none."""
        self._lost -= change.not_lost
        self._owed, self._reviewed = 0, None
        self._begin(change.bin_size_s, change.level_s)

    def _skip(self, bins: int) -> None:
        self._watch.lose(bins)
        for line in (self._line, self._rate):
            line.skip(bins)
        self._save()

    def _move(self, by_s: float) -> None:
        for line in (self._line, self._rate):
            line.level_s += by_s
        self._save()

    def _save(self) -> None:
        """Keep the lines as they are before a step that is found later."""
        self._saved, self._samples_since = (copy(self._line), copy(self._rate)), 0

    def _fit(self, stamps_s: Floats, blocks: Blocks) -> None:
        """Move the lines by the next samples, or take back what samples after a step did to them."""
        self._samples_since += len(stamps_s)
        if blocks.pending > 0 or blocks.step_bins > 0 or (self._owed and (blocks.pending or blocks.step_bins)):
            self._line, self._rate = self._saved
            stamps_s = np.full(self._samples_since, np.nan)
        for line in (self._line, self._rate):
            line.add(stamps_s)
        if blocks != Blocks():  # a block ended, or the lines stand still
            self._save()

    def _accept(self, samples: int, strayed: bool = False) -> Flags:
        """Place the oldest samples, which move the line, unless they strayed far from it."""
        stamps_s, off_s = self._waiting_s[:samples], self._off(samples)
        if len(stamps_s) and stamps_s[-1] > self._owed_until_s:
            self._owed = 0
        self._band.add(off_s)
        near_s = self._band.clip(off_s)
        if strayed:
            near_s[self._band.is_far(off_s)] = np.nan
        reviewed = self._reviewed
        blocks = self._steps.add(near_s) if reviewed is None else Blocks(pending=1)
        self._fit(stamps_s - off_s + near_s, blocks)
        self._watch.add(np.where(np.isnan(near_s), np.nan, stamps_s))
        self._placed += len(stamps_s)
        jumps = self._let_go(len(stamps_s))
        if reviewed is not None:
            self._review(reviewed, near_s)
        elif blocks.step_bins and (change := self._watch.change(np.empty(0), self._steps.inflation)) is not None:
            self._turn(change)
        elif blocks.step_bins > 0:
            self._lose(blocks.step_bins, float(stamps_s[-1]))
        elif self._owes(-blocks.step_bins, float(stamps_s[-1])):
            self._regain(-blocks.step_bins)
        return jumps

    def _off(self, samples: int) -> Floats:
        """Distances of the oldest stamps from the line, NaN for those that are no times, or waited for a later one."""
        stamps_s = self._waiting_s[: samples + 1]
        off_s = stamps_s - self._line.predict(len(stamps_s))
        off_s[self._held_back(stamps_s)] = np.nan
        return off_s[:samples]

    def _held_back(self, stamps_s: Floats) -> Flags:
        """Which samples waited for a later one; of a line that is far too slow, when they come shows that better."""
        return held_back(stamps_s, min(self._line.bin_size_s, self._arrivals.every_s))

    def _first_of_burst(self, last: int) -> int:
        """Return the first of the samples that came together with this one, which is their last."""
        apart = np.flatnonzero(~self._held_back(self._waiting_s[: last + 1])[:last])
        return int(apart[-1]) + 1 if len(apart) else 0

    def _let_go(self, samples: int) -> Flags:
        self._waiting_s = self._waiting_s[samples:]
        jumps = np.zeros(samples, np.bool_)
        if samples:
            jumps[0], self._breaks = self._breaks, False
        return jumps
