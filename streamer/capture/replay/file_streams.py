"""The streams of an XDF file as they are to be replayed: values, and times on one clock, in the order of the file."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from spikeloop.exporters.formats.xdf.chunks import Stream, Streams, open_streams
from spikeloop.exporters.formats.xdf.streams import Loaded, load_stream, passed_over_words
from spikeloop.exporters.formats.xdf.whole import path_of
from spikeloop.exporters.stream_names import SUFFIXES
from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError
from spikeloop.models.packages import require_packages
from spikeloop.streamer.capture.replay.common_clock import StampedStream, on_one_clock

__all__ = ["FileStream", "FileStreams", "read_streams"]

LONGEST_GAP_S = 3600.0  # a stamp further on than that, where no other stream goes on, is of a clock that was set anew
FURTHEST_BACK_S = 10.0  # a stamp further back than that, too
AFTER_IRREGULAR_S = 1.0  # from the last sample before a reset to the first after it, of a stream without a rate
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


def read_streams(path: Path, asked: Sequence[str] = ()) -> FileStreams:
    """Read streams of an XDF file.

    Stamps are brought to the recorder's clock by the offsets that it measured, those of one computer by the same, and
    not freed from jitter. Where a
    sender's clock was set anew and the file does not say by how much, what follows is moved to follow what came before.

    Parameters
    ----------
    path : pathlib.Path
    asked : sequence of str
        Names, which stand for the stream of that name and those that spikeloop sends beside it (NAME-Events,
        NAME-Condition and others), as for `record`; types, or patterns with * and ?; NAME#NUMBER of several of one
        name. None of them are all streams.

    Raises
    ------
    BadInputError
        If the file can't be read, or such streams are not in it, or none of them has samples.
    FailureError
        If pyxdf is not installed.
    """
    require_packages("pyxdf", extra="xdf", what="XDF")
    with open_streams(path) as opened:
        chosen = _chosen(opened, asked, path)
        loaded = _on_one_clock([_load(opened, stream, path) for stream in chosen])
    if not any(len(one.stream.times_s) for one in loaded):
        raise BadInputError(f"{path}: expected samples in {_listed(chosen, opened)}, found none; choose other streams")
    damaged = (f"{opened.damaged} chunks are damaged or incomplete: left out",) if opened.damaged else ()
    joined, notes = _joined(loaded)
    begin = min(float(stream.times_s.min()) for stream in joined if len(stream.times_s))
    streams = tuple(
        replace(stream, times_s=stream.times_s - begin, clock_s=stream.clock_s + begin) for stream in joined
    )
    return FileStreams(path, streams, (*damaged, *(one.note for one in loaded if one.note), *notes))


@dataclass(frozen=True, eq=False)
class _Loaded:
    stream: FileStream  # its times are still those of the recorder's clock
    stamped: StampedStream
    note: str = ""


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


def _load(opened: Streams, stream: Stream, path: Path) -> _Loaded:
    loaded = Loaded([], np.empty(0), np.empty(0), (0,))
    if stream.samples:
        loaded = load_stream(opened, stream, path)
    name, kind, host = (stream.info.findtext(key) or "" for key in ("name", "type", "hostname"))
    values, times_s = loaded.values, loaded.times_s
    recorded = FileStream(name, kind, stream.channels, stream.form, stream.rate_hz, stream.info, values, times_s)
    note = passed_over_words(name, loaded) if loaded.passed_over else ""
    return _Loaded(recorded, StampedStream(host, loaded.own_s, times_s, loaded.resets), note)


def _on_one_clock(loaded: Sequence[_Loaded]) -> list[_Loaded]:
    stamped = on_one_clock([one.stamped for one in loaded])
    return [
        _Loaded(replace(one.stream, times_s=known.times_s, clock_s=_clock_s(known)), known, one.note)
        for one, known in zip(loaded, stamped, strict=True)
    ]


def _clock_s(stamped: StampedStream) -> float:
    return float(-stamped.correction_s[0]) if len(stamped.own_s) else 0.0


def _joined(loaded: Sequence[_Loaded]) -> tuple[list[FileStream], list[str]]:
    """Move what follows a clock that was set anew; say where that was, and where the file itself says by how much."""
    streams, notes = [], []
    for number, one in enumerate(loaded):
        stream, others = one.stream, [other.stream.times_s for i, other in enumerate(loaded) if i != number]
        times, moved = _without_jumps(stream, others)
        streams.append(replace(stream, times_s=times))
        for place, jump_s in moved.items():
            notes.append(
                f"{stream.name}: its clock jumps by {jump_s:+.3f} s at sample {place}; what follows is replayed right"
                " after what came before"
            )
        for place in one.stamped.resets:
            if place and place not in moved:
                gap_s = times[place] - times[place - 1]
                notes.append(
                    f"{stream.name}: its clock was set anew at sample {place}; by the recorder's clock, that follows"
                    f" {gap_s:.3f} s after the sample before"
                )
    return streams, notes


def _without_jumps(stream: FileStream, others: Sequence[Floats]) -> tuple[Floats, dict[int, float]]:
    """Return times without jumps between clocks, and by how much each jumped, s, by its place."""
    times, moved = stream.times_s.copy(), {}
    steps = np.diff(stream.times_s)
    for place in (np.flatnonzero((steps > LONGEST_GAP_S) | (steps < -FURTHEST_BACK_S)) + 1).tolist():
        jump_s, ends = float(steps[place - 1]), stream.times_s[place - 1 : place + 1].tolist()
        if jump_s > 0 and any(_goes_on(other, *ends) for other in others):
            continue
        after_s = 1 / stream.rate_hz if stream.rate_hz else AFTER_IRREGULAR_S
        times[place:] += times[place - 1] + after_s - times[place]
        moved[place] = jump_s
    return times, moved


def _goes_on(other: Floats, from_s: float, to_s: float) -> bool:
    """Whether another stream has samples all along, so that this one really was silent."""
    inside = np.sort(other[(other > from_s) & (other < to_s)])
    return bool(np.diff([from_s, *inside, to_s]).max() < LONGEST_GAP_S)
