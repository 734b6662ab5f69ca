"""Which column of a table is what: units, the time, the trial, conditions; or a spike a row."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.choices import Choices, split_unit
from spikeloop.exporters.formats.found import Binned, Found, Item, Series
from spikeloop.exporters.formats.named.lazy_arrays import LazyArrays
from spikeloop.exporters.formats.named.series import channel_names
from spikeloop.exporters.formats.named.spike_times import UNIT_KEYS, spike_trains
from spikeloop.exporters.formats.tables.rows import Rows, rows_of
from spikeloop.exporters.formats.tables.times import INDEXES, key_with_unit, seconds_of
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.repeats import pad_repeats

__all__ = ["find_in_table", "items_of_table"]

TIMES = ("time", "times", "t", "timestamp", "timestamps", "time_s", "time_ms", "time_us", "spike_time", "spike_times")
TIMES_MORE = ("bin_start", "spiketimes", "spike_time_s", "spike_time_ms", "seconds", "sec", "time_bin", "sample")
TRIALS = ("trial", "trials", "trial_id", "trial_ids", "trial_number", "trial_num", "trial_no", "repeat", "segment")
UNIT = re.compile(
    r"(unit|neuron|cell|channel|chan|ch|electrode|elec|spikes?|spk|cluster|clu|roi|sig|nrn|u|n)[ _.\-#]*\d.*"
    r"|(unit|neuron|cell)[ _.\-#]\w{1,2}",
    re.I,
)
MOST_LISTED = 400  # letters of a list of columns, in a message


def items_of_table(frame: Any, rows: int | None) -> tuple[Item, ...]:
    """List columns, and what each could be."""
    units = set(_unit_columns(frame, None))
    time, trial = _first_of(frame, (*TIMES, *TIMES_MORE)), _first_of(frame, TRIALS)
    spikes_in_rows = time is not None and _first_of(frame, UNIT_KEYS) is not None
    shape = () if rows is None else (rows,)

    def what(name: str) -> str:
        if name == time:
            return "spike times" if spikes_in_rows else "time"
        if name == trial:
            return "trials"
        if name in units and not spikes_in_rows:
            return "counts"
        return "series" if frame[name].dtype.kind in "biuf" else "text"

    return tuple(Item(str(name), what(name), shape, str(frame[name].dtype)) for name in frame.columns)


def find_in_table(frame: Any, choices: Choices, path: Path) -> Found:
    """Find units, times, trials and conditions among the columns of a table.

    A table with a column of times and one of units, such as `time` and `unit`, has a spike in each row. Any other has
    a bin in each row and a column for each unit: those that `choices.key` names ("unit_*", or names with commas), or
    that are called like units, or that hold whole numbers.

    Parameters
    ----------
    frame : pandas.DataFrame
    choices : Choices
        `key`, `unit_key`, `trial_key`, `time_unit`, `bin_size_s`, `conditions`.
    path : Path
        For names and messages.

    Raises
    ------
    BadInputError
        If there are no such columns, or the rows are not evenly spaced in time.
    """
    frame = _without_row_numbers(frame)
    if not len(frame) or not len(frame.columns):
        raise BadInputError(
            f"{path}: expected a table with rows, found {len(frame)} rows of {len(frame.columns)} columns"
        )
    long = _spikes_in_rows(frame, choices)
    if long is not None:
        return _long(frame, *long, choices, path)
    return _wide(frame, choices, path)


def _without_row_numbers(frame: Any) -> Any:
    """Leave out the row numbers that pandas writes unless it is asked not to."""
    for name in frame.columns[:1]:
        numbers = frame[name].to_numpy()
        nameless = str(name).startswith("Unnamed") or str(name) in ("", "index")
        if nameless and numbers.dtype.kind in "iu" and np.array_equal(numbers, np.arange(len(numbers))):
            frame = frame.drop(columns=[name])
    return frame.set_axis([str(name).strip() for name in frame.columns], axis=1)


def _first_of(frame: Any, names: Sequence[str]) -> str | None:
    lower = {re.split(r"\s*[\[(]", str(name).lower())[0].strip(): name for name in reversed(list(frame.columns))}
    return next((lower[name] for name in names if name in lower), None)


def _spikes_in_rows(frame: Any, choices: Choices) -> tuple[str, str] | None:
    """Return the columns of the times and of the units, where each row is a spike."""
    time, unit = _first_of(frame, (*TIMES, *TIMES_MORE)), _first_of(frame, UNIT_KEYS)
    if choices.unit_key is not None:
        key = choices.key or time
        return (_existing(frame, "--key", key or ""), _existing(frame, "--unit-key", choices.unit_key))
    if time is not None and unit is not None and choices.key in (None, time):
        return time, unit
    if list(frame.columns) == ["column 0", "column 1"] and choices.key is None:  # no names, but times and whole numbers
        times, units = (frame[name].to_numpy() for name in frame.columns)
        if times.dtype.kind == "f" and units.dtype.kind in "iu" and np.any(times % 1):
            return "column 0", "column 1"
    return None


def _long(frame: Any, time: str, unit: str, choices: Choices, path: Path) -> Found:
    kept = _without_missing_ids(frame, unit).dropna(subset=[time, unit])
    arrays = {str(name): _plain(kept[name]) for name in kept.columns}
    arrays[key := key_with_unit(time)] = arrays[time]
    trial = choices.trial_key or _first_of(kept, TRIALS)
    asked = Choices(
        unit_key=unit,
        trial_key=None if trial is None else _existing(kept, "--trial-key", trial),
        time_unit=choices.time_unit,
    )
    spikes, names, history = spike_trains(LazyArrays.of(arrays), key, asked, path)
    if len(kept) < len(frame):
        history.append(f"left out {len(frame) - len(kept)} rows without a time or unit")
    if choices.conditions:
        raise BadInputError(
            f"--condition: {path.name} has a spike in each row, so that it has no conditions of its bins; leave it out"
        )
    return Found(spikes, names, name=_stem(path), origin=path.name, history=tuple(history))


def _without_missing_ids(frame: Any, unit: str) -> Any:
    """Take "NA" among numbers of units for a missing one, as R writes it; among names it is a name."""
    import pandas

    if getattr(frame[unit].dtype, "kind", "O") in "biuf":
        return frame
    missing = frame[unit].isin(["NA", "NaN", "nan"])
    numbers: Any = pandas.to_numeric(frame[unit].where(~missing), errors="coerce")
    return frame.assign(**{unit: numbers}) if numbers[~missing & frame[unit].notna()].notna().all() else frame


def _plain(column: Any) -> NDArray[Any]:
    """Return a column as numbers, NaN where there are none, or as text."""
    if column.dtype.kind in "biuf" and isinstance(column.dtype, np.dtype):
        return column.to_numpy()
    if column.dtype.kind in "biuf":
        whole = column.dtype.kind in "iub" and not column.isna().any()
        return column.to_numpy("int64" if whole else "float64", **({} if whole else {"na_value": np.nan}))
    return np.array([str(value) for value in column.tolist()])


def _wide(frame: Any, choices: Choices, path: Path) -> Found:
    time, trial = _first_of(frame, (*TIMES, *TIMES_MORE)), choices.trial_key or _first_of(frame, TRIALS)
    trial = None if trial is None else _existing(frame, "--trial-key", trial)
    asked = {name: _columns(frame, "--condition", keys) for name, keys in choices.conditions.items()}
    taken = {time, trial, *(name for names in asked.values() for name in names)}
    units = _unit_columns(frame, choices.key, taken)
    if not units:
        raise BadInputError(
            f"{path}: expected columns of counts, one for each unit, such as unit_1, or columns time and unit; found"
            f" {', '.join(map(str, frame.columns)):.{MOST_LISTED}}; name yours with --key, e.g. --key 'neuron*'"
        )
    counts = np.column_stack([_numeric(frame, name, "counts", path) for name in units])
    seconds, done = (
        (None, []) if time is None else seconds_of(_numeric(frame, time, "times", path), time, choices, path)
    )
    rows = rows_of(seconds, None if trial is None else _plain(frame[trial]), choices.bin_size_s, len(frame), path)
    history = [*rows.history, *done]
    if choices.key is None:
        left = [
            name for name in _unit_columns(frame, "*") if name not in {*taken, *units} and _holds_counts(frame[name])
        ]
        history.insert(0, f"took {len(units)} columns for units: {_listed(units)}")
        history += [f"left out columns of whole numbers, not called units: {_listed(left)}"] if left else []
    series = tuple(_series(frame, name, names, rows, path) for name, names in asked.items())
    spikes = Binned(rows.summed(counts), rows.bin_size_s, rows.starts_s)
    return Found(spikes, tuple(units), None, None, series, _stem(path), path.name, tuple(history))


def _stem(path: Path) -> str:
    return path.name.removesuffix("".join(path.suffixes[-2:])) if path.suffix.lower() == ".gz" else path.stem


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 4 else f"{names[0]}, {names[1]}, ..., {names[-1]}"


def _unit_columns(frame: Any, key: str | None, taken: Any = ()) -> list[str]:
    """Choose the columns of units: those asked for, those that are called so, or those of whole numbers."""
    if key is not None:
        return _columns(frame, "--key", key)
    others = {*taken, _first_of(frame, (*TIMES, *TIMES_MORE)), _first_of(frame, TRIALS)}
    names = [name for name in frame.columns if name not in others and str(name).lower() not in INDEXES]
    whole = [name for name in names if _holds_counts(frame[name])]
    called = [name for name in names if UNIT.fullmatch(str(name)) and _numbers_in(frame[name]) is not None]
    return called or whole


def _holds_counts(column: Any) -> bool:
    numbers = _numbers_in(column)
    return bool(numbers is not None and len(numbers) and numbers.min() >= 0 and not np.any(numbers % 1))


def _numbers_in(column: Any) -> NDArray[np.float64] | None:
    """Return the numbers of a column of which at least half of what is there are numbers; None of others."""
    import pandas

    if getattr(column, "ndim", 1) != 1:
        return None
    there = column.dropna()
    if getattr(column.dtype, "kind", "O") in "biuf":
        return there.to_numpy(np.float64)
    try:
        read: Any = pandas.to_numeric(there, errors="coerce")
        numbers = read.dropna().to_numpy(np.float64)
    except (TypeError, ValueError):  # lists, or times of day
        return None
    return numbers if len(numbers) and len(numbers) * 2 >= len(there) else None


def _existing(frame: Any, option: str, name: str) -> str:
    if name in frame.columns:
        return name
    likely = get_close_matches(name, [str(column) for column in frame.columns], n=3, cutoff=0.5)
    there_are = ", ".join(likely or [str(column) for column in frame.columns[:8]])
    raise BadInputError(
        f"{option}: expected one of {len(frame.columns)} columns (such as {there_are:.{MOST_LISTED}}), found"
        f" {name!r:.60}"
    )


def _columns(frame: Any, option: str, text: str) -> list[str]:
    """Return the columns of names with commas and of patterns, such as "hand_vel_*"."""
    if text in frame.columns:
        return [text]
    chosen: list[str] = []
    for part in (part.strip() for part in text.split(",")):
        matching = [name for name in frame.columns if fnmatchcase(str(name), part)]
        chosen += matching or [_existing(frame, option, part)]
    return list(dict.fromkeys(chosen))


def _numeric(frame: Any, name: str, what: str, path: Path) -> NDArray[Any]:
    column = frame[name]
    if getattr(column, "ndim", 1) != 1:
        raise BadInputError(f"{path}: expected one column {name}, found {column.shape[1]} of that name")
    values = _plain(column)
    if values.dtype.kind not in "biuf":
        texts = [text if there else "nan" for text, there in zip(values.tolist(), column.notna(), strict=True)]
        row = next((row for row, text in enumerate(texts) if not _reads_as_number(text)), None)
        if row is None:
            return np.array(texts, np.float64)
        raise BadInputError(
            f"{path}: expected {what} in column {name}, found text such as {texts[row]!r:.60} in row {row} (from 0,"
            " below the names); leave the row out, or choose other columns with --key"
        )
    return values


def _reads_as_number(text: str) -> bool:
    try:
        return float(text) is not None
    except ValueError:
        return False


def _series(frame: Any, asked: str, names: Sequence[str], rows: Rows, path: Path) -> Series:
    values = np.column_stack([_numeric(frame, name, "numbers", path) for name in names]).astype(np.float64)
    name, unit = split_unit(asked)
    return Series(
        pad_repeats(rows.averaged(values), np.nan), None, channel_names(name, len(names)), (unit or "",) * len(names)
    )
