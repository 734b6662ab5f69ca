"""Comparison, bit by bit, of the bins that a file holds with those that were made again."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.streamer.capture.verify.stated import Stated
from spikeloop.streamer.capture.verify.verification import Difference
from spikeloop.streamer.lsl.description import LARGEST_INT8
from spikeloop.streamer.stream.step import Step

__all__ = ["ComparedRows", "Comparison"]


class ComparedRows:
    """Rows of a file, one a bin, against rows that are made again.

    Parameters
    ----------
    bins : array of shape (rows,), int64
        The bin of each row, ascending.
    values : array of shape (rows, columns)
    names : sequence of str
        One for each column.

    Attributes
    ----------
    agreeing, differing : int
        Rows that were compared.
    first : Difference or None
    """

    def __init__(self, bins: NDArray[np.int64], values: NDArray[Any], names: Sequence[str]) -> None:
        self._bins, self._values, self._names = bins, values, names
        self.agreeing = self.differing = 0
        self.first: Difference | None = None

    def add(self, step: Step, expected: NDArray[Any]) -> None:
        """Compare the rows of a step's bins; `expected` has a row for each of them."""
        first_bin = step.first_bin
        rows = slice(*np.searchsorted(self._bins, [first_bin, first_bin + len(expected)]))
        places = self._bins[rows] - first_bin
        found, wanted = self._values[rows], expected[places]
        wrong = found != wanted
        differing = wrong.any(axis=1)
        self.differing += int(differing.sum())
        self.agreeing += int((~differing).sum())
        if self.first is None and differing.any():
            row, column = map(int, np.argwhere(wrong)[0])
            place, name = int(places[row]), self._names[column]
            values = float(wanted[row, column]), float(found[row, column])
            self.first = Difference(first_bin + place, float(step.stamps_s[place]), name, column, *values)


class Comparison:
    """Takes steps, from the first bin on, and counts what differs from a recorded stream.

    Parameters
    ----------
    recorded : Stated
        In the order of its bins.
    columns : array of shape (recorded units,), int64
        Which units of the population these are.
    condition_names : sequence of str
        Of the conditions of a step.

    Attributes
    ----------
    counts : ComparedRows
    conditions : ComparedRows or None
        None where the file has none, or of other channels.
    done_bins : int
        Bins of the stream that were made again.
    """

    def __init__(self, recorded: Stated, columns: NDArray[np.int64], condition_names: Sequence[str]) -> None:
        self.counts = ComparedRows(recorded.bins, recorded.counts, recorded.unit_names)
        self.conditions, self._driven = None, len(condition_names)
        if recorded.conditions is not None and recorded.conditions.shape[1] >= self._driven:
            values = recorded.conditions[:, : self._driven]
            self.conditions = ComparedRows(recorded.condition_bins, values, condition_names)
        self.done_bins = 0
        self._columns, self._saturates = columns, recorded.saturates
        self._spikes: list[tuple[NDArray[np.int32], NDArray[np.float64]]] = []

    def add(self, step: Step, sent: bool) -> None:
        """Compare what the file holds of a step's bins; of a step that a pause kept back, nothing is expected."""
        self.done_bins = step.first_bin + len(step.counts)
        if not sent:
            return
        counts = step.counts[:, self._columns]
        self.counts.add(step, np.minimum(counts, LARGEST_INT8) if self._saturates else counts)
        if self.conditions is not None:
            self.conditions.add(step, step.conditions[:, : self._driven])
        numbers = np.full(step.counts.shape[1], -1, np.int32)
        numbers[self._columns] = np.arange(len(self._columns))
        units = numbers[step.event_units]
        self._spikes.append((units[units >= 0], step.event_stamps_s[units >= 0]))

    @property
    def spikes(self) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Unit and time, s, of each spike of the recorded units that was made again."""
        units, times_s = zip(*self._spikes, strict=True) if self._spikes else ((), ())
        return np.concatenate([np.empty(0, np.int32), *units]), np.concatenate([np.empty(0), *times_s])
