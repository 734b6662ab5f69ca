"""A recorded session, all streams of an XDF file, as an NWB file by PyNWB."""

import json
import uuid
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from spikeloop.exporters.bundle import load_bundle
from spikeloop.exporters.card import format_card
from spikeloop.exporters.formats.nwb.closed_loop import add_cursor, add_trials, has_cursor
from spikeloop.exporters.formats.nwb.writer import save_session, session_of
from spikeloop.exporters.formats.xdf.blocks import blocks, clock_offsets
from spikeloop.exporters.formats.xdf.chunks import Stream, Streams, open_streams
from spikeloop.exporters.formats.xdf.header import file_header
from spikeloop.exporters.formats.xdf.streams import OpenFile
from spikeloop.exporters.sessions.counts import CountsOfSession, choose_counts
from spikeloop.exporters.sessions.nwb_events import add_events, trials_of
from spikeloop.exporters.sessions.nwb_series import (
    add_broadband,
    add_series,
    add_stamps_as_sent,
    shown_in,
    times_of,
)
from spikeloop.exporters.sessions.stored import LEFT_OUT, StoredSession, StoredStream, clock_notes, stored_stream
from spikeloop.exporters.stream_names import BROADBAND, CURSOR, STREAM_TYPES
from spikeloop.models.arrays import Floats
from spikeloop.models.errors import SpikeloopError
from spikeloop.models.packages import import_package, require_packages
from spikeloop.models.recordings.provenance import Provenance

__all__ = ["write_recorded_nwb"]


def write_recorded_nwb(spool: Path, out: Path, key: str | None = None) -> StoredSession:
    """Write all streams of an XDF file to an NWB file, whole or not at all.

    The first stream of counts, or else of fluorescence, becomes what `write_nwb` makes of a recording, with spike times
    from NAME-Events where there is such a stream, and with NAME-Condition; counts of other programs are a series in
    `acquisition`, too, with their stamps. NAME-Cursor goes to `processing/behavior`;
    each stream of texts becomes a table of events, and the trials of a closed loop, which its markers report, a table
    of trials; a broadband stream an `ElectricalSeries`, and each other stream a `TimeSeries`, in `acquisition`, with
    its whole description as `comments`. Times are those that pyxdf gives: on the clock of the recorder; but samples
    stamped by another clock than LSL's are where they arrived, and a series beside them has the stamps as sent. Streams
    without samples are left out, and named in the file's notes.

    Parameters
    ----------
    spool : pathlib.Path
        XDF file, of any recorder.
    out : pathlib.Path
        NWB file.
    key : str, optional
        Name of the stream that has the counts, as of `choose_counts`.

    Returns
    -------
    StoredSession
        What became of each stream.

    Raises
    ------
    BadInputError
        If the XDF file can't be read, or has no such stream of counts.
    FailureError
        If the disk refuses, or a package is missing.
    """
    require_packages("pynwb", extra="nwb", what="writing NWB files")
    require_packages("pyxdf", extra="xdf", what="reading XDF files")
    with open_streams(spool) as streams, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyNWB warns about its own dependencies
        opened = OpenFile(spool, streams)
        chosen, notes = choose_counts(opened, key)
        session = _session(opened, chosen)
        texts = [stream for stream in streams.streams if stream.is_text and stream.samples]
        add_trials(session, [trial for stream in texts for trial in trials_of(opened, stream)])
        stored = tuple(_stored(session, opened, stream, chosen) for stream in streams.streams)
        notes = [*notes, *clock_notes(opened), *_left_out(stored)]
        if notes:
            session.notes = "\n".join(notes)
        save_session(session, out)
        return StoredSession(stored, tuple(notes))


def _stored(session: Any, file: OpenFile, stream: Stream, counts: CountsOfSession | None) -> StoredStream:
    """Add a stream, unless the counts hold it; say where it is."""
    places = []
    if counts is not None and stream in (counts.stream, counts.events, counts.condition):
        places.append(_place_beside(counts, stream))
    if stream.samples and not (counts and counts.holds(stream)):
        places.append(_add(session, file, stream))
        add_stamps_as_sent(session, file, stream)
    return stored_stream(file, stream, " and ".join(places) or LEFT_OUT)


