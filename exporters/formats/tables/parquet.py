"""Parquet tables: those that spikeloop writes, with everything else of a recording in the schema, and any other."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from spikeloop.exporters.formats.choices import Choices
from spikeloop.exporters.formats.found import Binned, Found, Series
from spikeloop.exporters.formats.storage.existing_file import require_file
from spikeloop.models.errors import BadInputError, in_one_line
from spikeloop.models.memory import require_memory
from spikeloop.models.recordings.provenance import parse_provenance
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.timed_spikes import UNFIT, SpikeTimes
from spikeloop.models.whole_file import whole_file

__all__ = ["read", "read_first", "write"]

KEY = b"spikeloop"  # of what the schema holds beside pandas' own entry
SAME_TIME = 1e-6  # of a bin, by which rounding may move a time
TABLE = "the table"  # the part that its memory is counted as
COPIES = 3  # of a table: as it is read, as columns, and in the order of a recording
WIDTHS = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 12, "FLOAT": 4, "DOUBLE": 8}  # bytes of a value
OF_A_TEXT = 8  # bytes of a value of any other type, at least
BATCH_ROWS = 2**16
FIRST = ("repeat", "time")  # columns before those of the units
OWN_TIMES = ("spike_times_s", "spike_units")  # columns of lists, after all others
LISTS = "columns_of_lists"  # what the entry of the schema calls the number of these


def write(recording: Recording, path: Path) -> None:
    """Write a table with a row for each bin: its repeat and beginning, s; then units, then conditions.

    Where the spikes' own times are known, two more columns hold lists: of the times, s, and of the units. The schema's
    entry `spikeloop` holds, as JSON, what `Recording.to_dict` gives. Names that are taken get a number.
    """
    import pyarrow
    import pyarrow.parquet

    recorded = recording.recorded
    repeat, bin_ = np.nonzero(recorded)
    starts = np.zeros(recording.repeats) if recording.starts_s is None else np.array(recording.starts_s)
    columns = [repeat, starts[repeat] + bin_ * recording.bin_size_s]
    columns += list(recording.counts[recorded].T) + list(recording.conditions[recorded].T)
    wanted = [*FIRST, *recording.unit_names, *(channel.name for channel in recording.channels)]
    arrays = [pyarrow.array(np.ascontiguousarray(column)) for column in columns]
    own = _own_times(recording)
    arrays += own
    wanted += OWN_TIMES if own else ()
    names: list[str] = []
    taken: set[str] = set()
    for name in wanted:
        free = next(text for number in range(1, len(wanted) + 2) if (text := _numbered(name, number)) not in taken)
        names.append(free)
        taken.add(free)
    stated = recording.to_dict() | ({LISTS: len(own)} if own else {})
    table = pyarrow.table(arrays, names=names).replace_schema_metadata({KEY: json.dumps(stated).encode()})
    with whole_file(path) as whole:
        pyarrow.parquet.write_table(table, whole)


def _own_times(recording: Recording) -> list[Any]:
    """Return lists of the times and of the units of each bin's spikes; nothing where they are not known."""
    import pyarrow

    times = recording.spike_times
    if times is None or recording.starts_s is None:
        return []
    spikes = recording.counts[recording.recorded].sum(axis=1, dtype=np.int64)
    edges = pyarrow.array(np.concatenate([[0], np.cumsum(spikes)]))
    return [pyarrow.LargeListArray.from_arrays(edges, pyarrow.array(values)) for values in (times.times_s, times.units)]


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name} ({number})"


def read_first(path: Path, rows: int) -> tuple[Any, int]:
    """Read the first rows as a `pandas.DataFrame`, and how many rows there are."""
    import pyarrow

    file = _opened(path)
    try:
        batch = next(file.iter_batches(batch_size=rows), None)
        table = file.schema_arrow.empty_table() if batch is None else pyarrow.Table.from_batches([batch])
        return _as_frame(table), file.metadata.num_rows
    except Exception as error:  # pyarrow raises several on damaged files
        raise _unreadable(path, error) from error


def read(path: Path, choices: Choices) -> tuple[Any, Found]:
    """Read a table: as a `pandas.DataFrame`, or None where it is a recording that spikeloop wrote, which is found."""
    file = _opened(path)
    try:
        require_memory(TABLE, _memory_of(file))
        table = _read_batches(file)
        stated = (table.schema.metadata or {}).get(KEY)
        if stated is None or choices.key is not None or choices.unit_key is not None or choices.conditions:
            return _as_frame(table), Found(Binned([]))
        return None, _found(table, json.loads(stated))
    except BadInputError:
        raise
    except Exception as error:  # pyarrow raises several on damaged files
        raise _unreadable(path, error) from error


