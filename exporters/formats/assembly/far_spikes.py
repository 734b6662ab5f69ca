"""Recordings that would need absurdly much memory, as where spikes lie far from all others, or times are no seconds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.spike_times import MOST_COUNTS, Trials

__all__ = ["refuse_far_spikes"]

LARGE = 2e8  # bytes that counting takes, below which no memory is at stake
OF_A_BIN, OF_A_COUNT = 100, 2  # bytes, with what conditions take
RAREST_HZ = 0.01  # over all units: sorters keep no population that fires less
LARGE_AND_SILENT = 5e8  # bytes that counting takes, above which so few spikes are refused
PARTS, FEW = 1000, 100  # of the recording; spikes in fewer than these are not spread over it


def refuse_far_spikes(trains: Sequence[NDArray[Any]], trials: Trials, bin_size_s: float, name: str) -> None:
    """Refuse a large recording whose spikes fill little of it, as of damaged times or another unit of time.

    Parameters
    ----------
    trains : sequence of arrays of shape (spikes of the unit,), s
    trials : Trials
    bin_size_s : float > 0, s
    name : str
        For the message.

    Raises
    ------
    BadInputError
        If spikes lie in less than a tenth of it, or are rarer than any population's, or no memory holds the counts.
    """
    longest, number = int(trials.bins.max()), len(trials.bins)
    if longest * number * len(trains) > MOST_COUNTS:
        raise BadInputError(
            f"{name}: expected at most {MOST_COUNTS:.2g} counts, found {number} trials of up to {longest} bins of"
            f" {bin_size_s:g} s x {len(trains)} units; give a stretch of time (--start, --stop), fewer --trials or"
            " --units, larger bins, or, if these are not seconds, --time-unit"
        )
    bytes_needed = float(longest * number) * (OF_A_BIN + OF_A_COUNT * len(trains))
    if bytes_needed <= LARGE:
        return
    start, stop = trials.extent_s(bin_size_s)
    filled = np.zeros(PARTS, bool)
    for train in trains:
        part = (np.asarray(train, np.float64) - start) / (stop - start) * PARTS
        filled[part[(part >= 0) & (part < PARTS)].astype(np.int64)] = True
    if filled.sum() < FEW:
        raise BadInputError(
            f"{name}: expected spikes all over the recording, found them in {filled.sum()} of {PARTS} parts of"
            f" {start:g} to {stop:g} s; is the file damaged, or are these not seconds (--time-unit)? give --start and"
            " --stop"
        )
    seconds, spikes = float(trials.bins.sum()) * bin_size_s, sum(map(len, trains))
    rate_hz = spikes / (seconds * max(1, len(trains)))
    if bytes_needed > LARGE_AND_SILENT and rate_hz < RAREST_HZ:
        raise BadInputError(
            f"{name}: expected spikes more often than every {1 / RAREST_HZ:g} s of a unit, found {spikes} of"
            f" {len(trains)} units in {seconds:.3g} s ({rate_hz:.2g} Hz); are these not seconds but, for example,"
            " samples (--time-unit '30000 Hz')? if they are seconds, give --start and --stop"
        )
