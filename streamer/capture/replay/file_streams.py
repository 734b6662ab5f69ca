"""The streams of an XDF file as they are to be replayed: values, and times on one clock, in the order of the file."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from spikeloop.exporters.formats.xdf.chunks import Stream, Streams, open_streams
from spikeloop.exporters.formats.xdf.header import origin_of
from spikeloop.exporters.formats.xdf.other_clocks import OtherClock, find_other_clocks
from spikeloop.exporters.formats.xdf.streams import Loaded, load_stream
from spikeloop.exporters.formats.xdf.whole import path_of
from spikeloop.exporters.stream_names import SUFFIXES
from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError
from spikeloop.models.packages import require_packages
from spikeloop.streamer.capture.replay.common_clock import StampedStream, on_one_clock
from spikeloop.streamer.capture.replay.continuous import TimedStream, continuous

__all__ = ["FileStream", "FileStreams", "read_streams"]

LONGEST_LIST = 12


@dataclass(frozen=True, eq=False)
class FileStream:
    """One stream of a file.

    Attributes
    ----------
    name, type : str
    channels : int
    form : str
        LSL's channel format, such as "float32" or "string".
    rate_hz : float >= 0, Hz
        Nominal; 0 of an irregular stream.
    info : xml.etree.ElementTree.Element
        The header of the file, with `desc`.
    values : array of shape (samples, channels), or list of lists of str
        In the order of the file.
    times_s : array of shape (samples,), float64, s
        Since the first sample of all streams that were chosen.
    clock_s : float, s
        What to add to the time of the first sample for its own stamp, on the sender's clock.
    label : str
        Its name, with its number in the file where others have that name: NAME#2.
    """

    name: str
    type: str
    channels: int
    form: str
    rate_hz: float
    info: ElementTree.Element
    values: Any
    times_s: Floats
    clock_s: float = 0.0
    label: str = ""

    @property
    def origin(self) -> str:
        """The computer that sent it, and its source id, as far as the file says."""
        return origin_of(self.info)


@dataclass(frozen=True, eq=False)
class FileStreams:
    """Streams on one clock, and what was odd about them.

    Attributes
    ----------
    path : pathlib.Path
    streams : tuple of FileStream
    notes : tuple of str
        One sentence each, for the user.
    """

    path: Path
    streams: tuple[FileStream, ...]
    notes: tuple[str, ...] = ()

    @property
    def duration_s(self) -> float:
        """Time of the last sample, s."""
        return max(float(stream.times_s.max()) for stream in self.streams if len(stream.times_s))


def read_streams(path: Path, asked: Sequence[str] = (), source_id: str = "", host: str = "") -> FileStreams:
    """Read streams of an XDF file.

    Stamps are brought to the recorder's clock by the offsets that it measured, those of one computer by the same, and
    not freed from jitter. Samples whose stamps are of another clock than LSL's are where they arrived; see
    `find_other_clocks`. Jumps of clocks and long silences are taken out; see `continuous`.

    Parameters
    ----------
    path : pathlib.Path
    asked : sequence of str
        Names, which stand for the stream of that name and those that spikeloop sends beside it (NAME-Events,
        NAME-Condition and others), as for `record`; types, or patterns with * and ?; NAME#NUMBER of several of one
        name. None of them are all streams.
    source_id, host : str
        Only streams with this source id, or of this computer; empty for any.

    Raises
    ------
    BadInputError
        If the file can't be read, or such streams are not in it, or none of them has samples.
    FailureError
        If pyxdf is not installed.
    """
    require_packages("pyxdf", extra="xdf", what="XDF")
    with open_streams(path) as opened:
        chosen = _from(_chosen(opened, asked, path), opened, path, source_id, host)
        clocks = find_other_clocks(opened)
        loaded = [_load(opened, stream, path, clocks.get(stream.number, ())) for stream in chosen]
    if not any(len(one.stream.times_s) for one in loaded):
        raise BadInputError(f"{path}: expected samples in {_listed(chosen, opened)}, found none; choose other streams")
    damaged = (f"{opened.damaged} chunks are damaged or incomplete: left out",) if opened.damaged else ()
    remarks = (remark for one in loaded for remark in one.remarks)
    streams, notes = _in_one_time(loaded)
    return FileStreams(path, streams, (*damaged, *remarks, *notes))


@dataclass(frozen=True, eq=False)
class _Loaded:
    stream: FileStream  # its times are still those of the recorder's clock
    stamped: StampedStream
    remarks: tuple[str, ...]


def _from(chosen: Sequence[Stream], opened: Streams, path: Path, source_id: str, host: str) -> list[Stream]:
    """Return those of the streams that have this source id and are of this computer."""
    wanted = {"source_id": source_id, "hostname": host}
    found = [
        stream for stream in chosen if all(said in ("", stream.info.findtext(key)) for key, said in wanted.items())
    ]
    if not found:
        there = "; ".join(f"{path_of(stream, opened)} ({origin_of(stream.info)})" for stream in chosen[:LONGEST_LIST])
        raise BadInputError(
            f"{path}: expected a stream with --source-id {source_id!r} and --host {host!r} (empty for any), found"
            f" {there}"
        )
    return found


def _chosen(opened: Streams, asked: Sequence[str], path: Path) -> list[Stream]:
    """Return the streams that were asked for, in the order of the file."""
    chosen: set[int] = set()
    for word in asked:
        names = [{path_of(stream, opened), stream.name} for stream in opened.streams]
        meant = {word, *(f"{word}{suffix}" for suffix in SUFFIXES)}
        found = [i for i, known in enumerate(names) if known & meant]
        found = found or [i for i, known in enumerate(names) if any(fnmatchcase(name, word) for name in known)]
        found = found or [i for i, stream in enumerate(opened.streams) if stream.type.lower() == word.lower()]
        if not found:
            listed = _listed(opened.streams, opened)
            raise BadInputError(f"{path}: expected the names or types of its streams ({listed}), found {word!r:.80}")
        chosen.update(found)
    return [stream for i, stream in enumerate(opened.streams) if not asked or i in chosen]


def _listed(streams: Sequence[Stream], opened: Streams) -> str:
    listed = [f"{path_of(stream, opened)} ({stream.type or 'no type'})" for stream in streams[:LONGEST_LIST]]
    return ", ".join(listed + ["..."] * (len(streams) > LONGEST_LIST))


def _load(opened: Streams, stream: Stream, path: Path, clocks: Sequence[OtherClock]) -> _Loaded:
    loaded = Loaded([], np.empty(0), np.empty(0), (0,))
    if stream.samples:
        loaded = load_stream(opened, stream, path, clocks)
    name, kind, host = (stream.info.findtext(key) or "" for key in ("name", "type", "hostname"))
    values, times_s, label = loaded.values, loaded.times_s, path_of(stream, opened)
    recorded = FileStream(
        name, kind, stream.channels, stream.form, stream.rate_hz, stream.info, values, times_s, label=label
    )
    stamped = StampedStream(host, loaded.own_s, times_s, loaded.resets, bool(loaded.clocks))
    return _Loaded(recorded, stamped, loaded.remarks(label))


def _in_one_time(loaded: Sequence[_Loaded]) -> tuple[tuple[FileStream, ...], list[str]]:
    """Put streams on one clock, from the first sample of all on; and say what was moved."""
    stamped = on_one_clock([one.stamped for one in loaded])
    timed = [
        TimedStream(one.stream.label, one.stream.rate_hz, known.times_s, known.resets)
        for one, known in zip(loaded, stamped, strict=True)
    ]
    times, notes = continuous(timed)
    begin_s = min(float(known.min()) for known in times if len(known))
    streams = tuple(
        replace(one.stream, times_s=time_s - begin_s, clock_s=_clock_s(known, time_s - begin_s))
        for one, known, time_s in zip(loaded, stamped, times, strict=True)
    )
    return streams, notes


def _clock_s(stamped: StampedStream, times_s: Floats) -> float:
    return float(stamped.own_s[0] - times_s[0]) if len(times_s) else 0.0
