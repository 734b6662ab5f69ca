"""From spike times to counts, and what was odd about the times."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Counts, Floats
from spikeloop.models.errors import BadInputError
from spikeloop.models.memory import require_memory
from spikeloop.models.recordings.checks import MOST_IN_A_BIN, checked_bin_size
from spikeloop.models.recordings.spike_times import EDGE_TOLERANCE, Trials, edge_tolerance

__all__ = ["Binning", "bin_trains"]

AT_ONCE = 2**15  # spikes; what is computed of so many at a time stays in the processor's cache
BLOCK_BINS = 2**10  # of so many units, which are copied at once
TOGETHER = 150  # units whose counts are brought into the order of the recording at once: few passes over it


@dataclass(frozen=True)
class Binning:
    """How spike times became counts.

    Attributes
    ----------
    spikes : int
        Times that were given.
    binned : int
        Of these, the spikes that are in the counts.
    outside : int
        Spikes before the first bin or after the last one, or between trials; left out.
    unsorted : int
        Spikes that were listed after a later spike of the same unit; counted in their bin like any other.
    duplicated : int
        Spikes of a unit at the very time of another of its spikes; kept.
    on_an_edge : int
        Spikes within the tolerance below a bin's edge, which go into the bin that begins there.
    start_s, stop_s : float, s
        From the beginning of the first bin to the end of the last one.
    """

    spikes: int
    binned: int
    outside: int
    unsorted: int
    duplicated: int
    on_an_edge: int
    start_s: float
    stop_s: float


def bin_trains(
    trains: Sequence[NDArray[Any]],
    bin_size_s: float,
    trials: Trials,
    trial_of_spike: Sequence[NDArray[np.int64]] | None = None,
    name: str = "recording",
) -> tuple[Counts, Binning]:
    """Count the spikes of each unit in each bin of each trial.

    Bin k holds the times t with k <= (t - start) / bin_size_s + tolerance < k + 1. The tolerance is a millionth of a
    bin, or four spacings of float64 at the largest time where these are more. Beside the times and the counts, only
    the counts of 150 units and some thousand spikes at a time need memory.

    Parameters
    ----------
    trains : sequence of arrays of shape (spikes of the unit,), s
        Times of each unit, in any order.
    bin_size_s : float > 0, s
    trials : Trials
        One, of a continuous recording. They may overlap.
    trial_of_spike : sequence of arrays of shape (spikes of the unit,), int, optional
        The trial of each spike, whose time then counts from the trial's own beginning; without it, times and trials
        are of one clock.
    name : str
        For messages.

    Returns
    -------
    counts : array of shape (trials, bins of the longest trial, units), uint8
        0 beyond the end of a shorter trial.
    binning : Binning

    Raises
    ------
    BadInputError
        If times are not finite, or a bin has more than 255 spikes.
    """
    size = checked_bin_size(bin_size_s, name)
    cells = len(trials.bins) * int(trials.bins.max())
    require_memory("spikes counted in bins", cells * (len(trains) + min(TOGETHER, len(trains))))
    counts = np.empty((len(trials.bins), int(trials.bins.max()), len(trains)), np.uint8)
    total = Binning(0, 0, 0, 0, 0, 0, *trials.extent_s(size))
    layers = [np.arange(len(trials.bins))] if trial_of_spike is not None else _without_overlap(trials, size)
    rows_at_once = np.empty((min(TOGETHER, len(trains)), counts.shape[0] * counts.shape[1]), np.uint8)
    for first in range(0, len(trains), TOGETHER):
        rows = rows_at_once[: len(trains) - first]
        rows.fill(0)
        for number, row in enumerate(rows, first):
            place = _Place(trials, size, edge_tolerance(size, _ends(trains[number], name)))
            trial = None if trial_of_spike is None else trial_of_spike[number]
            found = _count(trains[number], trial, place, layers, row, name)
            total = replace(total, **{key: getattr(total, key) + value for key, value in found.items()})
        _put(counts.reshape(-1, len(trains))[:, first : first + len(rows)], rows)
    return counts, total


def _put(columns: Counts, rows: Counts) -> None:
    """Write rows into columns, in blocks that stay in the processor's cache."""
    for begin in range(0, rows.shape[1], BLOCK_BINS):
        columns[begin : begin + BLOCK_BINS] = rows[:, begin : begin + BLOCK_BINS].T


def _ends(train: NDArray[Any], name: str) -> NDArray[Any]:
    """Return the earliest and the latest time; NaN among times would be both."""
    ends = np.array([train.min(), train.max()] if len(train) else [])
    if not np.isfinite(ends).all():
        raise BadInputError(
            f"{name}: expected times in seconds, found NaN or infinity; leave out spikes without a time"
        )
    return ends


