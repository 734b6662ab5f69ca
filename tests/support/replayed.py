"""What tests of replays share: files, a replay on a simulated clock, and far ends of real ones."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spikeloop.exporters.formats.xdf.header import stream_header
from spikeloop.exporters.formats.xdf.writer import XdfWriter
from spikeloop.streamer.capture.replay.file_streams import FileStreams
from spikeloop.streamer.capture.replay.playhead import Playhead
from spikeloop.streamer.capture.replay.schedule import ReplayFigures, Track, replay_tracks
from spikeloop.streamer.stream.clock import SimulatedClock
from tests.support.places import SUPPORT

__all__ = ["FakeOutlet", "pulled", "receiver", "simulated_replay", "written"]

RECEIVER = SUPPORT / "lsl_receiver.py"


def written(path: Path, streams: Sequence[tuple[str, str, float, str, Any, Any]], offset_s: float = 0.0) -> Path:
    """An XDF file of streams: name, type, rate, format, values, stamps."""
    with XdfWriter(path) as writer:
        for name, kind, rate_hz, form, values, stamps_s in streams:
            channels = [{"label": f"{name} {i}", "unit": "uV", "type": "x"} for i in range(len(values[0]))]
            number = writer.add_stream(stream_header(name, kind, channels, rate_hz, form, {"note": f"of {name}"}))
            writer.add_clock_offset(number, float(np.nan_to_num(stamps_s[0])), offset_s)
            writer.add_samples(number, values, stamps_s)
    return path


class FakeOutlet:
    """Keeps what is pushed, and when."""

    def __init__(self, clock: SimulatedClock) -> None:
        self.clock = clock
        self.values: list[Any] = []
        self.stamps_s: list[float] = []
        self.pushed_s: list[float] = []

    def push(self, values: Any, stamps_s: Any) -> None:
        self.values += list(values)
        self.stamps_s += list(stamps_s)
        self.pushed_s += [self.clock.now()] * len(stamps_s)


async def simulated_replay(
    recorded: FileStreams,
    start_s: float,
    stop_s: float,
    *,
    speed: float = 1.0,
    loop: bool = False,
    clock_s: float = 5000.0,
    clock: SimulatedClock | None = None,
    drive: Callable[[Playhead], None] = lambda playhead: None,
) -> tuple[list[FakeOutlet], ReplayFigures]:
    """Replay on a simulated clock; return what came out of each stream."""
    clock = clock or SimulatedClock(clock_s - 1)
    playhead, figures = Playhead(start_s, stop_s, clock_s, speed), ReplayFigures()
    drive(playhead)
    outlets = [FakeOutlet(clock) for _ in recorded.streams]
    tracks = [Track(stream.values, stream.times_s, out) for stream, out in zip(recorded.streams, outlets, strict=True)]
    await replay_tracks(tracks, playhead, clock, figures, loop)
    return outlets, figures


def receiver(names: Sequence[str], samples: Sequence[int], out: Path) -> "subprocess.Popen[str]":
    """Start a program that receives so many samples of each of these streams; it prints "connected"."""
    wanted = json.dumps(dict(zip(names, samples, strict=True)))
    return subprocess.Popen([sys.executable, RECEIVER, wanted, out], stdout=subprocess.PIPE, text=True)


def pulled(process: "subprocess.Popen[str]", out: Path) -> dict[str, dict[str, Any]]:
    """What the receiver got of each stream: values, stamps, arrivals, and the description."""
    process.communicate(timeout=280)
    assert process.returncode == 0
    got = json.loads(out.read_text())
    return {name: part | {"stamps_s": np.array(part["stamps_s"])} for name, part in got.items()}
