"""NWB files (Neurodata Without Borders): units, trials and time series, read from HDF5 or Zarr by their structure."""

from collections.abc import Iterator

import numpy as np

from spikeloop.exporters.formats.assembly.chosen_units import chosen_units
from spikeloop.exporters.formats.choices import Choices
from spikeloop.exporters.formats.found import Binned, Found, Intervals, Item, SpikeTrains
from spikeloop.exporters.formats.nwb.counts import binned_of
from spikeloop.exporters.formats.nwb.own import find_own
from spikeloop.exporters.formats.nwb.series import SHOWN, condition_of, is_series, rate_of, resolved
from spikeloop.exporters.formats.nwb.tables import (
    UnitsTable,
    columns_of,
    cut_where_unobserved,
    interval_tables,
    intervals_of,
    is_table,
    observed_stretches,
    open_units,
    read_trains,
)
from spikeloop.exporters.formats.storage.remote import Location
from spikeloop.exporters.formats.storage.tree import Node, child, is_array, is_group, opened, read, stated_text, walk
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.spike_times import trains_of

__all__ = ["find", "items", "write"]

TEXT = "OSUT"


def items(path: Location) -> tuple[Item, ...]:
    """List units, tables with their columns, and time series; no data are read."""
    with opened(path) as root:
        return tuple(_items(root))


def find(path: Location, choices: Choices) -> Found:
    """Read the spikes of a file, and what else was asked for.

    Parameters
    ----------
    path : pathlib.Path or Remote
    choices : Choices
        `key` is the path of another table of units than `/units`, or of a time series of counts or fluorescence;
        `trial_key` of another table of intervals than the trials; `conditions` are paths of time series, or columns of
        tables such as "trials:target_x".

    Raises
    ------
    BadInputError
        If the file is damaged, or has no such thing; lists what there is.
    FailureError
        If a server can't be reached, or does not send parts of files.
    """
    with opened(path) as root:
        own = find_own(root, choices, path)
        return own if own is not None else _found(root, choices, path)


def write(recording: Recording, path: Location) -> None:
    """Write a recording; see `nwb_write`."""
    from spikeloop.exporters.formats.nwb.writer import write_nwb

    write_nwb(recording, path)


def _items(root: Node) -> Iterator[Item]:
    listed: list[str] = []
    for path, node in walk(root):
        if any(path.startswith(f"{above}/") for above in listed):
            continue
        if is_series(node):
            listed.append(path)
            data = node["data"]
            what = "text" if data.dtype.kind in TEXT else "series"
            yield Item(path, what, data.shape, str(data.dtype), stated_text(data, "unit"), rate_of(node))
        elif is_table(node):
            listed.append(path)
            yield from _items_of_table(path, node)
        elif _is_clustering(node):
            listed.append(path)
            yield Item(path, "spike times", node["times"].shape, str(node["times"].dtype), "s")


def _items_of_table(path: str, table: Node) -> Iterator[Item]:
    columns = columns_of(table)
    number = child(table, "id") if is_array(child(table, "id")) else child(table, columns[0]) if columns else None
    rows = (int(number.shape[0]),) if number is not None and number.shape else ()
    times = "spike_times" in columns
    kind = "spike times" if times else "trials" if {"start_time", "stop_time"} <= set(columns) else "table"
    yield Item(path, kind, rows, str(table["spike_times"].dtype) if times else "", "s" if times else "")
    for column in columns:
        array = table[column]
        if column != "spike_times" and array.dtype.kind in f"buif{TEXT}":
            what = "text" if array.dtype.kind in TEXT else "column"
            yield Item(f"{path}:{column}", what, array.shape, str(array.dtype))


def _is_clustering(node: Node) -> bool:
    """Say whether a node holds a time and a unit's number for each spike, as the old type Clustering does."""
    if not is_group(node) or stated_text(node, "neurodata_type") not in ("Clustering", ""):
        return False
    times, numbers = child(node, "times"), child(node, "num")
    return is_array(times) and is_array(numbers) and times.ndim == 1 and times.shape == numbers.shape


def _found(root: Node, choices: Choices, path: Location) -> Found:
    spikes, names, labels, observed, history = _spikes(root, choices, path)
    series = tuple(condition_of(root, name, where, choices) for name, where in choices.conditions.items())
    trials = _trials(root, choices, path) if observed is None else observed
    return Found(spikes, names, labels, trials, series, path.stem, path.name, history)


