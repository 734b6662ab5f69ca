"""Time series of NWB files: what was recorded beside the spikes."""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.assembly.conditions import in_unit
from spikeloop.exporters.formats.choices import Choices, split_unit
from spikeloop.exporters.formats.found import Series
from spikeloop.exporters.formats.named.series import channel_names
from spikeloop.exporters.formats.nwb.tables import column_values, intervals_of, is_table
from spikeloop.exporters.formats.storage.tree import Node, child, is_array, is_group, read, stated_text, walk
from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.spike_times import LATEST_S

__all__ = [
    "SHOWN",
    "condition_of",
    "converted",
    "is_series",
    "is_transposed",
    "rate_of",
    "resolved",
    "series_below",
    "tables_below",
    "times_within",
]

NO_UNIT = ("n.a.", "n/a", "na", "none", "unknown", "not available", "a.u", "no unit", "unitless", "-", "")
MOST_CHANNELS = 64
LONGEST_UNIT = 64
ALL = slice(None)
SHOWN = 400  # letters of a list in a message


def is_series(node: Node) -> bool:
    """Say whether a node is a time series."""
    if not is_group(node) or not is_array(child(node, "data")):
        return False
    return child(node, "timestamps") is not None or child(node, "starting_time") is not None


def series_below(group: Node) -> list[str]:
    """List the time series below a group, by their paths."""
    return [path for path, node in walk(group) if is_series(node)]


def tables_below(group: Node) -> list[str]:
    """List the tables below a group, by their paths."""
    return [path for path, node in walk(group) if is_table(node)]


def rate_of(series: Node) -> float | None:
    """Return the sampling rate that a series states, Hz."""
    start = child(series, "starting_time")
    rate = None if start is None else start.attrs.get("rate")
    number = float(np.ravel(rate)[0]) if rate is not None and np.size(rate) == 1 and _is_numeric(rate) else 0.0
    return number if np.isfinite(number) and number > 0 else None


def _is_numeric(value: Any) -> bool:
    return np.asarray(value).dtype.kind in "iuf"


def resolved(root: Node, path: str, option: str, paths: list[str] | None = None) -> str:
    """Find the full path of what a user names in short.

    Parameters
    ----------
    root : group
    path : str
        Of a time series, of what holds a single one, or the last parts of such a path.
    option : str
        For messages.
    paths : list of str, default all time series
        What there is.

    Raises
    ------
    BadInputError
        If there is no such thing, or there are several.
    """
    asked = path.strip("/")
    known = series_below(root) if paths is None else paths
    if asked in known:
        return asked
    inside = [found for found in known if found.startswith(f"{asked}/")]
    ending = [found for found in known if f"/{found}".endswith(f"/{asked}")]
    within = [found for found in known if f"/{asked}/" in f"/{found}/"]
    lower = [found for found in known if f"/{asked.lower()}/" in f"/{found.lower()}/"]
    for matches in (inside, ending, within, lower):
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise BadInputError(
                f"{option}: {path} is one of several, {', '.join(matches):.{SHOWN}}; give the whole path"
            )
    there_are = ", ".join(known) or "none"
    raise BadInputError(
        f"{option}: expected the path of a time series, found {path!r:.80}; there are {there_are:.{SHOWN}}"
    )


def condition_of(root: Node, asked: str, path: str, choices: Choices) -> Series:
    """Read what a user wants as a condition.

    Parameters
    ----------
    root : group
    asked : str
        Its name, which may end in a unit: "velocity [cm/s]".
    path : str
        Of a time series, such as "processing/behavior/Velocity", of one of its columns, "Velocity[0]", or of a column
        of a table, "trials:target_x", whose values hold from the row's start to its stop.
    choices : Choices
        Only the stretch of time that it names is read.
    """
    name, unit = split_unit(asked)
    if ":" in path:
        return _held_column(root, name, unit or "", path)
    column = re.fullmatch(r"(.+)\[(\d{1,6})\]", path)
    where = resolved(root, column[1] if column else path, "--condition")
    node = root[where]
    stretch, times = times_within(node, where, choices)
    values = _values(node, where, stretch, column=int(column[2]) if column else None)
    if len(values) != len(times):
        raise BadInputError(f"{where}: expected a time for each of {len(values)} samples, found {len(times)}")
    names = channel_names(name, values.shape[1])
    units = (_unit(node),) * len(names)
    if stated_text(node, "neurodata_type") == "IntervalSeries":  # above 0 from where an interval begins
        return in_unit(_switched(values, times, names, units), unit)
    return in_unit(Series(values, times, names, units), unit)


def _switched(values: Floats, times: Floats, names: tuple[str, ...], units: tuple[str, ...]) -> Series:
    """Make 1 of the time from each beginning (above 0) to the next end, and 0 of all other time."""
    inside = (values > 0).astype(np.float64)
    before = 1 - inside[:1]  # the first event changes it
    starts, stops = np.concatenate(([-LATEST_S], times)), np.concatenate((times, [LATEST_S]))
    return Series(np.concatenate([before, inside]), starts, names, units, stops_s=stops)