def _place_beside(counts: CountsOfSession, stream: Stream) -> str:
    if stream is counts.events:
        return "units"
    if stream is counts.condition:
        return "processing/behavior"
    return "processing/ecephys, units" if counts.recording.signal == "spikes" else "processing/ophys"


def _left_out(stored: Sequence[StoredStream]) -> list[str]:
    empty = [f"{one.name} ({', '.join(filter(None, (one.type, one.origin)))})" for one in stored if not one.samples]
    return [f"left out, as they sent nothing: {', '.join(empty)}"] if empty else []


def _session(file: OpenFile, counts: CountsOfSession | None) -> Any:
    started = _clock_zero(file)
    if counts is None:
        pynwb = import_package("pynwb", "writing NWB files")
        return pynwb.NWBFile(
            session_description="LSL streams; times are of the recorder's clock",
            identifier=str(uuid.uuid4()),
            session_start_time=started,
        )
    recording = counts.recording
    trains = None if recording.spike_times is not None else _trains(file, counts)
    return session_of(recording, started, trains, _card(recording.provenance), with_trials=False)


def _clock_zero(file: OpenFile) -> datetime:
    """Find when the recorder's clock was 0, from what its file says of the beginning."""
    header = file_header(file.streams)
    try:
        then = datetime.fromisoformat(header.findtext("spikeloop/utc") or header.findtext("datetime") or "")
        stated = header.findtext("spikeloop/clock_s")
        first = float(stated) if stated else _first_s(file.streams, file)
        then = then if then.tzinfo else then.replace(tzinfo=UTC)
        return then - timedelta(seconds=first)
    except (ValueError, OverflowError):
        return datetime.fromtimestamp(0, UTC)


def _first_s(streams: Streams, file: OpenFile) -> float:
    """Return the first stamp of all streams, on the recorder's clock, without reading more of them."""
    return min((_first_of(streams, stream, file) for stream in streams.streams if stream.samples), default=0.0)


def _first_of(streams: Streams, stream: Stream, file: OpenFile) -> float:
    if stream.is_text:
        return float(file.samples(stream).stamps_s[0])
    first_s = float(next(stamps for _, stamps in blocks(streams, stream) if len(stamps))[0])
    clocks = file.other_clocks.get(stream.number, ())
    if clocks and clocks[0].first == 0:
        return first_s + clocks[0].offset_s
    offsets = clock_offsets(streams, stream)
    return first_s + float(offsets[0, 1] if len(offsets) else 0.0)


def _trains(file: OpenFile, counts: CountsOfSession) -> Sequence[Floats] | None:
    """Read each unit's spikes from NAME-Events, which may begin and end a little earlier or later than the counts."""
    if counts.events is None:
        return None
    samples = file.samples(counts.events)
    units = np.asarray(samples.values)[:, 0]
    return [np.sort(samples.stamps_s[units == unit]) for unit in range(counts.recording.units)]


def _card(provenance: Provenance | None) -> str:
    """Return the card of the bundle, where it is at hand."""
    if provenance is None:
        return ""
    try:
        bundle = load_bundle(provenance.bundle)
    except (SpikeloopError, OSError, ValueError):
        return ""
    return json.dumps(json.loads(format_card(bundle.card))) if bundle.sha256 == provenance.sha256 else ""


def _add(session: Any, file: OpenFile, stream: Stream) -> str:
    """Add a stream; return its place."""
    if stream.is_text:
        return add_events(session, file, stream)
    if stream.name.endswith(CURSOR) and stream.type == "Cursor" and not has_cursor(session):
        add_cursor(session, shown_in(file, stream), times_of(file, stream))
        return "processing/behavior"
    if stream.type == STREAM_TYPES[BROADBAND]:
        return add_broadband(session, file, stream)
    return add_series(session, file, stream)