Names = tuple[str, ...] | None
Spikes = tuple[SpikeTrains | Binned, Names, Names, Intervals | None, tuple[str, ...]]


def _spikes(root: Node, choices: Choices, path: Location) -> Spikes:
    """Read the units that were asked for, or counts: with their names, labels, when they were observed, and history."""
    where = _spikes_path(root, choices, path)
    node = root[where]
    if is_series(node):
        binned, history = binned_of(root, where, choices)
        return binned, None, None, None, history
    if _is_clustering(node):
        trains, names = trains_of(read(node["times"], where), read(node["num"], where), path.name)
        return SpikeTrains(trains), names, None, None, ()
    units = open_units(where, node)
    chosen = None
    if choices.units is not None:
        chosen = chosen_units(choices.units, units.names, units.labels, path.name).tolist()
    whole = choices.trials is not None or bool(choices.time_unit)  # a stretch is of seconds
    spikes = read_trains(units, chosen, None if whole else choices.start_s, None if whole else choices.stop_s)
    history = () if where == "units" else (f"units are those of {where}",)
    observed = None if whole or choices.trial_key is not None else _stretches(units, chosen, choices)
    if observed is not None:
        spikes = cut_where_unobserved(spikes, observed)
        cut = f"cut into {len(observed.starts_s)} trials, between which no unit was observed (obs_intervals)"
        history = (*history, cut)
    return spikes, units.names, units.labels, observed, history


def _stretches(units: UnitsTable, chosen: list[int] | None, choices: Choices) -> Intervals | None:
    """Find the stretches in which units were observed, within the chosen times; None where there is one or none."""
    observed = observed_stretches(units, chosen, choices.bin_size_s or 0.0)
    if observed is None or len(observed.starts_s) < 2:
        return None
    low = -np.inf if choices.start_s is None else choices.start_s
    high = np.inf if choices.stop_s is None else choices.stop_s
    starts, stops = np.maximum(observed.starts_s, low), np.minimum(observed.stops_s, high)
    inside = stops - starts >= (choices.bin_size_s or 0.0) * (1 - 1e-6)
    return Intervals(starts[inside], stops[inside]) if inside.sum() > 1 else None


def _spikes_path(root: Node, choices: Choices, path: Location) -> str:
    """Find where the spikes are: what was asked for, the table of units, or the only other one that has spikes."""
    asked = choices.key.strip("/") if choices.key else None
    if asked is None and is_array(child(root, "units/spike_times")):
        return "units"
    tables, counts, clusters = _candidates(root)
    if asked is not None:
        return resolved(root, asked, "--key", [*tables, *counts, *clusters])
    if len(tables) == 1 and not clusters:
        return tables[0]
    there_are = ", ".join([*tables, *clusters, *counts]) or "neither units nor time series"
    raise BadInputError(
        f"{path}: expected a table of units with spike_times, found {there_are:.{SHOWN}};"
        " name the units, or a time series of counts of shape (bins, units), with --key"
    )


def _candidates(root: Node) -> tuple[list[str], list[str], list[str]]:
    """List tables with spike times, time series of numbers, and spikes that are listed with numbers of units."""
    tables, counts, clusters = [], [], []
    for path, node in walk(root):
        if is_table(node) and is_array(child(node, "spike_times")):
            tables.append(path)
        elif is_series(node) and node["data"].dtype.kind in "buif":
            counts.append(path)
        elif _is_clustering(node):
            clusters.append(path)
    return tables, counts, clusters


def _trials(root: Node, choices: Choices, path: Location) -> Intervals | None:
    """Read the table of trials, or the one that was asked for, where trials are wanted."""
    tables = interval_tables(root)
    if choices.trial_key is not None:
        below = [at for at, node in walk(root) if is_table(node) and is_array(child(node, "start_time"))]
        return intervals_of(root, resolved(root, choices.trial_key, "--trial-key", below))
    if choices.trials is None:
        return None
    if "intervals/trials" in tables:
        return intervals_of(root, "intervals/trials")
    if tables:
        raise BadInputError(
            f"--trials: expected a table of trials in {path}, found {', '.join(tables):.{SHOWN}}; name one with"
            " --trial-key"
        )
    return None
