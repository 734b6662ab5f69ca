"""What spikeloop wrote into a NIX file: read back as it was."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.found import Binned, Found, Series
from spikeloop.exporters.formats.neo.writer import CONDITIONS, COUNTS, FLUORESCENCE, OWN, TRIALS
from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.provenance import parse_provenance
from spikeloop.models.recordings.timed_spikes import in_order

__all__ = ["own_found", "own_notes"]

SAME_TIME = 1e-6  # of a bin, by which rounding may move a time
MOST_COUNTS, COUNTS_PER_BYTE = 2**28, 64  # of a recording, more than which a file of its size can't mean


def own_notes(about: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what spikeloop wrote of its recording; None of a file of another program, or of one that was damaged."""
    try:
        own = json.loads(str(about.get(OWN, "")))
    except ValueError:
        return None
    if not isinstance(own, dict) or not isinstance(own.get("bin_size_s"), float) or not own["bin_size_s"] > 0:
        return None
    lists = all(isinstance(own.get(entry), list) for entry in ("bins", "unit_names", "history", "channels"))
    bins, starts = own.get("bins"), own.get("starts_s")
    if not lists or not bins or not all(isinstance(number, int) and number > 0 for number in bins):
        return None
    known = starts is None or (isinstance(starts, list) and len(starts) == len(bins))
    return own if known and len(own["unit_names"]) > 0 else None


def own_found(segments: Sequence[Any], own: Mapping[str, Any], series: tuple[Series, ...], path: Path) -> Found:
    """Return the recording that was written; `series` are what was asked for as conditions instead of its own.

    Raises
    ------
    BadInputError
        If the file doesn't hold what it says.
    """
    bins, names = [int(number) for number in own["bins"]], tuple(map(str, own["unit_names"]))
    if sum(bins) * len(names) > MOST_COUNTS + COUNTS_PER_BYTE * path.stat().st_size or len(segments) != 1:
        raise _other(path, "another number of bins than its notes say")
    times, signals = None, segments[0].irregularlysampledsignals
    if own.get("signal") == "fluorescence":
        values = _rows(_named(signals, FLUORESCENCE), len(names), bins, path)
    elif own.get("own_times") is True and own["starts_s"] is not None:
        values = _rows(_named(signals, COUNTS), len(names), bins, path)
        trains = [np.array(train.rescale("s").magnitude, np.float64) for train in segments[0].spiketrains]
        times = in_order(trains)
    else:
        values = _counts(segments[0], own["bin_size_s"], bins, len(names), path)
    starts = None if own["starts_s"] is None else np.array(own["starts_s"], np.float64)
    signal = "fluorescence" if own.get("signal") == "fluorescence" else "spikes"
    return Found(
        Binned(values, own["bin_size_s"], starts, signal, times),
        names,
        None,
        None,
        tuple(_of_bins(asked, bins, path) for asked in series) or _series(segments[0], own["channels"], bins, path),
        str(own.get("name") or path.stem),
        str(own.get("origin", "")),
        tuple(map(str, own["history"])),
        provenance=parse_provenance(own.get("provenance") or {}),
        contradictions=_contradictions(segments[0], own, bins),
    )


def _contradictions(segment: Any, own: Mapping[str, Any], bins: list[int]) -> tuple[str, ...]:
    """Say whose times are not those of the bins: one sample at the beginning of each, where the trials begin."""
    epoch, size_s = _named(segment.epochs, TRIALS), own["bin_size_s"]
    if epoch is None or len(epoch) != len(bins):
        return (f"expected an epoch {TRIALS} of {len(bins)} trials, found another",)
    begins_s = np.array(epoch.times.rescale("s").magnitude, np.float64)
    durations_s = np.array(epoch.durations.rescale("s").magnitude, np.float64)
    due_s = np.concatenate([begin + np.arange(n) * size_s for begin, n in zip(begins_s, bins, strict=True)])
    named = {name: _named(segment.irregularlysampledsignals, name) for name in (COUNTS, FLUORESCENCE, CONDITIONS)}
    off_s = {name: _off_s(signal.times, due_s) for name, signal in named.items() if signal is not None}
    off_s["the durations of trials"] = float(np.abs(durations_s - np.array(bins) * size_s).max())
    if own.get("own_times") is True and own["starts_s"] is not None:
        off_s["the trials"] = float(np.abs(begins_s - np.array(own["starts_s"])).max())
    return tuple(
        f"the times of {what} are not those of the bins: they are up to {off:g} s off"
        for what, off in off_s.items()
        if not off <= SAME_TIME * size_s
    )


