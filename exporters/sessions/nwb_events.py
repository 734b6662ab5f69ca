"""Streams of texts of a recorded session: tables of events, and the trials of a closed loop."""

import json
import re
from collections.abc import Collection, Sequence
from itertools import count
from typing import Any

import numpy as np

from spikeloop.exporters.formats.nwb.closed_loop import TrialRow
from spikeloop.exporters.formats.xdf.chunks import Stream
from spikeloop.exporters.formats.xdf.streams import OpenFile
from spikeloop.exporters.sessions.nwb_series import described, safe_name
from spikeloop.models.packages import import_package

__all__ = ["add_events", "trials_of"]

BEGINS = "target"  # the event with which a trial of a closed loop begins
OF_ROWS = ("data", "enforce_unique_id", "check_ragged")  # which PyNWB takes for its own where a row is added
CROSSES = ("enter", "leave")
LOST = "lost"
ENDS = ("success", "timeout", "wrong", LOST)


def add_events(session: Any, file: OpenFile, stream: Stream) -> str:
    """Add a table of events of a stream of texts; return its place.

    It has the texts, and of JSON objects what "event" says.
    """
    samples = file.samples(stream)
    labels = [label or f"channel {i}" for i, label in enumerate(stream.of_channels("label"))]
    columns = [(label, [row[i] for row in samples.values]) for i, label in enumerate(labels)]
    documents = [_document(row[0]) for row in samples.values]
    if any("event" in document for document in documents):
        columns = [("event", [str(document.get("event", "")) for document in documents]), *columns]
    return _add_table(session, file, stream, samples.stamps_s.tolist(), columns)


def _add_table(
    session: Any,
    file: OpenFile,
    stream: Stream,
    stamps_s: Sequence[float],
    columns: Sequence[tuple[str, list[str]]],
) -> str:
    pynwb = import_package("pynwb", "writing NWB files")
    name, description = safe_name(session, stream.name), described(file, stream)
    if not hasattr(session, "add_events_table"):  # PyNWB before 4
        texts = [" ".join(row) for row in zip(*(texts for _, texts in columns), strict=True)]
        session.add_acquisition(
            pynwb.misc.AnnotationSeries(name=name, description=description, data=texts, timestamps=list(stamps_s))
        )
        return f"acquisition/{name}"
    table = pynwb.event.EventsTable(name=name, description=description)
    named: dict[str, list[str]] = {}
    for label, texts in columns:
        column = _column_name(table, label, named)
        named[column] = texts
        table.add_column(name=column, description=f"What {label} says.")
    for place, stamp_s in enumerate(stamps_s):
        table.add_row(timestamp=stamp_s, **{column: texts[place] for column, texts in named.items()})
    session.add_events_table(table)
    return f"events/{name}"


def _column_name(table: Any, label: str, taken: Collection[str]) -> str:
    """Return a name for a column, as near to its label as a table can hold, that no other column has."""
    name = re.sub(r"[/:\\]", "_", label).strip(". ") or "channel"
    if name in OF_ROWS or hasattr(table, name):
        name = f"channel {name}"
    return name if name not in taken else next(other for i in count(2) if (other := f"{name} {i}") not in taken)


def trials_of(file: OpenFile, stream: Stream) -> list[TrialRow]:
    """Read the trials of a closed loop from its markers; those whose beginning or end is not there are left out."""
    samples, begun, found = file.samples(stream), {}, []
    for row, stamp_s in zip(samples.values, samples.stamps_s.tolist(), strict=True):
        document = _document(row[0])
        event, number = document.get("event"), document.get("trial")
        if not isinstance(number, int):
            continue
        key = (str(document.get("block", "")), number)
        if event == BEGINS or (event == LOST and key not in begun and document.get("target") is None):
            begun[key] = [(BEGINS, stamp_s)]
        if event in CROSSES and key in begun:
            begun[key].append((event, stamp_s))
        elif event in ENDS and key in begun:
            found.append(_trial(begun.pop(key), stamp_s, key, event, _target(document)))
    return found


def _trial(
    events: list[tuple[str, float]],
    stop_s: float,
    key: tuple[str, int],
    outcome: str,
    target: tuple[float, float, float],
) -> TrialRow:
    """Put a trial together; a target that the cursor leaves before it enters had appeared under it."""
    start_s, entered = events[0][1], [stamp_s for event, stamp_s in events if event == "enter"]
    acquired_s = (entered[-1] if entered else start_s) if outcome == "success" else np.nan
    touched_s = start_s if events[1:2] and events[1][0] == "leave" else entered[0] if entered else acquired_s
    return TrialRow(start_s, stop_s, key[0], key[1], outcome, *target, touched_s, acquired_s)


def _target(document: dict[str, Any]) -> tuple[float, float, float]:
    target = document.get("target")
    stated = target if isinstance(target, dict) else {}
    x, y, width = (stated.get(key) for key in ("x_cm", "y_cm", "width_cm"))
    return tuple(float(v) if isinstance(v, int | float) else np.nan for v in (x, y, width))  # type: ignore[return-value]


def _document(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