def _held_column(root: Node, name: str, unit: str, path: str) -> Series:
    table, _, column = path.rpartition(":")
    where = resolved(root, table, "--condition", tables_below(root))
    rows = intervals_of(root, where)
    values = column_values(root[where], column, where)
    if len(values) != len(rows.starts_s) or values.ndim > 2:
        raise BadInputError(f"{where}: expected a value for each of {len(rows.starts_s)} rows, found {values.shape}")
    values = values.reshape(len(values), -1)
    names = channel_names(name, values.shape[1])
    return Series(values, rows.starts_s, names, (unit,) * len(names), stops_s=rows.stops_s)


def _unit(series: Node) -> str:
    unit = stated_text(series["data"], "unit").strip()
    return "" if unit.lower() in NO_UNIT or not unit.isprintable() else unit[:LONGEST_UNIT]


def times_within(series: Node, where: str, choices: Choices) -> tuple[slice, Floats]:
    """Find the samples inside the chosen stretch of time, and when each was taken."""
    number = _samples(series)
    if (stamps := child(series, "timestamps")) is not None:
        times = _timestamps(stamps, where)
        low = -np.inf if choices.start_s is None else choices.start_s - _margin(times)
        high = np.inf if choices.stop_s is None else choices.stop_s + _margin(times)
        inside = np.flatnonzero((times >= low) & (times <= high))
        all_of_it = choices.start_s is None and choices.stop_s is None
        part = slice(0, number) if all_of_it or not len(inside) else slice(int(inside[0]), int(inside[-1]) + 1)
        return part, times[part]
    rate = rate_of(series)
    start = np.ravel(read(series["starting_time"], where)) if is_array(series["starting_time"]) else np.empty(0)
    if rate is None or start.size != 1 or start.dtype.kind not in "iuf" or not np.isfinite(start[0]):
        raise BadInputError(f"{where}: expected timestamps, or a starting time with a rate above 0 Hz, found neither")
    begin = float(start[0])
    first = 0 if choices.start_s is None else int(np.clip((choices.start_s - begin) * rate - 2, 0, max(0, number - 1)))
    last = number if choices.stop_s is None else int(np.clip((choices.stop_s - begin) * rate + 2, first + 1, number))
    return slice(first, last), begin + np.arange(first, last) / rate


def _timestamps(stamps: Node, where: str) -> Floats:
    if not is_array(stamps) or stamps.ndim != 1 or stamps.dtype.kind not in "iuf":
        raise BadInputError(f"{where}: expected timestamps, numbers in a row, found something else")
    return read(stamps, f"{where}/timestamps").astype(np.float64)


def _margin(times: Floats) -> float:
    return 3 * float(np.median(np.abs(np.diff(times)))) if len(times) > 1 else 0.0


def _samples(series: Node) -> int:
    """Return the number of samples: the first axis, unless only the last one fits the timestamps."""
    shape, stamps = series["data"].shape, child(series, "timestamps")
    if is_transposed(series):
        return stamps.shape[0] if stamps is not None else shape[-1]
    return shape[0] if shape else 0


def is_transposed(series: Node) -> bool:
    """Say whether the channels come first, as in files that are not quite to the standard."""
    shape, stamps = series["data"].shape, child(series, "timestamps")
    if len(shape) != 2 or stamps is None or not is_array(stamps) or stamps.ndim != 1:
        return False
    return shape[0] != stamps.shape[0] == shape[1]


def _values(series: Node, where: str, part: slice, column: int | None = None) -> Floats:
    """Read samples, of shape (samples, channels), in the file's unit."""
    data = series["data"]
    if data.dtype.kind not in "buif" or data.ndim not in (1, 2):
        kind = "text" if data.dtype.kind in "OSUT" else f"values of shape {data.shape} of {data.dtype}"
        raise BadInputError(f"{where}: expected numbers of shape (samples,) or (samples, channels), found {kind}")
    channels = 1 if data.ndim == 1 else data.shape[0] if is_transposed(series) else data.shape[1]
    if column is not None and column >= channels:
        raise BadInputError(f"--condition: {where} has {channels} columns, found column {column}")
    if column is None and not 1 <= channels <= MOST_CHANNELS:
        raise BadInputError(
            f"--condition: expected 1 to {MOST_CHANNELS} channels in {where}, found {channels}; choose one, such as"
            f" {where}[0]"
        )
    chosen = ALL if column is None else slice(column, column + 1)
    if data.ndim == 1:
        values = read(data, where, part)[:, np.newaxis]
    elif is_transposed(series):
        values = read(data, where, (chosen, part)).T
    else:
        values = read(data, where, (part, chosen))
    return converted(values.astype(np.float64), data, series, chosen)


def converted(values: NDArray[Any], data: Node, series: Node, chosen: slice = ALL) -> NDArray[Any]:
    """Apply the conversions and the offset that bring stored numbers, channels last, to the series' unit."""
    conversion, offset = _number(data, "conversion", 1.0), _number(data, "offset", 0.0)
    of_channels = child(series, "channel_conversion")
    if is_array(of_channels) and of_channels.shape and of_channels.dtype.kind in "iuf":
        factors = np.ravel(read(of_channels, "channel_conversion"))[chosen]
        values = values * factors if len(factors) == values.shape[-1] and (factors != 1).any() else values
    if conversion != 1.0:
        values = values * conversion
    return values + offset if offset else values


def _number(node: Node, attribute: str, default: float) -> float:
    value = node.attrs.get(attribute)
    if value is None or np.size(value) != 1 or not _is_numeric(value):
        return default
    number = float(np.ravel(value)[0])
    return number if np.isfinite(number) else default
