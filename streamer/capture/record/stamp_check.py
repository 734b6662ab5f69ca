"""What the stamps of a recorded stream say: samples that are missing, clocks that were reset, and what is no time."""

import numpy as np

from spikeloop.models.arrays import Floats
from spikeloop.streamer.lsl.clock_model import ClockModel, Placed
from spikeloop.streamer.lsl.exact_clock import ExactClock

__all__ = ["StampCheck"]


class StampCheck:
    """Follows the stamps of a stream, as the monitor does.

    Parameters
    ----------
    nominal_rate_hz : float >= 0, Hz
        0 for an irregular stream, in which nothing can be missing.
    exact : bool
        Whether the stamps are exact, as spikeloop's are; those of other streams come with jitter.

    Attributes
    ----------
    gaps, lost : int
        Places where samples are missing, and how many are.
    resets : int
        Times that the sender's clock was reset.
    unusable : int
        Stamps that are not finite.
    first_s, last_s : float, s, or None
        The first and latest stamp.
    """

    def __init__(self, nominal_rate_hz: float, exact: bool) -> None:
        self.gaps = self.lost = self.resets = self.unusable = 0
        self.first_s: float | None = None
        self.last_s: float | None = None
        self._samples = 0  # whose stamps are times
        clock = ExactClock if exact else ClockModel
        self._clock = clock(1 / nominal_rate_hz) if nominal_rate_hz > 0 else None
        self._begun = False  # whether the first sample, which follows none, was placed
        self._reported = (0, 0, 0)

    def add(self, stamps_s: Floats, now_s: float) -> None:
        """Add the stamps of the next samples, which came now, s."""
        finite = np.isfinite(stamps_s)
        times_s = stamps_s if finite.all() else stamps_s[finite]
        self.unusable += len(stamps_s) - len(times_s)
        if len(times_s):
            self.first_s = float(times_s[0]) if self.first_s is None else self.first_s
            self.last_s = float(times_s[-1])
        self._samples += len(times_s)
        if self._clock is not None:
            self._take(self._clock.place(stamps_s, now_s))

    def wait(self, now_s: float) -> None:
        """Decide what happened before, where nothing came since."""
        if isinstance(self._clock, ClockModel):
            self._take(self._clock.place(np.empty(0), now_s))

    def flush(self) -> None:
        """Decide what happened before, as nothing more comes."""
        if self._clock is not None:
            self._take(self._clock.flush())

    def measured_rate_hz(self) -> float | None:
        """Return the rate of the samples; None before there are two, and where the clock was reset."""
        lasted_s = 0.0 if self.first_s is None or self.last_s is None else self.last_s - self.first_s
        return (self._samples - 1) / lasted_s if lasted_s > 0 and not self.resets else None

    def news(self) -> list[str]:
        """Say what was found since the last time."""
        lost, resets, unusable = (now - before for now, before in zip(self._counts, self._reported, strict=True))
        self._reported = self._counts
        texts = [f"has a gap of {lost:,} samples"] if lost > 0 else []
        texts += ["has a clock that was reset, from which its stamps go on"] if resets > 0 else []
        return texts + ([f"has {unusable:,} stamps that are no times"] if unusable > 0 else [])

    @property
    def _counts(self) -> tuple[int, int, int]:
        return self.lost, self.resets, self.unusable

    def _take(self, placed: Placed) -> None:
        self.lost, self.resets = self.lost + placed.lost_bins, self.resets + placed.resets
        if placed.lost_bins > 0:
            self.gaps += max(1, int(placed.jumps.sum()) - max(0, placed.resets) - (not self._begun))
        self._begun |= bool(placed.jumps.any())
