"""Where a replay is in its file, and when a time of the file is due on the clock."""

import math
import threading
from collections.abc import Callable
from typing import TypeVar

from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError
from spikeloop.models.scalars import is_number, shown

__all__ = ["Playhead", "checked_seek"]

Times = TypeVar("Times", float, Floats)
TICKS_PER_S = 2**20  # a time of whole ticks can be added to recorded ones without rounding: intervals stay bit by bit


class Playhead:
    """Maps times of a file to times of the clock; paused, resumed and moved from any thread.

    What is asked for is in force when the replay next looks, with `update`.

    Parameters
    ----------
    start_s, stop_s : float, s
        The part of the file that is replayed.
    clock_s : float, s
        When `start_s` is due.
    speed : float > 0

    Attributes
    ----------
    paused : bool
        Whether a pause was asked for last.
    """

    def __init__(self, start_s: float, stop_s: float, clock_s: float, speed: float = 1.0) -> None:
        self.start_s, self.stop_s, self.speed = start_s, stop_s, speed
        self.paused = False
        self._file_s, self._clock_s = start_s, _next_tick(clock_s)  # a pair of times that belong together
        self._held_s: float | None = None  # the time of the file at which it stands still
        self._asked_s: float | None = None
        self._lock = threading.Lock()

    def begin_at(self, clock_s: float) -> None:
        """Have `start_s` due at a time of the clock, s, before the replay begins."""
        self._file_s, self._clock_s = self.start_s, _next_tick(clock_s)

    def due_s(self, file_s: Times) -> Times:
        """Return when a time of the file is due, s, on the clock."""
        return self._clock_s + (file_s - self._file_s) / self.speed

    def file_s(self, now_s: float) -> float:
        """Return the time of the file, s, that is due now."""
        return self._file_s + (now_s - self._clock_s) * self.speed if self._held_s is None else self._held_s

    def pause(self) -> None:
        """Stand still; samples that are due later wait."""
        self.paused = True

    def resume(self) -> None:
        """Go on where it stands still."""
        self.paused = False

    def seek(self, seconds: float) -> None:
        """Go to a time of the file.

        Parameters
        ----------
        seconds : float, s
            Since the file's first sample.

        Raises
        ------
        BadInputError
            If that is no time inside the part that is replayed.
        """
        asked_s = checked_seek(seconds, self.start_s, self.stop_s)
        with self._lock:
            self._asked_s = asked_s

    def update(self, now_s: float, moved: Callable[[float], None]) -> bool:
        """Put in force what was asked for; return whether it stands still.

        Parameters
        ----------
        now_s : float, s
        moved : callable
            Called with the time of the file, s, where it is another from now on.
        """
        with self._lock:
            asked_s, self._asked_s = self._asked_s, None
        if asked_s is not None:
            self._file_s, self._clock_s = asked_s, _next_tick(now_s)
            self._held_s = asked_s if self._held_s is not None else None
            moved(asked_s)
        if self.paused and self._held_s is None:
            self._held_s = self.file_s(now_s)
        elif not self.paused and self._held_s is not None:
            self._file_s, self._clock_s, self._held_s = self._held_s, _next_tick(now_s), None
        return self._held_s is not None

    def begin_again(self) -> None:
        """Begin anew at `start_s`, at the moment when `stop_s` is due."""
        self._clock_s, self._file_s = self.due_s(self.stop_s), self.start_s


def checked_seek(seconds: float, start_s: float, stop_s: float) -> float:
    """Return a time of the file, s, that is asked for; BadInputError where it is not in the part that is replayed."""
    if not (is_number(seconds) and start_s <= seconds <= stop_s):
        found = f"{seconds:g}" if is_number(seconds) else shown(seconds)
        raise BadInputError(f"seek: expected a time from {start_s:g} to {stop_s:g} s, found {found}")
    return float(seconds)


def _next_tick(time_s: float) -> float:
    return math.ceil(time_s * TICKS_PER_S) / TICKS_PER_S
