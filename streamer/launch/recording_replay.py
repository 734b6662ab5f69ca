"""A recording replayed as a stream of counts, with all that a stream of a bundle has."""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import asdict, fields, replace
from pathlib import Path

from spikeloop.exporters.card import Card
from spikeloop.exporters.formats.assembly.session_times import SpikesInBins, spikes_in_bins
from spikeloop.exporters.formats.read import log_recording, read_timed
from spikeloop.exporters.formats.xdf.chunks import XDF_SUFFIXES
from spikeloop.exporters.stream_names import FLUORESCENCE, SPIKES
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.checks import SHORTEST_BIN_S
from spikeloop.models.recordings.provenance import Provenance, Replayed
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.scalars import same_bin_size
from spikeloop.streamer.capture.replay.options import ReplayOptions
from spikeloop.streamer.capture.replay.recorded_population import RecordedMarks, RecordedPopulation
from spikeloop.streamer.capture.replay.report import ReplayReport, StreamSent, status_words
from spikeloop.streamer.conditions.drive import Drive
from spikeloop.streamer.launch.options import Schedule, StreamOptions
from spikeloop.streamer.launch.replay_options import VoltageReplayOptions
from spikeloop.streamer.launch.sent_voltage import SentVoltageOptions
from spikeloop.streamer.launch.stream import PreparedStream
from spikeloop.streamer.launch.streamed import ProvidedSource, Streamed
from spikeloop.streamer.stream.steering import Steering
from spikeloop.streamer.stream.step import SpikeSink, Transform

__all__ = ["RecordingReplay"]

COUNTS_ONLY = "only the counts of this file go out; all streams, as they were recorded, are replayed from an .xdf file"
MADE_UP = ("bundle", "sha256", "provider")  # of a population that is none
RECORDED = (".nwb", ".zarr", *XDF_SUFFIXES)  # what `record` writes, and with --counts
SAME_BIN = 0.01  # of a bin, by which the clocks of a file may differ
LONGEST_NAME = 48  # with the suffixes of the other streams


class StreamedRecording(Streamed):
    """A recording as something to stream.

    Parameters
    ----------
    recording : Recording
    spikes : SpikesInBins or None
        Its spikes' own times.
    sha256 : str
        Of its file.
    options : ReplayOptions
        Checked.
    """

    def __init__(self, recording: Recording, spikes: SpikesInBins | None, sha256: str, options: ReplayOptions) -> None:
        self.recording, self.sha256 = recording, sha256
        self.population = RecordedPopulation(
            recording, spikes, options.speed, options.start_s, options.stop_s, options.loop
        )
        size = self.population.bin_size_s
        if size < SHORTEST_BIN_S:
            raise BadInputError(
                f"--speed: expected bins of {SHORTEST_BIN_S:g} s or longer, found {size:g} s at speed"
                f" {options.speed:g}; choose a lower one"
            )
        self.card = Card(
            recording.name, "recording", "stream", recording.unit_names, size, 1,
            count_distribution="fluorescence" if recording.signal == "fluorescence" else "counts",
            conditions=tuple(asdict(channel) for channel in recording.channels),
        )  # fmt: skip
        self._steering: Steering | None = None
        self._asked_early: bool | None = None  # to pause or not, before the stream began

    def drive(self, options: StreamOptions) -> Drive:  # noqa: ARG002
        return self.population

    def source(self, options: StreamOptions, on_inference: Callable[[float], None]) -> ProvidedSource:  # noqa: ARG002
        return self.population

    def made_by(self, seed: int, step_bins: int, start_s: float, asked: str) -> Replayed:  # noqa: ARG002
        """Say what is replayed; and what made it, moved in time, where its bins go out as they were made."""
        recording, size, made_by = self.recording, self.population.bin_size_s, self.recording.provenance
        facts = Replayed(recording.name, size, step_bins, start_s, asked, self.card.latency_bins, recording.signal)
        if made_by is None or (first := self._first_made(made_by)) is None:
            return facts
        moved = replace(made_by, start_s=start_s - (first + self.population.first_bin) * made_by.bin_size_s)
        return replace(facts, provenance=json.dumps(asdict(moved)))

    def _first_made(self, made_by: Provenance) -> int | None:
        """Return which of the bins that were made is the recording's first; None where others follow than those."""
        recording, population, size = self.recording, self.population, made_by.bin_size_s
        own = recording.signal == "fluorescence" or population.has_own_times  # others would be drawn from a new seed
        even = same_bin_size(population.bin_size_s, size) and recording.repeats == 1 and not population.loop
        first = 0.0 if recording.starts_s is None else (recording.starts_s[0] - made_by.start_s) / size
        return round(first) if own and even and abs(first - round(first)) < SAME_BIN else None

    def next_length(self, schedule: Schedule) -> Callable[[int], int]:
        def length(first_bin: int) -> int:  # noqa: ARG001
            if self._steering is not None and self._asked_early is not None:
                self._steering.set_paused(self._asked_early)
                self._asked_early = None
            return self.population.next_length(schedule.step_bins)

        return length

    def joined(self, steering: Steering | None) -> tuple[tuple[Transform, ...], tuple[SpikeSink, ...]]:
        if steering is None:
            return (self.population,), ()
        self._steering = steering
        self.population.lets_out = lambda: steering.lets_out
        return (self.population,), (RecordedMarks(self.population, steering.mark),)

    def seek(self) -> Callable[[float], None]:
        return self.population.seek

    def set_paused(self, paused: bool) -> None:
        """Stand still, or go on; also before the stream begins."""
        if self._steering is None or not self._steering.has_begun:
            self._asked_early = paused
        else:
            self._steering.set_paused(paused)


