"""A replay of an XDF file's streams, put together: what is read, the outlets, the schedule, and its figures."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from math import nan
from pathlib import Path
from typing import Any, Self

import numpy as np

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.capture.replay.control import PlayheadSteering
from spikeloop.streamer.capture.replay.file_streams import FileStream, FileStreams, read_streams
from spikeloop.streamer.capture.replay.options import AS_STORED, ReplayOptions
from spikeloop.streamer.capture.replay.outlets import LslOutlets, names_of
from spikeloop.streamer.capture.replay.playhead import Playhead
from spikeloop.streamer.capture.replay.report import ReplayReport, StreamSent, status_words
from spikeloop.streamer.capture.replay.schedule import ReplayFigures, Track, replay_tracks
from spikeloop.streamer.lsl.library import check_names_are_free, import_pylsl
from spikeloop.streamer.mqtt.address import parse_address
from spikeloop.streamer.mqtt.remote_control import RemoteControl
from spikeloop.streamer.stream.clock import WallClock

__all__ = ["StreamsReplay", "part_of_streams"]

OPENING_S, OPENING_PER_STREAM_S = 0.25, 0.02  # from opening the outlets to the first sample
AFTER_LAST_S = 1.0  # where no stream has a rate: from the last sample to the next pass

logger = logging.getLogger(__name__)


class StreamsReplay:
    """The streams of an XDF file, ready to go out again over LSL.

        with StreamsReplay(Path("session.xdf"), ReplayOptions(speed=2.0)) as replay:
            asyncio.run(...)  # async with replay.open() as run: await run()
        print(replay.replayed())

    Parameters
    ----------
    path : pathlib.Path
    options : ReplayOptions

    Attributes
    ----------
    recorded : FileStreams
        The part of the file that is replayed.
    names : list of str
        Under which its streams go out.
    figures : ReplayFigures

    Raises
    ------
    BadInputError
        If the file or an option can't be used, or a name is on the network already.
    FailureError
        If pyxdf, pylsl or liblsl is missing.
    """

    def __init__(self, path: Path, options: ReplayOptions) -> None:
        self.options = options = options.checked()
        if options.reading != AS_STORED:
            raise BadInputError(
                "--trials and other options of reading: expected counts, found all streams of an XDF file; add --counts"
            )
        read = read_streams(path, options.streams, options.source_id, options.host)
        self.recorded, start_s, stop_s = part_of_streams(read, options)
        self.names = names_of(self.recorded.streams, options.name)
        check_names_are_free(*self.names)
        self.clock = WallClock(import_pylsl().local_clock)
        self.playhead = Playhead(start_s, stop_s, 0.0, options.speed)
        self.figures = ReplayFigures()
        self._control = self._open_control()
        self._tracks: list[Track] = []
        self._outlets: LslOutlets | None = None
        for note in self.recorded.notes:
            logger.info("%s: %s", path.name, note)

    def __enter__(self) -> Self:
        if self._control is not None:
            self._control.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        if self._control is not None:
            self._control.__exit__(*error)

    def _open_control(self) -> RemoteControl | None:
        if self.options.mqtt is None:
            return None
        name = self.options.name or min(self.names, key=len)
        steering, now = PlayheadSteering(self.playhead, self.clock.now), self.clock.now
        return RemoteControl(parse_address(self.options.mqtt), name, None, steering, None, now, seek=steering.seek)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Callable[[], Awaitable[None]]]:
        """Open the outlets, and yield what then replays until the end or until it is cancelled."""
        options = self.options
        delay_s = OPENING_S + OPENING_PER_STREAM_S * len(self.names) + options.start_delay_s
        self.playhead.begin_at(self.clock.now() + delay_s)
        async with LslOutlets(self.recorded.streams, self.names, self.playhead) as opened:
            self._outlets = opened
            pairs = zip(self.recorded.streams, opened.outlets, strict=True)
            self._tracks = [Track(stream.values, stream.times_s, outlet) for stream, outlet in pairs]
            yield partial(replay_tracks, self._tracks, self.playhead, self.clock, self.figures, options.loop)

    @property
    def position_s(self) -> float:
        """The time of the file, s, that is due now; within the part that is replayed."""
        return min(max(self.playhead.file_s(self.clock.now()), self.playhead.start_s), self.playhead.stop_s)

    def described(self) -> list[str]:
        """Return lines that say, for people, what goes out."""
        lines = [f"replaying {self.recorded.path}, {self.playhead.stop_s - self.playhead.start_s:.2f} s"]
        for stream, name in zip(self.recorded.streams, self.names, strict=True):
            rate = f"{stream.rate_hz * self.options.speed:g} Hz" if stream.rate_hz else "irregular"
            recorded = f", recorded as {stream.label}" if name != stream.label else ""
            recorded += f" from {stream.origin}" * (stream.label != stream.name and bool(stream.origin))
            lines.append(
                f"  {name}: {stream.type or 'no type'}, {stream.channels} x {stream.form}, {rate},"
                f" {len(stream.times_s)} samples{recorded}"
            )
        return [*lines, *(f"  note: {note}" for note in self.recorded.notes)]

    def status(self) -> str:
        """Return a line that says how it goes."""
        figures, head = self.figures, self.playhead
        late_ms = figures.lateness.quantile_s(0.99) * 1000 if figures.samples else 0.0
        return status_words(head.paused, self.position_s, head.stop_s, figures.samples, late_ms, self.has_consumers())

    def has_consumers(self) -> bool:
        """Return whether anybody receives one of the streams."""
        return self._outlets is not None and self._outlets.has_consumers()

    def pause(self) -> None:
        """Stand still; what is due later waits, and then has later stamps."""
        self.playhead.pause()

    def resume(self) -> None:
        """Go on where it stands still."""
        self.playhead.resume()

    def seek(self, seconds: float) -> None:
        """Go to a time of the file, s, since its first sample; BadInputError where it is not replayed."""
        self.playhead.seek(seconds)

    def replayed(self) -> ReplayReport:
        """Return the figures so far."""
        figures, lateness = self.figures, self.figures.lateness
        sent = [track.sent for track in self._tracks] or [0] * len(self.names)
        streams = tuple(map(_sent, self.recorded.streams, self.names, sent))
        quantiles_ms = {"p50": lateness.quantile_s(0.5) * 1000, "p99": lateness.quantile_s(0.99) * 1000}
        return ReplayReport(
            str(self.recorded.path),
            streams,
            self.options.speed,
            self.playhead.start_s,
            self.playhead.stop_s,
            self.position_s,
            figures.samples,
            figures.passes,
            quantiles_ms | {"max": lateness.longest_s * 1000 if figures.samples else nan},
            figures.late,
            figures.cpu_cores,
            self.recorded.notes,
        )


def _sent(stream: FileStream, name: str, sent: int) -> StreamSent:
    return StreamSent(
        name, stream.label, stream.type, stream.form, stream.channels, stream.rate_hz, len(stream.times_s), sent
    )


def part_of_streams(recorded: FileStreams, options: ReplayOptions) -> tuple[FileStreams, float, float]:
    """Return the part of the streams that is replayed, and where in the file it begins and ends, s.

    Without --to, the end is one step of the last regular sample after it, so that a loop goes on evenly.

    Raises
    ------
    BadInputError
        If there is no sample in that part.
    """
    start_s, stop_s = options.start_s or 0.0, _end_s(recorded)
    if start_s >= stop_s:
        raise BadInputError(f"--from: expected a time before the end, {stop_s:g} s, found {start_s:g} s")
    stop_s = min(options.stop_s or stop_s, stop_s)
    if start_s == 0 and stop_s == _end_s(recorded):
        return recorded, start_s, stop_s
    streams = tuple(_between(stream, start_s, stop_s) for stream in recorded.streams)
    if not any(len(stream.times_s) for stream in streams):
        raise BadInputError(f"--from, --to: expected samples from {start_s:g} to {stop_s:g} s, found none")
    return replace(recorded, streams=streams), start_s, stop_s


def _end_s(recorded: FileStreams) -> float:
    ends = [
        float(stream.times_s.max()) + 1 / stream.rate_hz
        for stream in recorded.streams
        if len(stream.times_s) and stream.rate_hz
    ]
    last_s = recorded.duration_s
    return max(*ends, np.nextafter(last_s, np.inf)) if ends else last_s + AFTER_LAST_S


def _between(stream: FileStream, start_s: float, stop_s: float) -> FileStream:
    inside = (stream.times_s >= start_s) & (stream.times_s < stop_s)
    values: Any = stream.values
    kept = [values[i] for i in np.flatnonzero(inside)] if isinstance(values, list) else values[inside]
    return replace(stream, values=kept, times_s=stream.times_s[inside])
