"""Spike times: grouped by unit, the stretches of time in which they are counted, and times made of counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikeloop.models.arrays import Counts, Floats
from spikeloop.models.errors import BadInputError
from spikeloop.models.memory import require_memory
from spikeloop.models.recordings.checks import checked_bin_size
from spikeloop.models.scalars import checked_number, shown

__all__ = [
    "BYTES_TO_GROUP",
    "EDGE_TOLERANCE",
    "LATEST_S",
    "MOST_COUNTS",
    "Trials",
    "edge_tolerance",
    "range_of",
    "spike_times_in_bins",
    "trains_of",
]

EDGE_TOLERANCE = 1e-6  # of a bin: 0.3 s with 0.1-s bins begins bin 3, though 0.3 / 0.1 < 3 in floating point
ROUNDED_BY = 4  # spacings of float64 at the largest time, where these exceed the tolerance
LATEST_S = 1e18  # of any clock, also one of nanoseconds
BYTES_TO_GROUP = 48  # of each spike: its time twice, its unit, its place in their order, and what sorts them
MOST_COUNTS = 2**33  # bins times units; 8 GiB


@dataclass(frozen=True, eq=False)
class Trials:
    """Stretches of time in which spikes are counted.

    Attributes
    ----------
    starts_s : array of shape (trials,), s
        Where the first bin of each begins.
    bins : array of shape (trials,), int >= 1
    """

    starts_s: Floats
    bins: NDArray[np.int64]

    @classmethod
    def between(
        cls,
        starts_s: ArrayLike,
        stops_s: ArrayLike,
        bin_size_s: float,
        name: str,
        numbers: NDArray[np.int64] | None = None,
    ) -> "Trials":
        """Make trials of whole bins between starts and stops, s; BadInputError where not one bin fits into each.

        `numbers` are those that the trials have in the file, for messages.
        """
        starts, stops = np.asarray(starts_s, np.float64), np.asarray(stops_s, np.float64)
        bins = np.floor((stops - starts) / bin_size_s + edge_tolerance(bin_size_s, starts, stops))
        if bins.ndim != 1 or not bins.size or not (np.isfinite(bins).all() and bins.min() >= 1):
            short = int(np.argmin(np.nan_to_num(bins, nan=-1.0))) if bins.size and bins.ndim == 1 else None
            number = short if short is None or numbers is None else numbers[short]
            found = "none" if short is None else f"trial {number} from {starts[short]:g} to {stops[short]:g} s"
            raise BadInputError(
                f"{name}: expected trials of at least one bin of {bin_size_s:g} s, found {found}; choose others"
            )
        if bins.sum() > MOST_COUNTS:
            raise BadInputError(
                f"{name}: expected at most {MOST_COUNTS} bins, found {bins.sum():.3g}; choose larger ones"
            )
        return cls(starts, bins.astype(np.int64))

    def extent_s(self, bin_size_s: float) -> tuple[float, float]:
        """Return the beginning of the earliest trial and the end of the latest one, s."""
        return float(self.starts_s.min()), float((self.starts_s + self.bins * bin_size_s).max())


def trains_of(times: ArrayLike, unit_ids: ArrayLike, name: str = "recording") -> tuple[list[Floats], tuple[str, ...]]:
    """Group spike times by unit, in the order in which they are listed.

    Parameters
    ----------
    times : array of shape (spikes,), s
    unit_ids : array of shape (spikes,)
        The unit of each spike, as whole numbers or text. Units are sorted.
    name : str
        For messages.

    Returns
    -------
    trains : list of arrays of shape (spikes of the unit,), s
    unit_names : tuple of str
        "unit 7" of a number, or the text.

    Raises
    ------
    BadInputError
        If times and units don't fit together.
    """
    seconds, ids = _checked(times, unit_ids, name)
    require_memory("spikes by unit", BYTES_TO_GROUP * len(seconds))
    units, unit = np.unique(ids, return_inverse=True)
    order = np.argsort(unit, kind="stable")
    trains = np.split(seconds[order], np.cumsum(np.bincount(unit, minlength=len(units)))[:-1])
    return trains, tuple(f"unit {label}" if ids.dtype.kind in "iu" else str(label) for label in units)


def range_of(
    trains: Sequence[NDArray[Any]], bin_size_s: float, start: float | None, stop: float | None, name: str
) -> Trials:
    """Find where the first bin begins and how many whole bins fit, as of one long trial.

    Parameters
    ----------
    trains : sequence of arrays of shape (spikes of the unit,), s
    bin_size_s : float > 0, s
    start : float, s, or None
        None begins at the earliest spike, rounded down to a multiple of the bin size.
    stop : float, s, or None
        None ends with the bin of the latest spike.
    name : str
        For messages.

    Returns
    -------
    Trials
        One.

    Raises
    ------
    BadInputError
        If no bin fits, or too many for memory.
    """
    start = None if start is None else checked_number("start", start, -LATEST_S, LATEST_S, "s")
    stop = None if stop is None else checked_number("stop", stop, -LATEST_S, LATEST_S, "s")
    size, filled = checked_bin_size(bin_size_s, name), [train for train in trains if len(train)]
    if not filled and (start is None or stop is None):
        raise BadInputError(f"{name}: expected spikes, or a start and a stop, found no spike at all")
    ends = np.array([(train.min(), train.max()) for train in filled] or [(start, stop)], np.float64)
    if not np.isfinite(ends).all():
        raise BadInputError(
            f"{name}: expected times in seconds, found NaN or infinity; leave out spikes without a time"
        )
    earliest, latest = ends.min(), ends.max()
    tolerance = edge_tolerance(size, earliest, latest)
    first = float(np.floor(earliest / size + tolerance) * size) if start is None else start
    if stop is None:
        bins = np.floor((latest - first) / size + tolerance) + 1
    else:
        bins = np.floor((stop - first) / size + tolerance)
    if not 1 <= bins <= MOST_COUNTS / max(1, len(trains)):
        raise BadInputError(
            f"{name}: expected a start and a stop with 1 to {MOST_COUNTS // max(1, len(trains))} bins of {size:g} s"
            f" between them, found {first:g} s and {first + bins * size:g} s; give others (--start, --stop),"
            " another bin size, or, if these are not seconds, --time-unit"
        )
    return Trials(np.array([first]), np.array([int(bins)]))


def edge_tolerance(size: float, *times: ArrayLike) -> float:
    """Return the tolerance at an edge, in bins, for times as large as these."""
    largest = max(
        (max(abs(float(np.min(part))), abs(float(np.max(part)))) for part in times if np.size(part)), default=0.0
    )
    return max(EDGE_TOLERANCE, ROUNDED_BY * float(np.spacing(largest)) / size)


def _checked(times: ArrayLike, unit_ids: ArrayLike, name: str) -> tuple[NDArray[Any], NDArray[Any]]:
    try:
        seconds, ids = np.asarray(times), np.asarray(unit_ids)
    except Exception as error:  # rows of several lengths, or an object that only pretends to be an array
        raise BadInputError(f"{name}: expected arrays of times and units, found {shown(times)}") from error
    if seconds.shape == ids.shape == (0,):
        raise BadInputError(f"{name}: expected spikes, found none; is it the right file or array, and is it whole?")
    if seconds.ndim != 1 or seconds.shape != ids.shape:
        raise BadInputError(
            f"{name}: expected a time and a unit for every spike, of shape (spikes,), found {seconds.shape} and"
            f" {ids.shape}"
        )
    if seconds.dtype.kind not in "iuf" or not np.isfinite(seconds).all():
        raise BadInputError(
            f"{name}: expected times in seconds, found {seconds.dtype}"
            f"{' with NaN or infinity' if seconds.dtype.kind == 'f' else ''}; leave out spikes without a time"
        )
    if ids.dtype.kind not in "iuU":
        raise BadInputError(f"{name}: expected unit ids that are whole numbers or text, found {ids.dtype}")
    return seconds.astype(np.float64), ids


def spike_times_in_bins(counts: Counts, bin_size_s: float) -> list[Floats]:
    """Place the counted spikes of each unit evenly inside their bins.

    A bin does not say when its spikes came: n spikes are placed at (1/2, 3/2, ... n - 1/2) / n of the bin, so that
    binning them again gives the same counts.

    Parameters
    ----------
    counts : array of shape (bins, units), uint8
    bin_size_s : float > 0, s

    Returns
    -------
    list of arrays of shape (spikes,), s
        One for each unit, sorted; the first bin begins at 0 s.
    """
    times = []
    for train in counts.T:
        filled = np.flatnonzero(train)
        spikes = train[filled].astype(np.int64)
        number = np.arange(spikes.sum()) - np.repeat(np.cumsum(spikes) - spikes, spikes)
        times.append((np.repeat(filled, spikes) + (number + 0.5) / np.repeat(spikes, spikes)) * bin_size_s)
    return times