class RecordingReplay(PreparedStream):
    """A recording, ready to go out as a stream of counts; see `PreparedStream`.

    Parameters
    ----------
    recording : str, Path or Recording
        A file of any format, a name, or what was read already.
    options : VoltageReplayOptions

    Raises
    ------
    BadInputError
        If the recording or an option can't be used.
    FailureError
        On entering, if something that the stream needs is not installed or can't be reached.
    """

    def __init__(self, recording: str | Path | Recording, options: VoltageReplayOptions) -> None:
        options = options.checked()
        if options.streams:
            raise BadInputError(
                f"STREAM: expected streams of an XDF file only, found {options.streams[0]!r:.60} of another recording;"
                " leave it out"
            )
        options.check_ports()
        read, spikes, sha256 = _read(recording, options)
        self._speed = options.speed
        self._file = read.name if isinstance(recording, Recording) else str(recording)
        self._notes = (COUNTS_ONLY,) if Path(self._file).suffix.lower() in RECORDED else ()
        streamed = self._recorded = StreamedRecording(read, spikes, sha256, options)
        asked = StreamOptions(
            name=_name_of(read) if options.name is None else options.name,
            seed=options.seed,
            start_delay_s=options.start_delay_s,
            mqtt=options.mqtt,
            controls=True,
            **{field.name: getattr(options, field.name) for field in fields(SentVoltageOptions)},
        )
        super().__init__(streamed, asked)

    @property
    def position_s(self) -> float:
        """The time of the file, s, of what is sent next; of all trials one after the other."""
        return self._recorded.population.position_s

    def pause(self) -> None:
        """Stand still; what is due later waits, and then has later stamps."""
        self._recorded.set_paused(True)

    def resume(self) -> None:
        """Go on where it stands still."""
        self._recorded.set_paused(False)

    def seek(self, seconds: float) -> None:
        """Go to a time of the file, s; BadInputError where it is not replayed."""
        self._recorded.population.seek(seconds)

    def described(self) -> list[str]:
        """Return lines that say, for people, what goes out."""
        population, recording = self._recorded.population, self._recorded.recording
        trials = f" in {recording.repeats} trials, one right after the other" if recording.repeats > 1 else ""
        times = "their own times" if population.has_own_times else "times drawn inside their bins"
        what = f"spikes with {times}" if recording.signal == "spikes" else "fluorescence"
        conditions = ", ".join(channel.name for channel in recording.channels)
        return [
            f"replaying {recording.name} as {self.options.name}: {recording.units} units,"
            f" {self.card.bin_size_s * 1000:g} ms bins, {population.stop_s - population.start_s:g} s{trials}; {what}"
            + (f"; conditions {conditions}" if conditions else ""),
            *(f"  note: {note}" for note in self._notes),
            *self.invitations(),
        ]

    def status(self) -> str:
        """Return a line that says how it goes."""
        health, stop_s = self.health.report(), self._recorded.population.stop_s
        paused = self.steering is not None and self.steering.paused
        late_ms = health.lateness_ms["p99"] if health.steps else 0.0
        line = status_words(paused, self.position_s, stop_s, health.bins, late_ms, self.has_consumers())
        remarks = [] if self._remote is None else [self._remote.remark()]
        return "  ".join([line, *remarks, *(remark() for remark in self._bridges.remarks())])

    def replayed(self) -> ReplayReport:
        """Return the figures so far, as of a replay of streams."""
        stream, population, recording = self.report(), self._recorded.population, self._recorded.recording
        health, kind = stream.health, SPIKES if recording.signal == "spikes" else FLUORESCENCE
        bins = round((population.stop_s - population.start_s) / recording.bin_size_s)
        sent = StreamSent(
            self.options.name, recording.name, kind, self.options.count_format, recording.units,
            1 / recording.bin_size_s, bins, health.bins,
        )  # fmt: skip
        described = {name: fact for name, fact in stream.to_dict().items() if name not in MADE_UP}
        return ReplayReport(
            self._file, (sent,), self._speed, population.start_s, population.stop_s,
            population.position_s, health.bins, population.passes, health.lateness_ms, health.late_steps,
            health.cpu_cores, self._notes, described,
        )  # fmt: skip


def _read(recording: str | Path | Recording, options: ReplayOptions) -> tuple[Recording, SpikesInBins | None, str]:
    """Read a recording, its spikes' own times where it has some, and the hash of its file, or else of its counts."""
    if isinstance(recording, Recording):
        read, spikes, file = recording, spikes_in_bins(recording), None
    else:
        read, spikes = read_timed(recording, options.reading)
        file = Path(recording)
    log_recording(read, to_learn=False)
    try:
        if file is not None and file.is_file():
            with file.open("rb") as content:
                return read, spikes, hashlib.file_digest(content, "sha256").hexdigest()
    except OSError:  # a name that no disk can hold
        pass
    return read, spikes, hashlib.sha256(read.counts.tobytes()).hexdigest()


def _name_of(recording: Recording) -> str:
    """The recording's name as one of streams."""
    return re.sub(r"[^\w .:-]|^\W+", "-", recording.name)[:LONGEST_NAME].strip(" -") or "recording"
