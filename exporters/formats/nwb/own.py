"""What this package writes into its NWB files beside the standard's own, so that a recording is read back exactly."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.choices import Choices
from spikeloop.exporters.formats.found import Binned, Found, Series
from spikeloop.exporters.formats.nwb.cross_check import contradictions_of
from spikeloop.exporters.formats.nwb.lab_metadata import LAB_METADATA, parse_lab_metadata
from spikeloop.exporters.formats.nwb.series import condition_of
from spikeloop.exporters.formats.nwb.tables import open_units, read_trains
from spikeloop.exporters.formats.storage.remote import Location
from spikeloop.exporters.formats.storage.tree import Node, child, is_array, is_group, read, read_texts, stated_text
from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.provenance import Provenance
from spikeloop.models.recordings.timed_spikes import UNFIT, SpikeTimes, in_order

__all__ = ["CONDITIONS", "COUNTS", "DETAILS", "find_own", "in_time"]

DETAILS = "scratch/spikeloop_recording"  # names and history, as JSON
COUNTS = "processing/ecephys/binned_spikes"
FLUORESCENCE = "processing/ophys/fluorescence"
CONDITIONS = "processing/behavior"
UNITS = "units"
SAME_TIME = 1e-6  # of a bin, by which rounding may move a time


def find_own(root: Node, choices: Choices, path: Location) -> Found | None:
    """Read a recording that `write_nwb` wrote; None where the file is another's, or other spikes or trials are chosen.

    Its counts are handed on at any bin size that is chosen, to be joined like those of other formats.
    """
    note = child(root, DETAILS)
    if not is_array(note) or choices.key is not None or choices.trial_key is not None:
        return None
    details = _details(note, path)
    size = details["bin_size_s"]
    where = COUNTS if details["signal"] == "spikes" else FLUORESCENCE
    group = child(root, where)
    if not is_group(group) or not is_array(child(group, "data")):
        return None
    order, lengths = np.array(details["order"], int), np.array(details["lengths"], int)
    trials = _by_trial(read(group["data"], where), order, lengths, path)
    starts = None if details["starts_s"] is None else np.array(details["starts_s"], np.float64)
    if choices.conditions:
        series = tuple(condition_of(root, name, where, choices) for name, where in choices.conditions.items())
        starts = (np.cumsum(lengths) - lengths) * size if starts is None else starts  # as in the file's other tables
    else:
        series = _conditions(root, details, order, lengths, path)
    own_times = _own_times(root, details, trials, order)
    spikes = Binned(trials, size, starts, details["signal"], own_times)
    return Found(
        spikes,
        tuple(details["unit_names"]),
        series=series,
        name=details["name"],
        origin=details["origin"],
        history=tuple(details["history"]),
        provenance=_provenance(root),
        contradictions=_contradictions(root, details, where),
    )


def in_time(
    starts_s: Sequence[float] | None, bins: NDArray[np.int64], size_s: float
) -> tuple[NDArray[np.int64], Floats, bool]:
    """Return how the file has trials: in the order of their beginnings, when each begins, and whether that is known.

    Where it is not known, or trials overlap, they follow one another in their own order.
    """
    durations = bins * size_s
    if starts_s is not None:
        starts = np.array(starts_s, np.float64)
        order = np.argsort(starts, kind="stable")
        begins, slack = starts[order], SAME_TIME * size_s
        if (begins[:-1] + durations[order][:-1] <= begins[1:] + slack).all():
            return order, begins, True
    return np.arange(len(bins)), np.concatenate(([0.0], np.cumsum(durations)[:-1])), False


def _contradictions(root: Node, details: dict[str, Any], counts: str) -> tuple[str, ...]:
    bins, size_s = np.array(details["lengths"], int), details["bin_size_s"]
    order, begins_s, _ = in_time(details["starts_s"], bins, size_s)
    conditions = [f"{CONDITIONS}/{channel['series']}" for channel in details["channels"]]
    return contradictions_of(root, begins_s, bins[order], size_s, counts, conditions)


def _provenance(root: Node) -> Provenance | None:
    metadata = child(root, LAB_METADATA)
    return parse_lab_metadata(stated_text(metadata, "provenance")) if is_group(metadata) else None


def _own_times(
    root: Node, details: dict[str, Any], trials: Sequence[NDArray[Any]], order: NDArray[np.int64]
) -> SpikeTimes | None:
    """Read the spikes' own times, where the file has them, in the recording's order of trials."""
    if details.get("own_times") is not True:
        return None
    units = child(root, UNITS)
    if not is_group(units):
        return UNFIT
    trains = read_trains(open_units(UNITS, units), None, None, None).trains
    times = in_order([np.asarray(train, np.float64) for train in trains])
    edges = np.cumsum([0, *(int(trials[trial].sum()) for trial in order)]).tolist()
    if edges[-1] != len(times.times_s):
        return UNFIT
    placed = np.concatenate([np.arange(edges[place], edges[place + 1]) for place in np.argsort(order)])
    return SpikeTimes(times.units[placed], times.times_s[placed])


def _details(note: Node, path: Location) -> dict[str, Any]:
    texts = read_texts(note, DETAILS)
    try:
        details = json.loads(texts[0] if texts else "")
        kinds = {
            "bin_size_s": float, "signal": str, "unit_names": list, "name": str, "origin": str,
            "history": list, "lengths": list, "order": list, "channels": list,
        }  # fmt: skip
        sound = all(isinstance(details[key], kind) for key, kind in kinds.items())
        sound = sound and sorted(details["order"]) == list(range(len(details["lengths"])))
        sound = sound and isinstance(details["starts_s"], list | None)
        sound = sound and all(isinstance(text, str) for key in ("unit_names", "history") for text in details[key])
        if not sound:
            raise TypeError
    except (ValueError, KeyError, TypeError) as error:
        raise BadInputError(
            f"{path}: expected a description of the recording in {DETAILS}, found something else; is the file complete?"
        ) from error
    return details


def _by_trial(
    values: NDArray[Any], order: NDArray[np.int64], lengths: NDArray[np.int64], path: Location
) -> list[NDArray[Any]]:
    """Cut rows of all trials, in their order in time, into trials in the recording's order."""
    if values.ndim != 2 or values.shape[0] != lengths.sum() or lengths.min(initial=1) < 1:
        raise BadInputError(f"{path}: expected {lengths.sum()} bins, found values of shape {values.shape}")
    parts = np.split(values, np.cumsum(lengths[order])[:-1])
    return [parts[place] for place in np.argsort(order)]


def _conditions(
    root: Node, details: dict[str, Any], order: NDArray[np.int64], lengths: NDArray[np.int64], path: Location
) -> tuple[Series, ...]:
    channels = details["channels"]
    if not channels:
        return ()
    columns = []
    for channel in channels:
        where = f"{CONDITIONS}/{channel['series']}"
        array = child(root, f"{where}/data")
        if not is_array(array):
            raise BadInputError(f"{path}: expected the condition {where}, found none; is the file complete?")
        columns.append(np.ravel(read(array, where))[:, np.newaxis])
    trials = [_by_trial(column, order, lengths, path) for column in columns]
    values = np.zeros((len(lengths), lengths.max(), len(columns)), np.float32)
    for number, parts in enumerate(trials):
        for trial, part in enumerate(parts):
            values[trial, : len(part), number] = part[:, 0]
    names, units = (tuple(channel[key] for channel in channels) for key in ("name", "unit"))
    return (Series(values, None, names, units, tuple(channels)),)