def _off_s(times: Any, due_s: Floats) -> float:
    times_s = np.array(times.rescale("s").magnitude, np.float64)
    return float(np.abs(times_s - due_s).max(initial=0.0)) if len(times_s) == len(due_s) else np.inf


def _other(path: Path, what: str) -> BadInputError:
    return BadInputError(f"{path}: expected what spikeloop writes, found {what}; is the file complete?")


def _named(things: Sequence[Any], name: str) -> Any:
    return next((thing for thing in things if thing.name == name), None)


def _counts(segment: Any, size: float, bins: list[int], units: int, path: Path) -> list[NDArray[Any]]:
    epoch, trains = _named(segment.epochs, TRIALS), segment.spiketrains
    if epoch is None or len(epoch) != len(bins) or len(trains) != units:
        raise _other(path, f"{len(trains)} trains of {units} units, or another number of trials")
    begins = np.array(epoch.times.rescale("s").magnitude, np.float64)
    counts = [np.zeros((number, units), np.uint16) for number in bins]
    for unit, train in enumerate(trains):
        times = np.array(train.rescale("s").magnitude, np.float64)
        edges = np.searchsorted(times, begins)
        for trial, (first, last) in enumerate(zip(edges, [*edges[1:], len(times)], strict=True)):
            at = ((times[first:last] - begins[trial]) / size).astype(np.int64)
            if len(at) and not (at[0] >= 0 and at[-1] < bins[trial]):
                raise _other(path, "spikes outside its trials")
            counts[trial][:, unit] = np.bincount(at, minlength=bins[trial])
    return counts


def _rows(signal: Any, channels: int, bins: list[int], path: Path) -> list[NDArray[Any]]:
    if signal is None or signal.shape != (sum(bins), channels):
        raise _other(path, "a signal that is missing, or of another length")
    return np.split(np.asarray(signal.magnitude, np.float32), np.cumsum(bins)[:-1])


def _series(segment: Any, channels: list[Any], bins: list[int], path: Path) -> tuple[Series, ...]:
    """Read the conditions that spikeloop wrote, one sample for each bin."""
    if not channels:
        return ()
    try:
        names, units = (tuple(str(channel[entry]) for channel in channels) for entry in ("name", "unit"))
        ranges = tuple({entry: channel[entry] for entry in ("low", "high", "rest", "cyclic")} for channel in channels)
    except (KeyError, TypeError) as error:
        raise _other(path, "notes of its conditions that are damaged") from error
    parts = _rows(_named(segment.irregularlysampledsignals, CONDITIONS), len(names), bins, path)
    return (Series(_padded(parts), None, names, units, ranges),)


def _of_bins(series: Series, bins: list[int], path: Path) -> Series:
    """Give a signal of ours one sample for each bin of each trial, whenever these were."""
    if len(series.values) != sum(bins):
        raise _other(path, "a signal of another length")
    return replace(series, values=_padded(np.split(series.values, np.cumsum(bins)[:-1])), times_s=None)


def _padded(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    values = np.full((len(parts), max(map(len, parts)), parts[0].shape[1]), np.nan, parts[0].dtype)
    for row, part in zip(values, parts, strict=True):
        row[: len(part)] = part
    return values
