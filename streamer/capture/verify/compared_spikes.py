"""Comparison of spikes' own times, bit by bit."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.streamer.capture.verify.regeneration import first_bin_of
from spikeloop.streamer.capture.verify.stated import Stated
from spikeloop.streamer.capture.verify.verification import Difference

__all__ = ["ComparedSpikes", "compared_spikes", "has_times_of_seed"]

EVENT = np.dtype([("time_s", np.float64), ("unit", np.int32)])
SAME_TIME = 1e-6  # of a bin, by which rounding may move a spike that is counted from the start
SAME_BIN = 1e-3  # of a bin, likewise, on the clock of a recorder
EVEN_S = 1e-8  # from the line by which one clock follows from the other
PACES = 1e-3  # by which two clocks may differ
COMPARED_APART = 0.25  # of a bin, by which clocks of two streams of one source may differ as they were measured
LEAST_TO_COMPARE = 10  # spikes
APART_S = 1.0  # by which streams of a live recording may begin or end apart, as a recorder takes each by itself


@dataclass(frozen=True)
class ComparedSpikes:
    """How many spikes were expected, which of them are missing, which are there beyond these, and the first of both.

    None were expected of fluorescence; `expected` is None where there are no spikes' own times to compare. `later_s` is
    by how much all of them are late, on a clock that was compared apart from that of the counts.
    """

    expected: int | None = 0
    missing: int = 0
    unexpected: int = 0
    first: Difference | None = None
    later_s: float = 0.0


def compared_spikes(recorded: Stated, units: NDArray[np.int32], times_s: Floats, done_bins: int) -> ComparedSpikes:
    """Compare the spikes of a file with those that were made again.

    Spikes of all bins from the first to the last of the file are expected. Where a recorder began later than the
    stream, and where it ended, spikes may be missing of the first or the last second: it takes each stream by itself.

    Parameters
    ----------
    recorded : Stated
    units, times_s : arrays of shape (spikes,)
        Made again; numbers of recorded units.
    done_bins : int
        Bins that were made again; later spikes are not compared.
    """
    own, made_by = recorded.spikes, recorded.provenance
    if own is None or not done_bins:
        return ComparedSpikes(None if made_by.signal == "spikes" else 0)
    known = own.times_s < made_by.start_s + done_bins * made_by.bin_size_s
    found = _events(own.times_s[known], own.units[known])
    expected = _expected(recorded, times_s, units)
    if np.array_equal(found, expected):
        return ComparedSpikes(len(expected))
    if recorded.written and (later_s := _on_another_clock(recorded, found, expected)) is not None:
        return ComparedSpikes(len(expected), later_s=later_s)
    pairs, place = np.unique(np.concatenate([expected, found]), return_inverse=True)
    due = np.bincount(place[: len(expected)], minlength=len(pairs))
    there = np.bincount(place[len(expected) :], minlength=len(pairs))
    at = int(np.flatnonzero(due != there)[0])
    time_s, unit = float(pairs["time_s"][at]), int(pairs["unit"][at])
    name = recorded.unit_names[unit] if 0 <= unit < len(recorded.unit_names) else f"unit {unit}"
    number = int(np.floor((time_s - made_by.start_s) / made_by.bin_size_s))
    first = Difference(number, time_s, name, unit, float(due[at]), float(there[at]))
    missing, unexpected = np.maximum(due - there, 0).sum(), np.maximum(there - due, 0).sum()
    return ComparedSpikes(len(expected), int(missing), int(unexpected), first)


def _expected(recorded: Stated, times_s: Floats, units: NDArray[np.int32]) -> NDArray[Any]:
    """Return those of the spikes that were made again which should be in the file."""
    assert recorded.spikes is not None
    own_s, size_s = recorded.spikes.times_s, recorded.provenance.bin_size_s
    begin_s = recorded.provenance.start_s + (recorded.bins[0] - SAME_TIME) * size_s
    end_s = recorded.provenance.start_s + (recorded.bins[-1] + 1) * size_s
    if recorded.written:
        return _events(times_s[times_s >= begin_s], units[times_s >= begin_s])
    begin_s = min(begin_s + APART_S * bool(recorded.bins[0] > 0), own_s.min(initial=np.inf))
    wanted = (times_s >= begin_s) & (times_s <= max(end_s - APART_S, own_s.max(initial=-np.inf)))
    return _events(times_s[wanted], units[wanted])


def _on_another_clock(recorded: Stated, found: NDArray[Any], expected: NDArray[Any]) -> float | None:
    """Return by how much times are late, s, where they differ only as those of two even clocks do; else None.

    What was generated into a file has never been on another clock.
    """
    same = len(found) == len(expected) and (found["unit"] == expected["unit"]).all()
    if recorded.made_at_once or not same or len(found) < LEAST_TO_COMPARE:
        return None
    begin_s = recorded.provenance.start_s + recorded.bins[0] * recorded.provenance.bin_size_s
    since_s, off_s = expected["time_s"] - begin_s, found["time_s"] - expected["time_s"]
    line = np.polynomial.Polynomial.fit(since_s, off_s, 1)
    later_s = float(line(0.0))
    even = np.abs(off_s - line(since_s)).max() < EVEN_S and abs(line.convert().coef[-1]) < PACES
    return later_s if even and abs(later_s) < COMPARED_APART * recorded.provenance.bin_size_s else None


def _events(times_s: Floats, units: NDArray[np.int32]) -> NDArray[Any]:
    events = np.empty(len(times_s), EVENT)
    events["time_s"], events["unit"] = times_s, units
    return np.sort(events)


def has_times_of_seed(recorded: Stated) -> bool | None:
    """Say whether the first spikes lie in their bin where the seed puts them, whatever model made them.

    Returns
    -------
    bool or None
        None where the first spikes may not be all that the seed drew: the file lacks the stream's start, some of the
        spikes' own times, or something was done to the stream by then, as a stimulus brings spikes of its own.
    """
    own, made_by, spiking = recorded.spikes, recorded.provenance, np.flatnonzero(recorded.counts.any(axis=1))
    if own is None or not len(own.times_s) or not len(spiking):
        return None
    first = int(spiking[0])
    whole = np.array_equal(recorded.bins[: first + 1], np.arange(first + 1))
    if not whole or any(first_bin_of(marker, made_by) <= first for marker in recorded.markers):
        return None
    places = np.sort((own.times_s - made_by.start_s) / made_by.bin_size_s)
    of_first = places[places < first + 1] - first
    if len(of_first) != recorded.counts[first].sum():
        return None
    draws = random_stream(made_by.seed, Purpose.EVENT_TIMES).random(len(of_first))
    return bool(np.allclose(of_first, np.sort(draws), rtol=0, atol=SAME_BIN if recorded.written else SAME_TIME))
