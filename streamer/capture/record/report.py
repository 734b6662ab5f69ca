"""What a recorder has done so far, and in the end."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from spikeloop.exporters.documents import json_values
from spikeloop.exporters.sessions.stored import StoredStream
from spikeloop.models.html import ShownAsTable, Table

__all__ = ["FinishedRecording", "Note", "RecordReport", "State", "StreamRecord"]

State = Literal["connecting", "recording", "ended", "refused"]


@dataclass(frozen=True)
class StreamRecord:
    """One stream of a recording.

    Attributes
    ----------
    name : str
        As LSL has it.
    label : str
        The name; NAME#2 of several streams of one name, with the number in the file.
    type, hostname, source_id, uid : str
        As LSL has them; `uid` is of this run of the stream.
    number : int
        In the file; 0 before its header is written.
    channels : int
    format : str
        LSL's channel format, such as "float32".
    nominal_rate_hz : float >= 0, Hz
        0 of an irregular stream.
    state : {"connecting", "recording", "ended", "refused"}
        "ended" is one that is out of reach; "refused" one whose format files don't have.
    samples : int
        That were received.
    measured_rate_hz : float, Hz, or None
        By the stamps of the samples; None before there are two, and where the clock was reset.
    gaps, lost : int
        Places in a regular stream where samples are missing, and how many: they never came, or LSL's buffer was full.
    clock_resets : int
        Times that the sender's clock was set anew: stamps jumped by more time than passed, of which nothing is lost.
    bad_stamps : int
        Samples whose stamp is infinite or no number. They are written as they came.
    reconnections : int
    first_s, last_s : float, s, or None
        Stamps of the first and latest sample, on the sender's clock.
    clock_offset_s : float, s, or None
        What has to be added to a stamp to have it on this machine's clock; None before it was measured.
    warnings : tuple of str
        What is odd about it and what to do, a sentence each: stamps of another clock, that run backwards or stand
        still; no counts, though its type is Spikes.
    """

    name: str
    label: str
    type: str
    hostname: str
    source_id: str
    uid: str
    number: int
    channels: int
    format: str
    nominal_rate_hz: float
    state: State
    samples: int
    measured_rate_hz: float | None
    gaps: int
    lost: int
    clock_resets: int
    bad_stamps: int
    reconnections: int
    first_s: float | None
    last_s: float | None
    clock_offset_s: float | None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Note:
    """What happened: a stream was found, ended, returned or has a gap.

    Attributes
    ----------
    number : int
        1 for the first.
    at_s : float, s
        Since the beginning.
    text : str
    """

    number: int
    at_s: float
    text: str


@dataclass(frozen=True, repr=False)
class RecordReport(ShownAsTable):
    """A recording.

    Attributes
    ----------
    file : pathlib.Path
    duration_s : float, s
        Since the first stream was found.
    size_bytes : int
        Of what was written so far.
    streams : tuple of StreamRecord
        In the order of the file.
    notes : tuple of Note
        The latest thousand things that happened, with seconds since the beginning.
    missing : tuple of str
        What was asked for and not found.
    interrupted : bool
        Whether Ctrl-C ended it.
    remarks : tuple of str
        Of an NWB file or a Zarr folder: what to know of it, a sentence each, such as which stream gave the counts.
    """

    file: Path
    duration_s: float
    size_bytes: int
    streams: tuple[StreamRecord, ...]
    notes: tuple[Note, ...] = ()
    missing: tuple[str, ...] = ()
    interrupted: bool = False
    remarks: tuple[str, ...] = ()

    @property
    def samples(self) -> int:
        """Samples of all streams."""
        return sum(stream.samples for stream in self.streams)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is odd about the streams, each sentence with the label of its stream."""
        return tuple(f"{stream.label}: {sentence}" for stream in self.streams for sentence in stream.warnings)

    @property
    def lost(self) -> int:
        """Samples that are missing in all streams."""
        return sum(stream.lost for stream in self.streams)

    def to_dict(self) -> dict[str, Any]:
        """Return the document that `spikeloop record --json` prints, all of what JSON holds."""
        return json_values(self) | {"file": str(self.file), "samples": self.samples, "lost": self.lost}

    def _table(self) -> Table:
        columns = ("stream", "type", "samples", "lost", "gaps", "state")
        rows = [(s.label, s.type, f"{s.samples:,}", str(s.lost), str(s.gaps), s.state) for s in self.streams]
        return f"Recording {self.file}", columns, rows


@dataclass(frozen=True, repr=False)
class FinishedRecording(ShownAsTable):
    """An NWB file or a Zarr folder that was made of an XDF file.

    Attributes
    ----------
    file : pathlib.Path
    size_bytes : int
    source : pathlib.Path
        The XDF file, which stays.
    streams : tuple of StoredStream
        What became of each.
    notes : tuple of str
        What to know of it, a sentence each: which stream gave the counts, which have stamps of another clock.
    """

    file: Path
    size_bytes: int
    source: Path
    streams: tuple[StoredStream, ...]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the document that `spikeloop record --finish --json` prints."""
        return json_values(self) | {"file": str(self.file), "source": str(self.source)}

    def _table(self) -> Table:
        title = f"{self.file}: {self.size_bytes / 1e6:.3g} MB, of {self.source}, which stays"
        rows = [(s.name, s.type, f"{s.samples:,}", s.place) for s in self.streams]
        return title, ("stream", "type", "samples", "in the file"), rows