def _memory_of(file: Any) -> int:
    """Return the bytes that a table takes, with what is made of it; of texts, which may be packed, at least so many."""
    chunks = [file.metadata.row_group(group) for group in range(file.metadata.num_row_groups)]
    columns = [group.column(number) for group in chunks for number in range(group.num_columns)]
    return COPIES * sum(column.num_values * WIDTHS.get(column.physical_type, OF_A_TEXT) for column in columns)


def _read_batches(file: Any) -> Any:
    """Read a table batch by batch, as long as there is memory for more."""
    import pyarrow

    batches, size = [], 0
    for batch in file.iter_batches(BATCH_ROWS):
        size += batch.nbytes
        require_memory(TABLE, COPIES * size)
        batches.append(batch)
    return pyarrow.Table.from_batches(batches, file.schema_arrow)


def _opened(path: Path) -> Any:
    import pyarrow.parquet

    require_file(path)
    try:
        return pyarrow.parquet.ParquetFile(path)
    except Exception as error:  # pyarrow raises several on damaged files
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> BadInputError:
    return BadInputError(f"{path}: not a readable Parquet table ({in_one_line(error)}); is it complete?")


def _as_frame(table: Any) -> Any:
    stated = json.loads((table.schema.metadata or {}).get(KEY, b"{}"))
    table = table.select(range(table.num_columns - int(stated.get(LISTS, 0))))
    frame = table.to_pandas()
    named = [name for name in frame.index.names if name is not None]
    return frame.reset_index() if named else frame.reset_index(drop=True)


def _found(table: Any, stated: Any) -> Found:
    """Read what spikeloop wrote; a ValueError, TypeError or KeyError where the schema says something else."""
    names, channels = [str(name) for name in stated["unit_names"]], list(stated["conditions"])
    lists = int(stated.get(LISTS, 0))
    if table.num_columns != len(FIRST) + len(names) + len(channels) + lists:
        raise ValueError(f"{table.num_columns} columns for {len(names)} units and {len(channels)} conditions")
    columns = [column.to_numpy() for column in table.columns[: table.num_columns - lists]]
    own = None
    if lists == len(OWN_TIMES):
        times, units = (column.combine_chunks().flatten().to_numpy() for column in table.columns[-lists:])
        fit = times.shape == units.shape
        own = SpikeTimes(units.astype(np.int32), times.astype(np.float64)) if fit else UNFIT
    repeat = columns[0]
    cuts = np.flatnonzero(np.diff(repeat)) + 1
    starts = stated["starts_s"]
    trials = np.split(np.column_stack(columns[2 : 2 + len(names)]), cuts)
    series = ()
    if channels:
        parts = np.split(np.column_stack(columns[2 + len(names) :]), cuts)
        full = np.full((len(parts), max(map(len, parts)), len(channels)), np.nan, np.float32)
        for row, part in zip(full, parts, strict=True):
            row[: len(part)] = part
        labels, kinds = (tuple(str(channel[entry]) for channel in channels) for entry in ("name", "unit"))
        series = (Series(full, None, labels, kinds, tuple(channels)),)
    return Found(
        Binned(
            trials,
            float(stated["bin_size_s"]),
            None if starts is None or len(starts) != len(trials) else np.array(starts, np.float64),
            "fluorescence" if stated["signal"] == "fluorescence" else "spikes",
            own,
        ),
        tuple(names),
        series=series,
        name=str(stated["name"]),
        origin=str(stated["origin"]),
        history=tuple(map(str, stated["history"])),
        provenance=parse_provenance(stated.get("provenance") or {}),
        contradictions=_contradictions(columns[0], columns[1], cuts, stated),
    )


def _contradictions(repeat: Any, times_s: Any, cuts: Any, stated: Any) -> tuple[str, ...]:
    """Say where the first two columns say something else than the schema."""
    bins = np.diff([0, *cuts, len(repeat)])
    starts = np.zeros(len(bins)) if stated["starts_s"] is None else np.array(stated["starts_s"], np.float64)
    said = []
    if not np.array_equal(repeat, np.repeat(np.arange(len(bins)), bins)):
        said.append("the column of repeats does not count them from 0")
    size_s = float(stated["bin_size_s"])
    due_s = [begin + np.arange(number) * size_s for begin, number in zip(starts, bins, strict=False)]
    off_s = np.abs(times_s - np.concatenate(due_s)).max() if len(starts) == len(bins) else np.inf
    if not off_s <= SAME_TIME * size_s:
        said.append(f"the column of times is not that of its bins: they are up to {off_s:g} s off")
    return tuple(said)
