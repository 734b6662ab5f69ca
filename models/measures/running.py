"""Running statistics of a stream of counts: at any time what the batch functions give on all windows so far."""

import math

import numpy as np

from spikeloop.models.arrays import Floats, Windows
from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.sums import MOST_HALF_LIVES, add_windows, no_windows, scale
from spikeloop.models.measures.table import statistics_from

__all__ = ["LARGEST_COUNT", "RunningStatistics", "WindowCutter"]

LARGEST_COUNT = 1000  # in a bin; more are no spikes
BLOCK_BINS = 512  # that are summed at once: enough for a matrix product to pay for its passes over memory


class WindowCutter:
    """Cuts a stream into adjacent windows, whatever the size of its chunks.

    Parameters
    ----------
    window_bins, units : shape of a window
    """

    def __init__(self, window_bins: int, units: int) -> None:
        self._window_bins = window_bins
        self._rest = np.empty((0, units), np.uint8)

    def cut(self, counts: Windows) -> Windows:
        """Windows that a chunk completes; what is left waits for the next chunk.

        Parameters
        ----------
        counts : array of shape (bins, units)

        Returns
        -------
        array of shape (windows, window_bins, units), which may be none, of the chunk's type

        Raises
        ------
        BadInputError
            If the chunk has other units.
        """
        units = self._rest.shape[1]
        if counts.ndim != 2 or counts.shape[1] != units:
            raise BadInputError(f"expected a chunk of shape (bins, {units}), found {counts.shape}; start a new cutter")
        joined = np.concatenate([self._rest, counts])  # of the wider type
        whole = len(joined) // self._window_bins * self._window_bins
        self._rest = joined[whole:].copy()  # not a view, which would keep the whole chunk
        return joined[:whole].reshape(-1, self._window_bins, units)

    def drop(self) -> int:
        """Forget the unfinished window, as a gap in the stream demands; how many bins that were."""
        dropped = len(self._rest)
        self._rest = self._rest[:0]
        return dropped


class RunningStatistics:
    """Statistics of all windows so far, of which older ones may count for less.

    The newest window has weight 1, and one that came k windows before it 2^(-k / half_life_windows).

    Windows wait until there are enough for a matrix product; reading takes in those that wait. A bin costs of the
    order of units^2, memory passes included, and reading units^3, for the correlation spectrum.

    Parameters
    ----------
    window_bins : int >= 2
    units : int >= 1
    half_life_windows : float > 0; infinite for statistics since the start

    Raises
    ------
    BadInputError
        If one of these is out of range.
    """

    def __init__(self, window_bins: int, units: int, half_life_windows: float = math.inf) -> None:
        if window_bins < 2 or units < 1 or not half_life_windows > 0:
            raise BadInputError(
                "expected windows of at least 2 bins of 1 unit and a half-life above 0, found"
                f" {window_bins} bins, {units} units, half-life {half_life_windows:g} windows"
            )
        self._half_life = half_life_windows
        self._seen = 0
        self._exponent = 0.0  # the newest window is weighted 2 ** exponent, and sums scaled down where that is large
        self._sums = no_windows(window_bins, units)
        self._waiting = np.empty((-(-BLOCK_BINS // window_bins), window_bins, units), np.uint16)
        self._number_waiting = 0

    @property
    def windows(self) -> int:
        """Number of windows so far."""
        return self._seen

    @property
    def effective_windows(self) -> float:
        """Number of equally weighted windows whose mean would be as sure: (sum w)^2 / sum w^2 (Kish 1965)."""
        if math.isinf(self._half_life):
            return float(self._seen)
        half_decay = math.log(2) / self._half_life / 2
        return math.tanh(self._seen * half_decay) / math.tanh(half_decay)

    def add(self, windows: Windows) -> None:
        """Take in windows, oldest first.

        Parameters
        ----------
        windows : array of shape (windows, window_bins, units); whole numbers of any type

        Raises
        ------
        BadInputError
            If windows are of another shape, or hold anything but whole counts from 0 to `LARGEST_COUNT`.
        """
        _check(windows, self._waiting.shape[1:])
        self._seen += len(windows)
        while len(windows):
            taken = windows[: len(self._waiting) - self._number_waiting]
            self._waiting[self._number_waiting : self._number_waiting + len(taken)] = taken
            self._number_waiting += len(taken)
            windows = windows[len(taken) :]
            if self._number_waiting == len(self._waiting):
                self._take_in()

    def statistics(self) -> dict[str, Floats]:
        """By name; see `statistics_from`.

        Raises
        ------
        BadInputError
            If there was no window yet.
        """
        if self._seen == 0:
            raise BadInputError("expected at least one whole window, found none; read statistics once one has arrived")
        self._take_in()
        return statistics_from(self._sums)

    def _take_in(self) -> None:
        waiting, self._number_waiting = self._waiting[: self._number_waiting], 0
        if math.isinf(self._half_life):
            add_windows(self._sums, waiting)
            return
        self._exponent += len(waiting) / self._half_life
        if self._exponent > MOST_HALF_LIVES:
            whole = math.floor(self._exponent)
            scale(self._sums, 2.0**-whole)
            self._exponent -= whole
        ages = np.arange(len(waiting))[::-1]
        add_windows(self._sums, waiting, 2.0 ** (self._exponent - ages / self._half_life))


def _check(windows: Windows, shape: tuple[int, ...]) -> None:
    if windows.ndim != 3 or windows.shape[1:] != shape:
        raise BadInputError(f"expected windows of shape {shape} (bins, units), found {windows.shape[1:]}")
    fits = (windows >= 0) & (windows <= LARGEST_COUNT)
    if windows.dtype.kind == "f":
        fits &= windows == np.floor(windows)
    if not fits.all():
        raise BadInputError(
            f"expected whole counts from 0 to {LARGEST_COUNT}, found {windows[~fits][0]}; give it spike counts"
        )
