"""What files of named arrays hold of spikes that were generated: what made them, and when each came."""

import json

import numpy as np

from spikeloop.exporters.formats.named.lazy_arrays import LazyArrays
from spikeloop.exporters.formats.named.texts import text_in
from spikeloop.models.recordings.provenance import Provenance, parse_provenance
from spikeloop.models.recordings.timed_spikes import UNFIT, SpikeTimes

__all__ = ["OWN_TIMES", "OWN_UNITS", "PROVENANCE", "own_times_in", "provenance_in"]

PROVENANCE, OWN_TIMES, OWN_UNITS = "provenance", "event_times_s", "event_units"


def provenance_in(arrays: LazyArrays) -> Provenance | None:
    """Read what made the spikes; None where nothing says so."""
    try:
        stated = json.loads(text_in(arrays, PROVENANCE, "null"))
    except ValueError:
        return None
    return parse_provenance(stated) if isinstance(stated, dict) else None


def own_times_in(arrays: LazyArrays) -> SpikeTimes | None:
    """Read when each of the counted spikes came; None where nothing says so, UNFIT where a file of ours is wrong."""
    unreadable = UNFIT if PROVENANCE in arrays and (OWN_TIMES in arrays or OWN_UNITS in arrays) else None
    if OWN_TIMES not in arrays or OWN_UNITS not in arrays:
        return unreadable
    times, units = np.ravel(arrays[OWN_TIMES]), np.ravel(arrays[OWN_UNITS])
    if times.dtype.kind != "f" or units.dtype.kind not in "iu" or times.shape != units.shape:
        return unreadable
    numbers = units.astype(np.int32)
    return SpikeTimes(numbers, times.astype(np.float64)) if (numbers == units).all() else unreadable
