"""`spikeloop.replay`: a recorded file goes out again in the background of a program or a notebook."""

import dataclasses
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from spikeloop.exporters.formats.choices import Choices
from spikeloop.exporters.formats.xdf.chunks import XDF_SUFFIXES
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.scalars import checked_path
from spikeloop.streamer.capture.replay.replay import StreamsReplay
from spikeloop.streamer.capture.replay.report import ReplayReport
from spikeloop.streamer.launch.lifetimes import BackgroundLifetime, Prepared
from spikeloop.streamer.launch.recording_replay import RecordingReplay
from spikeloop.streamer.launch.replay_options import VoltageReplayOptions

__all__ = ["BackgroundReplay", "Replaying", "open_replay", "replay"]


def replay(file: str | Path | Recording, *streams: str, **options: Any) -> "BackgroundReplay":
    """Replay a recorded file over LSL in the background, also of a Jupyter notebook.

    As a context it replays while its block runs::

        with spikeloop.replay("session.xdf", speed=2, name="again") as replay:
            replay.pause()
            replay.seek(30)
            replay.resume()
            replay.wait()
        print(replay.report)

    Parameters
    ----------
    file : str, Path or Recording
        An XDF file, whose streams go out again; or a recording of another format, by path or name, or one that was
        read, whose counts go out as a stream like that of `spikeloop.stream`.
    *streams : str
        Names of an XDF file's streams, each with those beside it (NAME-Events and others), or types; also with * and
        ?; by default all.
    **options
        As of `ReplayOptions`: speed, loop, start_s, stop_s, name, mqtt, and others; of a recording's counts, also those
        of a voltage, as of `spikeloop.stream`: broadband, ephys_socket, synapse, probe, and others. `reading` is a
        mapping of options of `read_recording`, such as {"bin_size_s": 0.02, "trials": "0-9"}.

    Returns
    -------
    BackgroundReplay
        Replays from entering to leaving its context, or from `start` to `stop`.

    Raises
    ------
    BadInputError, FailureError
        On entering, if the file or an option can't be used, or something that is needed is missing. On leaving and in
        `wait`, if the replay failed.
    """
    if isinstance(reading := options.get("reading"), Mapping):
        options["reading"] = _choices(reading)
    known = {field.name for field in dataclasses.fields(VoltageReplayOptions)} - {"streams"}
    if unknown := sorted(set(options) - known):
        raise BadInputError(f"expected options of {', '.join(sorted(known))}; found {unknown[0]!r:.80}")
    return BackgroundReplay(file, VoltageReplayOptions(streams, **options))


def _choices(reading: Mapping[str, Any]) -> Choices:
    try:
        return Choices.checked(**reading)
    except TypeError as error:
        raise BadInputError(f"reading: expected options of read_recording, found others ({error})") from error


class Replaying(Prepared, Protocol):
    """What replays a file: its streams, or its counts."""

    @property
    def position_s(self) -> float: ...

    def described(self) -> list[str]: ...

    def status(self) -> str: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def seek(self, seconds: float) -> None: ...

    def replayed(self) -> ReplayReport: ...


def open_replay(file: str | Path | Recording, options: VoltageReplayOptions) -> Replaying:
    """Prepare the replay of a file: of the streams of an XDF file, or of the counts of another recording.

    Raises
    ------
    BadInputError, FailureError
        As `StreamsReplay` and `RecordingReplay` do.
    """
    if isinstance(file, Recording):
        return RecordingReplay(file, options)
    path = checked_path("FILE", file)
    as_streams = path.suffix.lower() in XDF_SUFFIXES and not options.counts
    if not as_streams:
        return RecordingReplay(file, options)
    if options.broadband:
        raise BadInputError("--broadband: expected counts, found all streams of an XDF file; add --counts")
    return StreamsReplay(path, options)


class BackgroundReplay(BackgroundLifetime[Replaying]):
    """A replay in a thread of its own, from entering to leaving the context.

    Parameters
    ----------
    file : str, Path or Recording
    options : VoltageReplayOptions
    """

    def __init__(self, file: str | Path | Recording, options: VoltageReplayOptions) -> None:
        super().__init__(partial(open_replay, file, options), "spikeloop.replay")

    @property
    def position_s(self) -> float:
        """The time of the file, s, since its first sample, that goes out now; BadInputError before the beginning."""
        return self._begun().position_s

    @property
    def report(self) -> ReplayReport:
        """How the replay ran; while it runs, so far. BadInputError before the beginning."""
        return self._begun().replayed()

    def pause(self) -> None:
        """Stand still: what is due later goes out after `resume`, stamped then; BadInputError before the beginning."""
        self._begun().pause()

    def resume(self) -> None:
        """Go on where the replay stands still; BadInputError before the beginning."""
        self._begun().resume()

    def seek(self, seconds: float) -> None:
        """Go on from another time of the file.

        Parameters
        ----------
        seconds : float, s
            Since the file's first sample.

        Raises
        ------
        BadInputError
            If that is not in the part that is replayed, or the replay has not begun.
        """
        self._begun().seek(seconds)

    def _begun(self) -> Replaying:
        if self.prepared is None:
            raise BadInputError("the replay has not begun; enter it with `with` first")
        return self.prepared
