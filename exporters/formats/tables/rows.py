"""The rows of a table as bins: how long they are, where trials and gaps are, and how several rows make one bin."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError

__all__ = ["Rows", "rows_of"]

EVEN = 0.1  # of the usual step, by which a step may differ from it, as of times that are rounded
GAP = 1.5  # usual steps, from which on rows are missing
MOST_ODD = 5  # unevenly spaced rows of a thousand
SAME = 1e-3  # relative difference of bin sizes that are the same


@dataclass(frozen=True, eq=False)
class Rows:
    """Which rows belong together.

    Attributes
    ----------
    stretches : tuple of slice
        Rows of each trial, or of each stretch without a gap; whole bins only.
    per_bin : int
        Rows that make one bin.
    bin_size_s : float, s, or None
        None where there is no time.
    starts_s : array of shape (stretches,), s, or None
    history : tuple of str
    """

    stretches: tuple[slice, ...]
    per_bin: int
    bin_size_s: float | None
    starts_s: Floats | None
    history: tuple[str, ...]

    def summed(self, values: NDArray[Any]) -> list[NDArray[Any]]:
        """Add up the rows of each bin, for each stretch."""
        return self._each(values, np.sum)

    def averaged(self, values: NDArray[Any]) -> list[NDArray[Any]]:
        """Average the rows of each bin, for each stretch."""
        return self._each(values, np.mean)

    def _each(self, values: NDArray[Any], combined: Callable[..., Any]) -> list[NDArray[Any]]:
        if self.per_bin == 1:
            return [values[rows] for rows in self.stretches]
        return [combined(values[rows].reshape(-1, self.per_bin, values.shape[1]), axis=1) for rows in self.stretches]


def rows_of(times: Floats | None, trials: NDArray[Any] | None, asked_s: float | None, rows: int, path: Path) -> Rows:
    """Find trials and gaps, and how many rows make a bin.

    Parameters
    ----------
    times : array of shape (rows,), s, or None
    trials : array of shape (rows,), or None
        Of any values; a trial ends where they change.
    asked_s : float, s, or None
        The size of bins that was asked for.
    rows : int
    path : Path
        For messages.

    Raises
    ------
    BadInputError
        If the rows are not evenly spaced, or the bins asked for are not so many rows.
    """
    begins = np.zeros(1, np.int64)
    if trials is not None and len(trials):
        same = (trials[1:] == trials[:-1]) | ((trials[1:] != trials[1:]) & (trials[:-1] != trials[:-1]))
        begins = np.concatenate([[0], np.flatnonzero(~same) + 1])
    ends = np.append(begins[1:], rows)
    history: list[str] = []
    if trials is not None and trials.dtype.kind == "f" and np.isnan(trials).any():
        kept = ~np.isnan(trials[begins])
        history.append(f"left out {int((ends - begins)[~kept].sum())} rows between trials")
        begins, ends = begins[kept], ends[kept]
    step_s = None
    if times is not None:
        step_s, begins, ends, cuts = _evenly(times, begins, ends, path)
        history += [f"cut at {cuts} gaps in the times"] if cuts else []
    per_bin, size_s = _rows_in_a_bin(step_s, asked_s, path)
    whole = (ends - begins) // per_bin
    if not whole.any():
        raise BadInputError(f"{path}: expected rows for at least one bin, found {rows} rows; choose a smaller bin size")
    if lost := int((ends - begins - whole * per_bin).sum()):
        history.append(f"left out {lost} rows at the ends, which fill no bin")
    begins, ends = begins[whole > 0], (begins + whole * per_bin)[whole > 0]
    if per_bin > 1:
        history.append(f"added up {per_bin} rows in each bin")
    return Rows(
        tuple(slice(int(begin), int(end)) for begin, end in zip(begins, ends, strict=True)),
        per_bin,
        size_s,
        None if times is None else times[begins],
        tuple(history),
    )


def _evenly(
    times: Floats, begins: NDArray[np.int64], ends: NDArray[np.int64], path: Path
) -> tuple[float | None, NDArray[np.int64], NDArray[np.int64], int]:
    """Find the usual step between rows, and cut where rows are missing."""
    if not np.isfinite(times).all():
        row = int(np.flatnonzero(~np.isfinite(times))[0])
        raise BadInputError(f"{path}: expected a time in each row, found none in row {row}; leave such rows out")
    steps = np.diff(times)
    inside = np.zeros(len(steps), bool)
    for begin, end in zip(begins, ends, strict=True):
        inside[begin : end - 1] = True
    if not inside.any():
        return None, begins, ends, 0
    usual = float(np.median(steps[inside]))
    if usual <= 0:
        row = int(np.flatnonzero(inside & (steps <= 0))[0]) + 1
        raise BadInputError(
            f"{path}: expected times that rise from row to row, found {times[row - 1]:.9g} s and {times[row]:.9g} s in"
            f" rows {row - 1} and {row}; if each row is a spike, name its unit with --unit-key"
        )
    gap = inside & ((steps > GAP * usual) | (steps < 0))
    odd = inside & ~gap & (np.abs(steps - usual) > EVEN * usual)
    if int((odd | gap).sum()) * 1000 > MOST_ODD * len(steps) + 5000:
        row = int(np.flatnonzero(odd | gap)[0])
        raise BadInputError(
            f"{path}: expected rows that are evenly spaced in time, found steps of {usual:.6g} s and of"
            f" {steps[row]:.6g} s (rows {row} and {row + 1}); count the spikes in equal bins, or give a spike a row"
        )
    cuts = np.flatnonzero(gap) + 1
    begins, ends = np.sort(np.append(begins, cuts)), np.sort(np.append(ends, cuts))
    even = steps[inside & ~gap]
    return float(f"{even.mean():.6g}"), begins, ends, len(cuts)


def _rows_in_a_bin(step_s: float | None, asked_s: float | None, path: Path) -> tuple[int, float | None]:
    if step_s is None or asked_s is None:
        return 1, asked_s if step_s is None else step_s
    per_bin = max(1, round(asked_s / step_s))
    if abs(per_bin * step_s - asked_s) > SAME * asked_s:
        raise BadInputError(
            f"--bin-size-ms: expected a multiple of {step_s * 1000:g} ms, which is a row of {path.name}, found"
            f" {asked_s * 1000:g} ms"
        )
    return per_bin, asked_s
