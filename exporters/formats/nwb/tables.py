"""Tables of NWB files: the units with their spike times, and the trials and other intervals."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.found import Intervals, SpikeTrains
from spikeloop.exporters.formats.storage.tree import Node, child, is_array, is_group, read, read_texts, stated_text
from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError

__all__ = [
    "UnitsTable",
    "column_values",
    "columns_of",
    "cut_where_unobserved",
    "interval_tables",
    "intervals_of",
    "is_table",
    "observed_stretches",
    "open_units",
    "read_trains",
]

NAME_COLUMNS = ("unit_name", "unit_names", "name", "names", "cluster_name", "label_name", "_name")  # the last is Neo's
LABEL_COLUMNS = ("quality", "unit_quality", "group", "KSLabel", "ks_label", "label", "cluster_group", "quality_label")
BLOCK = 2**20  # spike times read at once, where only a stretch of time is wanted


@dataclass(frozen=True, eq=False)
class UnitsTable:
    """Where the spike times of units are in a file.

    Attributes
    ----------
    path : str
    table : group
    ends : array of shape (units,), int
        Where the times of each unit end in the array of all times.
    names : tuple of str
    labels : tuple of str, or None
    """

    path: str
    table: Node
    ends: NDArray[np.int64]
    names: tuple[str, ...]
    labels: tuple[str, ...] | None


def is_table(node: Node) -> bool:
    """Say whether a node is a table."""
    if not is_group(node):
        return False
    return "colnames" in node.attrs or is_array(child(node, "id")) or is_array(child(node, "start_time"))


def columns_of(table: Node) -> list[str]:
    """List the columns of a table: those that it names, and those that other libraries forgot to name."""
    names = [name for name in table if is_array(child(table, name)) and name != "id"]
    return [name for name in names if not (name.endswith("_index") and name.removesuffix("_index") in names)]


def column_values(table: Node, column: str, where: str) -> NDArray[Any]:
    """Read a column of numbers, of one row each.

    Raises
    ------
    BadInputError
        If there is no such column, or it holds text, or rows of several lengths.
    """
    array = child(table, column)
    if not is_array(array):
        raise BadInputError(
            f"--condition: expected a column of {where} ({', '.join(columns_of(table)) or 'it has none'}), found"
            f" {column!r:.60}"
        )
    if child(table, f"{column}_index") is not None:
        raise BadInputError(f"--condition: expected one value a row, found lists in the column {where}:{column}")
    if array.dtype.kind not in "buif":
        raise BadInputError(f"--condition: expected numbers in {where}:{column}, found {_kind(array)}")
    return read(array, f"{where}:{column}").astype(np.float64)


def _kind(array: Node) -> str:
    return "text" if array.dtype.kind in "OSUT" else str(array.dtype)


def interval_tables(root: Node) -> list[str]:
    """List the tables of intervals, such as trials and epochs, by their paths."""
    group = child(root, "intervals")
    if not is_group(group):
        return []
    return [f"intervals/{name}" for name in group if is_array(child(group, f"{name}/start_time"))]


def intervals_of(root: Node, path: str) -> Intervals:
    """Read where the rows of a table of intervals start and stop."""
    table = child(root, path)
    starts, stops = (child(table, name) for name in ("start_time", "stop_time"))
    if not (is_array(starts) and is_array(stops)):
        raise BadInputError(f"{path}: expected the columns start_time and stop_time, found {_columns(table)}")
    begin, end = (
        np.ravel(read(array, path)).astype(np.float64) if array.dtype.kind in "iuf" else None
        for array in (starts, stops)
    )
    if begin is None or end is None or len(begin) != len(end):
        raise BadInputError(f"{path}: expected a start and a stop for each row, found {starts.shape} and {stops.shape}")
    return Intervals(begin, end)


def _columns(table: Node) -> str:
    return ", ".join(columns_of(table)) or "none" if is_group(table) else "none"


def open_units(path: str, table: Node) -> UnitsTable:
    """Look at a table of units: which there are, and where the times of each are."""
    times, index = child(table, "spike_times"), child(table, "spike_times_index")
    if not is_array(times) or times.ndim != 1 or times.dtype.kind not in "iuf":
        found = f"{times.shape} of {times.dtype}" if is_array(times) else f"the columns {_columns(table)}"
        raise BadInputError(f"{path}: expected spike_times, numbers in a row, found {found}; name others with --key")
    if is_array(index) and index.dtype.kind in "iu" and index.ndim == 1:
        ends = read(index, f"{path}/spike_times_index").astype(np.int64)
    else:
        ends = np.arange(1, times.shape[0] + 1)  # one spike a unit, as a table without an index says
    if len(ends) and (ends[0] < 0 or (np.diff(ends) < 0).any() or ends[-1] > times.shape[0]):
        raise BadInputError(
            f"{path}: expected spike_times_index to rise to {times.shape[0]} spike times, found {ends.min()} to"
            f" {ends.max()} in another order; is the file complete?"
        )
    if not len(ends):
        raise BadInputError(f"{path}: expected units with spike times, found a table without a row")
    return UnitsTable(path, table, ends, _names(path, table, len(ends)), _labels(path, table, len(ends)))


def _names(path: str, table: Node, units: int) -> tuple[str, ...]:
    """Name units by a column of names, where each has its own, or else by their ids."""
    for column in NAME_COLUMNS:
        texts = _texts(path, table, column, units)
        if texts is not None and len(set(texts)) == units and all(texts):
            return tuple(texts)
    ids = child(table, "id")
    if is_array(ids) and ids.shape == (units,) and ids.dtype.kind in "iu":
        numbers = read(ids, f"{path}/id").tolist()
        if len(set(numbers)) == units:
            return tuple(f"unit {number}" for number in numbers)
    return tuple(f"unit {number}" for number in range(units))


def _labels(path: str, table: Node, units: int) -> tuple[str, ...] | None:
    lower = {name.lower(): name for name in columns_of(table)}
    for column in LABEL_COLUMNS:
        texts = _texts(path, table, lower.get(column.lower(), ""), units)
        if texts is not None:
            return tuple(texts)
    return None


def _texts(path: str, table: Node, column: str, units: int) -> list[str] | None:
    array = child(table, column)
    if not is_array(array) or array.shape != (units,):
        return None
    elements = child(table, f"{column}_elements")
    if stated_text(array, "neurodata_type") == "EnumData" and is_array(elements) and array.dtype.kind in "iu":
        words, numbers = read_texts(elements, path), read(array, path)
        sound = words is not None and len(numbers) and numbers.max() < len(words) and numbers.min() >= 0
        return [words[number] for number in numbers] if words is not None and sound else None
    return read_texts(array, f"{path}/{column}")


def read_trains(
    units: UnitsTable, chosen: Sequence[int] | None, start_s: float | None, stop_s: float | None
) -> SpikeTrains:
    """Read the spike times of units, as views of one array where all are wanted.

    Parameters
    ----------
    units : UnitsTable
    chosen : sequence of int, or None
        Those to read; the trains of the others are empty. None reads all.
    start_s, stop_s : float, s, or None
        The stretch of time to keep.

    Returns
    -------
    SpikeTrains
        Start and stop are those of the table's `obs_intervals`, where it has any.
    """
    array, where = units.table["spike_times"], f"{units.path}/spike_times"
    begins = np.concatenate(([0], units.ends[:-1])).astype(np.int64)
    if chosen is None and start_s is None and stop_s is None:
        times = read(array, where)
        trains = [times[begin:end] for begin, end in zip(begins, units.ends, strict=True)]
    else:
        wanted = set(range(len(begins)) if chosen is None else map(int, chosen))
        trains = [
            _part(array, where, int(begin), int(end), start_s, stop_s) if number in wanted else np.empty(0)
            for number, (begin, end) in enumerate(zip(begins, units.ends, strict=True))
        ]
    observed = observed_stretches(units, chosen)
    if observed is None:
        return SpikeTrains(trains)
    return SpikeTrains(trains, None, float(observed.starts_s.min()), float(observed.stops_s.max()))


def _part(array: Node, where: str, begin: int, end: int, start_s: float | None, stop_s: float | None) -> NDArray[Any]:
    """Read one unit's times, block by block where only a stretch is kept."""
    if start_s is None and stop_s is None:
        return read(array, where, slice(begin, end)) if end > begin else np.empty(0)
    low, high = -np.inf if start_s is None else start_s - 1, np.inf if stop_s is None else stop_s + 1
    parts = []
    for at in range(begin, end, BLOCK):
        times = read(array, where, slice(at, min(end, at + BLOCK)), part=f"a block of {where}")
        parts.append(times[~((times < low) | (times > high))])  # NaN stays, and is refused later
    return np.concatenate(parts) if parts else np.empty(0)


