"""What a stream carries whose values are no spike counts, judged by them, and what to do about it."""

import math

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.measures.running import LARGEST_COUNT

__all__ = ["CountsCheck", "are_counts", "judge_counts"]

JUDGED_S = 2.0  # of samples, between two judgements
MOST_INVALID = 0.5  # of the bins
WHOLE = 1e-3  # to which counts divided by the bin size are whole
WANTED = f"a stream of spike counts has one whole number from 0 to {LARGEST_COUNT} for each unit and bin"


def are_counts(values: NDArray) -> NDArray[np.bool_]:
    """Say of each value whether it is a spike count: a whole number from 0 to 1000."""
    with np.errstate(invalid="ignore"):
        counts = values.astype(np.uint16)
    return (counts == values) & (counts <= LARGEST_COUNT)  # what uint16 can't hold comes out as another


class CountsCheck:
    """Judges every two seconds whether what comes is spike counts.

    Parameters
    ----------
    bin_size_s : float > 0, s

    Attributes
    ----------
    finding : str
        What is wrong with most of the bins of the latest two seconds, and what to do; empty where nothing is.
    """

    def __init__(self, bin_size_s: float) -> None:
        self._bin_size_s = bin_size_s
        self.finding = ""
        self._since_s = math.nan
        self._clear()

    def add(self, values: NDArray, invalid_bins: int, now_s: float) -> None:
        """Look at the next samples.

        Parameters
        ----------
        values : array of shape (bins, units)
            In the format of the stream.
        invalid_bins : int
            Of these bins that hold a value that is no count.
        now_s : float, s
            The present.
        """
        if math.isnan(self._since_s):
            self._since_s = now_s
        self._bins, self._invalid_bins = self._bins + len(values), self._invalid_bins + invalid_bins
        if invalid_bins:
            self._look(values)
        if now_s - self._since_s >= JUDGED_S:
            self.finding = self._judge() if self._invalid_bins > MOST_INVALID * self._bins else ""
            self._since_s = now_s
            self._clear()

    def _look(self, values: NDArray) -> None:
        finite = values[np.isfinite(values)].astype(np.float64)
        self._values, self._finite = self._values + values.size, self._finite + finite.size
        if finite.size:
            self._low, self._high = min(self._low, float(finite.min())), max(self._high, float(finite.max()))
            spikes = finite * self._bin_size_s
            self._whole = self._whole and bool((finite == np.rint(finite)).all())
            self._rates = self._rates and bool((np.abs(spikes - np.rint(spikes)) < WHOLE).all())

    def _clear(self) -> None:
        self._bins = self._invalid_bins = self._values = self._finite = 0
        self._low, self._high = math.inf, -math.inf
        self._whole = self._rates = True

    def _judge(self) -> str:
        if not self._finite:
            return f"no whole counts: all values are NaN or infinite; see whether its sender has data ({WANTED})"
        found = f"values from {self._low:g} to {self._high:g} at {1 / self._bin_size_s:g} Hz"
        if self._whole and self._low >= 0 and self._high <= LARGEST_COUNT:
            share = 1 - self._finite / self._values
            return f"no whole counts: {share:.0%} of the values are NaN or infinite; leave units without data out"
        if self._low >= 0 and self._rates:
            return (
                f"no whole counts: {found} look like rates, counts divided by the bin size; send the counts"
                f" themselves: multiply by {self._bin_size_s:g} s"
            )
        if self._whole:
            kind = "negative whole numbers are no counts" if self._low < 0 else f"more than {LARGEST_COUNT} is no count"
            return (
                f"no whole counts: {found}; {kind}, and look like the raw samples of an amplifier; detect its spikes"
                f" and send their number ({WANTED})"
            )
        if self._low >= 0:
            return (
                f"no whole counts: {found} are fractions, as of rates or smoothed counts; send the counts before they"
                f" are divided or smoothed ({WANTED})"
            )
        return (
            f"no whole counts: {found} look like a voltage; detect its spikes and send their number, or name the stream"
            f" that has them ({WANTED})"
        )


def judge_counts(values: NDArray, bin_size_s: float) -> str:
    """Say what is wrong with values as spike counts, and what to do; empty where most bins are counts.

    Parameters
    ----------
    values : array of shape (bins, units)
    bin_size_s : float > 0, s
    """
    check, invalid_bins = CountsCheck(bin_size_s), int((~are_counts(values).all(axis=1)).sum())
    check.add(values[:0], 0, 0.0)
    check.add(values, invalid_bins, JUDGED_S)
    return check.finding
