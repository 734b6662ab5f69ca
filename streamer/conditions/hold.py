"""Samples of a condition that arrive irregularly, as one value a bin: held for a while, then let go to rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats
from spikeloop.models.recordings.condition import Condition, rest_of
from spikeloop.streamer.conditions.feeds import limits_of

__all__ = ["ConditionReport", "HeldCondition"]

State = Literal["live", "decaying", "resting", "absent"]

FURTHEST_S = 10.0  # between a stamp and the present; beyond, its sender has another clock
LONGEST_QUEUE = 16_384  # samples stamped ahead that wait for their time


@dataclass(frozen=True)
class ConditionReport:
    """How a live condition arrives.

    Attributes
    ----------
    state : {"live", "decaying", "resting", "absent"}
        "live" while the last valid sample is recent, "decaying" from when its hold ran out until it has decayed,
        "resting" after that and before the first sample; "absent" where there is no stream.
    samples : int
        Samples that arrived.
    invalid : int
        Samples ignored for a NaN or infinity.
    off_clock : int
        Samples ignored as their stamps are more than 10 s off LSL's clock, or more are ahead of it than can wait.
    clipped : int
        Samples with a value too far from what was seen in training.
    gaps : int
        How often the hold ran out.
    decaying_bins, resting_bins : int
        Bins in these states.
    refused : str
        The latest stream that could not be used, and why.
    notice : str
        What is wrong with its sender and what to do, such as that its stamps are of another clock; empty where nothing
        is.
    """

    state: State
    samples: int = 0
    invalid: int = 0
    off_clock: int = 0
    clipped: int = 0
    gaps: int = 0
    decaying_bins: int = 0
    resting_bins: int = 0
    refused: str = ""
    notice: str = ""


class HeldCondition:
    """Chooses the value of each bin from samples by their stamps.

    A bin has the latest valid sample whose stamp is not after the bin's end; of equal stamps, the one that arrived
    last. A sample holds for `hold_s` after its stamp; then it decays, linearly and within `decay_s`, to rest, a
    cyclic channel at once. Before the first sample the channels rest. Values further beyond a channel's range than
    half its width (of a cyclic channel: beyond the range) are clipped; a sample with NaN or infinity is ignored.

    Parameters
    ----------
    channels : sequence of Condition
        The model's channels.
    hold_s, decay_s : float >= 0, s
    """

    def __init__(self, channels: Sequence[Condition], hold_s: float = 0.5, decay_s: float = 0.5) -> None:
        self._hold_s, self._decay_s = hold_s, decay_s
        self._rest = rest_of(channels).astype(np.float64)
        self._low, self._high = limits_of(channels)
        self._cyclic = np.array([channel.cyclic for channel in channels])
        self._stamps_s: Floats = np.array([-np.inf])  # ascending: the sample that holds, and those whose time will come
        self._values: Floats = self._rest[np.newaxis]  # (samples, channels)
        self._state: State = "resting"
        self._samples = self._invalid = self._off_clock = self._clipped = 0
        self._gaps = self._decaying_bins = self._resting_bins = 0

    def offer(self, stamps_s: Floats, values: NDArray, now_s: float) -> None:
        """Add samples that arrived.

        Parameters
        ----------
        stamps_s : array of shape (samples,), s
            In any order.
        values : array of shape (samples, channels)
            Of any numeric type.
        now_s : float, s
            The present, on the clock of the stamps.
        """
        self._samples += len(stamps_s)
        valid = np.isfinite(values).all(axis=1) & np.isfinite(stamps_s)
        usable = valid & (np.abs(stamps_s - now_s) <= FURTHEST_S)
        self._invalid += len(valid) - int(np.count_nonzero(valid))
        self._off_clock += int(np.count_nonzero(valid ^ usable))
        values = values[usable].astype(np.float64)
        allowed = np.minimum(np.maximum(values, self._low), self._high)
        self._clipped += int(np.count_nonzero((allowed != values).any(axis=1)))
        self._queue(stamps_s[usable], np.where(self._cyclic, np.rint(allowed), allowed))  # phases are whole bins

    def at(self, ends_s: Floats) -> NDArray[np.float32]:
        """Return the conditions, (bins, channels), of bins by their ends, (bins,), ascending also from call to call."""
        if not len(ends_s):
            return np.empty((0, len(self._rest)), np.float32)
        chosen = np.searchsorted(self._stamps_s, ends_s, side="right") - 1
        ages_s, values = ends_s - self._stamps_s[chosen], self._values[chosen]
        self._stamps_s, self._values = self._stamps_s[chosen[-1] :], self._values[chosen[-1] :]
        live = ages_s <= self._hold_s
        if self._state == "live" and live.all():
            return values.astype(np.float32)
        self._count(live, ages_s)
        left = np.where(live, 1.0, self._left(ages_s))[:, np.newaxis]
        share = np.where(self._cyclic, live[:, np.newaxis], left)
        return (share * values + (1 - share) * self._rest).astype(np.float32)

    def report(self) -> ConditionReport:
        """Return the figures so far."""
        return ConditionReport(
            state=self._state,
            samples=self._samples,
            invalid=self._invalid,
            off_clock=self._off_clock,
            clipped=self._clipped,
            gaps=self._gaps,
            decaying_bins=self._decaying_bins,
            resting_bins=self._resting_bins,
        )

    def _queue(self, stamps_s: Floats, values: Floats) -> None:
        stamps_s = np.concatenate([self._stamps_s, stamps_s])
        order = np.argsort(stamps_s, kind="stable")  # among equals, the last to come stands last
        order, beyond = order[: 1 + LONGEST_QUEUE], order[1 + LONGEST_QUEUE :]
        self._off_clock += len(beyond)
        self._stamps_s, self._values = stamps_s[order], np.concatenate([self._values, values])[order]

    def _left(self, ages_s: Floats) -> Floats:
        """Return the share, from 1 to 0, that is left of samples whose hold ran out."""
        if self._decay_s == 0:
            return np.zeros_like(ages_s)
        return np.clip(1 - (ages_s - self._hold_s) / self._decay_s, 0, 1)

    def _count(self, live: NDArray[np.bool_], ages_s: Floats) -> None:
        resting = ~live & (ages_s >= self._hold_s + self._decay_s)
        before = np.concatenate([[self._state == "live"], live[:-1]])
        self._gaps += int(np.count_nonzero(before & ~live))
        self._resting_bins += int(np.count_nonzero(resting))
        self._decaying_bins += int(np.count_nonzero(~live & ~resting))
        self._state = "live" if live[-1] else "resting" if resting[-1] else "decaying"