def observed_stretches(units: UnitsTable, chosen: Sequence[int] | None, shortest_s: float = 0.0) -> Intervals | None:
    """Find when any of the units was observed, as the table's `obs_intervals` say.

    Parameters
    ----------
    units : UnitsTable
    chosen : sequence of int, or None
        None takes all.
    shortest_s : float >= 0, s
        Gaps up to so long are none, and shorter stretches are left out.

    Returns
    -------
    Intervals or None
        One after the other, without overlap; None where the table does not say.
    """
    array, index = child(units.table, "obs_intervals"), child(units.table, "obs_intervals_index")
    if not is_array(array) or array.dtype.kind not in "iuf" or array.ndim != 2 or array.shape[1] != 2:
        return None
    rows: Floats = read(array, f"{units.path}/obs_intervals").astype(np.float64)
    if chosen is not None and is_array(index) and index.dtype.kind in "iu" and index.shape == units.ends.shape:
        ends = read(index, f"{units.path}/obs_intervals_index").astype(np.int64)
        begins = np.concatenate(([0], ends[:-1]))
        parts = [rows[begins[number] : ends[number]] for number in chosen]
        rows = np.concatenate(parts) if parts else rows
    rows = rows[np.isfinite(rows).all(axis=1) & (rows[:, 0] < rows[:, 1])]
    if not len(rows):
        return None
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    until = np.maximum.accumulate(rows[:, 1])
    first = np.concatenate(([True], rows[1:, 0] - until[:-1] > shortest_s))
    starts, stops = rows[first, 0], until[np.append(np.flatnonzero(first)[1:] - 1, len(rows) - 1)]
    long_enough = stops - starts >= shortest_s
    return Intervals(starts[long_enough], stops[long_enough]) if long_enough.any() else Intervals(starts, stops)


def cut_where_unobserved(spikes: SpikeTrains, observed: Intervals) -> SpikeTrains:
    """Give each spike the stretch that it lies in, on the session's clock; -1 outside of all."""
    stretch = []
    for train in spikes.trains:
        found = np.searchsorted(observed.starts_s, train, side="right") - 1
        stretch.append(np.where(train <= observed.stops_s[np.maximum(found, 0)], found, -1).astype(np.int64))
    return replace(spikes, trial_of_spike=stretch)
