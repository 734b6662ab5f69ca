"""The time course of a monitored stream: the latest points, in memory that hardly grows."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import overload

import numpy as np

from spikeloop.models.arrays import Floats

__all__ = ["Course", "Point"]

KEPT_POINTS = 3600


@dataclass(frozen=True)
class Point:
    """Three figures of a stream at one time; a report holds the time course of them.

    Attributes
    ----------
    at_s : float >= 0, s since the monitor began
    mean_rate_hz : float, mean rate of a unit, Hz
    mean_ratio : float, mean E/F
    alarm_score : float, 0 to 1, of the alarm that is nearest to being raised
    """

    at_s: float
    mean_rate_hz: float
    mean_ratio: float
    alarm_score: float


class Course(Sequence[Point]):
    """The latest 3600 points, oldest first; it does not change.

    Parameters
    ----------
    rows : array of shape (points, 4), optional
        The figures of each point: an hour of objects would be 1 MB.
    """

    def __init__(self, rows: Floats | None = None) -> None:
        self._rows = np.empty((0, 4)) if rows is None else rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, place: int) -> Point: ...
    @overload
    def __getitem__(self, place: slice) -> "Course": ...
    def __getitem__(self, place: int | slice) -> "Point | Course":
        if isinstance(place, slice):
            return Course(self._rows[place])
        return Point(*self._rows[place].tolist())

    def added(self, point: Point) -> "Course":
        """Return the course with one more point, without the oldest where that is too many."""
        return Course(np.vstack([self._rows[1 - KEPT_POINTS :], astuple(point)]))
