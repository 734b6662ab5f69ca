"""Tables: CSV and its kin, and Parquet. A column a unit, or a spike a row."""

import codecs
import gzip
from itertools import islice
from pathlib import Path
from typing import Any

from spikeloop.exporters.formats.choices import Choices
from spikeloop.exporters.formats.found import Found, Item
from spikeloop.exporters.formats.named.spike_times import UNIT_KEYS
from spikeloop.exporters.formats.storage.existing_file import require_file
from spikeloop.exporters.formats.tables import parquet as tables_parquet
from spikeloop.exporters.formats.tables.columns import find_in_table, items_of_table
from spikeloop.models.errors import BadInputError, in_one_line
from spikeloop.models.memory import memory_left, require_memory
from spikeloop.models.recordings.recording import Recording

__all__ = ["find", "items", "write"]

PARQUET = (".parquet", ".pq")
SEPARATORS = (",", "\t", ";", "|")
FIRST_LINES = 20
FIRST_BYTES = 2**18
PREVIEW_ROWS = 2000
OF_A_ROW = 8  # bytes, of its number
MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
MISSING = ("", "#N/A", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null", "-nan", "-NaN", "<NA>")


def items(path: Path) -> tuple[Item, ...]:
    """List the columns of a table, and what each could be, from its first rows."""
    if path.suffix.lower() in PARQUET:
        frame, rows = tables_parquet.read_first(path, PREVIEW_ROWS)
        return items_of_table(frame, rows)
    return items_of_table(_read_text(path, PREVIEW_ROWS, None), None)


def find(path: Path, choices: Choices) -> Found:
    """Read a recording from a table; see `table_columns`."""
    if path.suffix.lower() in PARQUET:
        frame, found = tables_parquet.read(path, choices)
        return found if frame is None else find_in_table(frame, choices, path)
    return find_in_table(_read_text(path, None, choices.unit_key), choices, path)


def write(recording: Recording, path: Path) -> None:
    """Write a recording to a Parquet table, a row a bin; see `tables_parquet`."""
    tables_parquet.write(recording, path)


def _read_text(path: Path, rows: int | None, unit_key: str | None) -> Any:
    """Read a table of text, whatever separates its columns."""
    require_file(path)
    try:
        encoding, head = _first_lines(path)
        options: dict[str, Any] = {
            **_layout(head),
            "nrows": rows,
            "low_memory": False,
            "compression": "gzip" if path.suffix.lower() == ".gz" else None,
        }
        if rows is None:
            require_memory(tables_parquet.TABLE, _memory_of(path, options, encoding))
        try:
            frame = _frame(path, options, encoding, unit_key)
        except UnicodeDecodeError:  # further down than the first lines
            frame = _frame(path, options, "latin-1", unit_key)
    except BadInputError:
        raise
    except Exception as error:  # pandas, gzip and the disk each raise their own on damaged files
        raise BadInputError(f"{path}: not a readable table ({in_one_line(error)}); is it complete?") from error
    if options["header"] is None:
        frame.columns = [f"column {number}" for number in range(frame.shape[1])]
    return frame


def _memory_of(path: Path, options: dict[str, Any], encoding: str) -> float:
    """Return the bytes that a table takes, by what its first rows take of memory and of the text."""
    import pandas

    first: dict[str, Any] = {**options, "nrows": PREVIEW_ROWS, "encoding": encoding, "encoding_errors": "replace"}
    sample = pandas.read_csv(path, **first)
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    with opened(path, "rb") as file:
        of_sample = sum(map(len, islice(file, len(sample) + 1)))
    taken = float(sample.memory_usage(deep=True).sum()) + OF_A_ROW * len(sample)
    per_byte = tables_parquet.COPIES * max(1.0, taken / max(1, of_sample))
    return per_byte * _text_size(path, memory_left() / per_byte)


def _text_size(path: Path, enough: float) -> int:
    """Return the bytes of a text; those of a compressed one are counted, as long as they are not more than enough."""
    if path.suffix.lower() != ".gz":
        return path.stat().st_size
    size = 0
    with gzip.open(path) as file:
        while size <= enough and (part := file.read(FIRST_BYTES)):
            size += len(part)
    return size


def _frame(path: Path, options: dict[str, Any], encoding: str, unit_key: str | None) -> Any:
    """Read a table; a unit may be called "NA", which is no missing one."""
    import pandas

    errors = "replace" if encoding == "utf-16" else "strict"
    options = {**options, "encoding": encoding, "encoding_errors": errors}
    first: dict[str, Any] = {**options, "nrows": 0}
    names = pandas.read_csv(path, **first).columns if options["header"] == 0 else []
    units = {name for name in names if str(name).strip().lower() in UNIT_KEYS or name == unit_key}
    if not units:
        return pandas.read_csv(path, **options)
    missing = {name: [""] if name in units else list(MISSING) for name in names}
    return pandas.read_csv(path, **options, keep_default_na=False, na_values=missing)


def _first_lines(path: Path) -> tuple[str, list[str]]:
    """Read the first lines, and how letters are written: by the mark at the beginning, as UTF-8, or as Latin-1."""
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    with opened(path, "rb") as file:
        start = file.read(FIRST_BYTES)
    encoding = next((name for mark, name in MARKS if start.startswith(mark)), "utf-8")
    if b"\0" in start and encoding != "utf-16":
        raise ValueError("bytes that are no text")
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(start)
    except UnicodeDecodeError:
        encoding = encoding if encoding == "utf-16" else "latin-1"
        text = start.decode(encoding, "replace")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith(("#", "%"))]
    if not lines:
        raise ValueError("no line of text")
    return encoding, lines[:FIRST_LINES]


def _layout(lines: list[str]) -> dict[str, Any]:
    """Find what separates columns, whether the first line names them, and the decimal sign."""
    whole = lines[:-1] or lines  # the last of them may be cut off
    counts = {separator: [line.count(separator) for line in whole] for separator in SEPARATORS}
    even = [separator for separator, found in counts.items() if min(found) > 0 and len(set(found)) == 1]
    some = even or [separator for separator, found in counts.items() if min(found) > 0]
    separator = max(some, key=lambda text: counts[text][0], default=None)
    decimal = "." if separator == "," or "," not in "".join(whole[1:]) or separator is None else ","
    first = whole[0].split(separator) if separator else whole[0].split()
    header = None if all(map(_is_number, first)) else 0
    return {"sep": separator or r"\s+", "decimal": decimal, "header": header, "comment": "#"}


def _is_number(text: str) -> bool:
    try:
        float(text.strip().strip('"').replace(",", "."))
    except ValueError:
        return not text.strip()
    return True