@dataclass(frozen=True)
class _Place:
    """Where a unit's spikes may be counted."""

    trials: Trials
    size: float
    tolerance: float

    def cells(
        self, times: Floats, trial: NDArray[np.int64] | None, layer: NDArray[np.int64]
    ) -> tuple[NDArray[Any], int]:
        """Return the cells of the spikes that lie inside a trial of this layer, and how many were on an edge."""
        starts, bins = self.trials.starts_s, self.trials.bins
        if len(bins) == 1:
            return self._cells_of_one(times)
        if trial is None:
            found = np.searchsorted(starts[layer], times + self.tolerance * self.size, side="right") - 1
            known, trial = found >= 0, layer[np.maximum(found, 0)]
        else:
            known = (trial >= 0) & (trial < len(bins))
            trial = np.where(known, trial, 0)
        place = (times - starts[trial]) / self.size
        bin_ = np.floor(place + self.tolerance)
        inside = known & (bin_ >= 0) & (bin_ < bins[trial])
        on_an_edge = int(np.count_nonzero((bin_ > place) & inside))
        return trial[inside] * int(bins.max()) + bin_[inside].astype(np.int64), on_an_edge

    def _cells_of_one(self, times: Floats) -> tuple[NDArray[Any], int]:
        """As `cells`, of a single trial, in as few steps as it takes."""
        place = times - self.trials.starts_s[0]
        place /= self.size
        bin_ = place + self.tolerance
        np.floor(bin_, out=bin_)
        if not (bin_.min() >= 0 and bin_.max() < self.trials.bins[0]):
            inside = (bin_ >= 0) & (bin_ < self.trials.bins[0])
            place, bin_ = place[inside], bin_[inside]
        numbers = np.int32 if self.trials.bins[0] < 2**31 else np.int64
        return bin_.astype(numbers), int(np.count_nonzero(bin_ > place))


def _count(
    train: NDArray[Any],
    trial: NDArray[np.int64] | None,
    place: _Place,
    layers: Sequence[NDArray[np.int64]],
    counts: Counts,
    name: str,
) -> dict[str, int]:
    """Count one unit's spikes, some thousand at a time; return what was odd about them."""
    binned = on_an_edge = 0
    one_after_the_other = train if trial is None else train + trial * (np.ptp(train) + 1 if len(train) else 0)
    unsorted, duplicated = _disorder(one_after_the_other)
    if unsorted:
        order = np.argsort(one_after_the_other, kind="stable")
        train, trial = train[order], None if trial is None else trial[order]
    latest = [np.empty(0, np.int32) for _ in layers]  # cells of each layer, to which the next ones may add
    for begin in range(0, len(train), AT_ONCE):
        times = np.asarray(train[begin : begin + AT_ONCE], np.float64)
        for number, layer in enumerate(layers):
            cells, edges = place.cells(times, None if trial is None else trial[begin : begin + AT_ONCE], layer)
            on_an_edge, binned = on_an_edge + edges, binned + len(cells)
            latest[number] = np.concatenate((latest[number], cells))
            _require_few(latest[number], place.size, name)
            latest[number] = latest[number][-MOST_IN_A_BIN:]
            np.add.at(counts, cells, np.uint8(1))
    return {
        "spikes": len(train),
        "binned": binned,
        "outside": max(0, len(train) - binned),
        "unsorted": unsorted,
        "duplicated": duplicated,
        "on_an_edge": on_an_edge,
    }


def _require_few(cells: NDArray[Any], size: float, name: str) -> None:
    """Make sure that no cell is listed more often than a count can be; equal ones follow each other."""
    full = cells[:-MOST_IN_A_BIN] == cells[MOST_IN_A_BIN:]
    if full.any():
        found = np.count_nonzero(cells == cells[np.argmax(full)])
        raise BadInputError(
            f"{name}: expected at most {MOST_IN_A_BIN} spikes of a unit in a bin, found {found} in one of {size:g} s;"
            " choose a smaller bin size"
        )


def _without_overlap(trials: Trials, size: float) -> list[NDArray[np.int64]]:
    """Share trials out so that those of a layer follow each other in time, as few layers as it takes."""
    order = np.argsort(trials.starts_s, kind="stable")
    layers: list[list[int]] = []
    for trial in order:
        for layer in layers:
            if trials.starts_s[layer[-1]] + (trials.bins[layer[-1]] - EDGE_TOLERANCE) * size <= trials.starts_s[trial]:
                layer.append(int(trial))
                break
        else:
            layers.append([int(trial)])
    return [np.array(layer) for layer in layers]


def _disorder(train: NDArray[Any]) -> tuple[int, int]:
    """Count the spikes that come after a later one, and those at the time of another."""
    latest, unsorted, duplicated = -np.inf, 0, 0
    for begin in range(0, len(train), AT_ONCE):
        part = np.asarray(train[begin : begin + AT_ONCE], np.float64)
        if part[0] > latest and (part[1:] > part[:-1]).all():
            latest = float(part[-1])
            continue
        if part[0] < latest or (part[1:] < part[:-1]).any():
            before = np.maximum.accumulate(np.concatenate(([latest], part)))[:-1]
            unsorted += int(np.count_nonzero(part < before))
        duplicated += int(np.count_nonzero(part[1:] == part[:-1])) + int(part[0] == latest)
        latest = max(latest, float(part.max()))
    if unsorted:
        duplicated = len(train) - len(np.unique(train))
    return unsorted, duplicated
