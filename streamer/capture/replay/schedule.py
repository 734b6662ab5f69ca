"""The scheduler of a replay: each sample goes out when it is due, by one clock, in the order of the file."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from math import nan
from typing import Any, Protocol

import numpy as np

from spikeloop.models.arrays import Floats
from spikeloop.streamer.capture.replay.playhead import Playhead
from spikeloop.streamer.stream.clock import Clock
from spikeloop.streamer.stream.health import Durations

__all__ = ["Outlet", "ReplayFigures", "Track", "replay_tracks"]

LOOK_EVERY_S = 0.02  # whether a pause or another time was asked for
GRAIN_S = 0.0005  # samples that are due within it go out together: 30,000 wakes a second would be late
LATE_S = 0.001


class Outlet(Protocol):
    """Where the samples of a stream go; `push` returns at once."""

    def push(self, values: Any, stamps_s: Floats) -> None: ...


class Track:
    """A stream's samples in their order, and the next one.

    Parameters
    ----------
    values : array of shape (samples, channels), or list of lists of str
    times_s : array of shape (samples,), s
        Of the file.
    outlet : Outlet

    Attributes
    ----------
    sent : int
        Samples that went out.
    """

    def __init__(self, values: Any, times_s: Floats, outlet: Outlet) -> None:
        self._values, self._times_s, self._outlet = values, times_s, outlet
        self._due_s = np.maximum.accumulate(times_s) if len(times_s) else times_s  # none overtakes one before it
        self._next, self.sent = 0, 0

    def move(self, file_s: float) -> None:
        """Go to the first sample that is not due before this time of the file, s."""
        self._next = int(np.searchsorted(self._due_s, file_s))

    def due_s(self) -> float:
        """When the next sample is due, s, of the file; infinity after the last one."""
        return float(self._due_s[self._next]) if self._next < len(self._due_s) else np.inf

    def push(self, file_s: float, playhead: Playhead) -> int:
        """Send what is due at this time of the file, s; return how many samples that were."""
        until = int(np.searchsorted(self._due_s, file_s, side="right"))
        if until <= self._next:
            return 0
        some = slice(self._next, until)
        self._outlet.push(self._values[some], playhead.due_s(self._times_s[some]))
        pushed, self._next = until - self._next, until
        self.sent += pushed
        return pushed


class ReplayFigures:
    """What a replay counts while it runs.

    Attributes
    ----------
    samples : int
        That went out, of all streams.
    passes : int
        Times that the replay reached its end.
    lateness : Durations
        From when samples were due to when they went out, one for each time that some went out: of the oldest.
    late : int
        How many of these were more than a millisecond.

    Parameters
    ----------
    cpu_s : callable
        Processor time of the process, s; a parameter so that tests can set it.
    """

    def __init__(self, cpu_s: Callable[[], float] = time.process_time) -> None:
        self.samples = self.passes = self.late = 0
        self.lateness = Durations()
        self._cpu_s = cpu_s
        self._cpu_began_s, self._began_s, self._now_s = cpu_s(), nan, nan

    def at(self, now_s: float) -> None:
        """Note the present, s."""
        if not self._began_s <= now_s:
            self._began_s, self._cpu_began_s = now_s, self._cpu_s()
        self._now_s = now_s

    @property
    def cpu_cores(self) -> float:
        """Processor time of the process over the time since the beginning."""
        passed_s = self._now_s - self._began_s
        return (self._cpu_s() - self._cpu_began_s) / passed_s if passed_s > 0 else nan

    def pushed(self, samples: int, late_s: float) -> None:
        """Count what went out together, the oldest of it so late."""
        self.samples += samples
        self.late += late_s > LATE_S
        self.lateness.add(max(0.0, late_s))


async def replay_tracks(
    tracks: Sequence[Track], playhead: Playhead, clock: Clock, figures: ReplayFigures, loop: bool = False
) -> None:
    """Send all samples when they are due, until the last one, or for ever.

    After a stall, what is due goes out at once, with the stamps that it has anyway; between two rounds others get their
    turn, also where outlets are too slow for the file.

    Parameters
    ----------
    tracks : sequence of Track
        With samples from `playhead.start_s` on and before its `stop_s`.
    playhead : Playhead
    clock : Clock
    figures : ReplayFigures
    loop : bool, default False
        Whether to begin anew after the end, with stamps that go on.
    """
    _move(tracks, playhead.start_s)
    pushed_s = -np.inf
    while True:
        figures.at(now_s := clock.now())
        still = playhead.update(now_s, lambda file_s: _move(tracks, file_s))
        next_s = min(track.due_s() for track in tracks)
        if not still and next_s == np.inf:
            figures.passes += 1
            if not loop:
                return
            playhead.begin_again()
            _move(tracks, playhead.start_s)
            await asyncio.sleep(0)
            continue
        due_s = max(playhead.due_s(next_s), pushed_s + GRAIN_S)
        if still or due_s > now_s:
            await clock.sleep_until(now_s + LOOK_EVERY_S if still else min(due_s, now_s + LOOK_EVERY_S))
            continue
        reached_s = max(next_s, playhead.file_s(now_s))  # by rounding, that may be a trifle earlier
        samples = sum(track.push(reached_s, playhead) for track in tracks)
        figures.pushed(samples, now_s - playhead.due_s(next_s))
        pushed_s = now_s
        await asyncio.sleep(0)


def _move(tracks: Iterable[Track], file_s: float) -> None:
    for track in tracks:
        track.move(file_s)
