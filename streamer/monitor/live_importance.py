"""Importance maps beside the stream: a thread maps windows; where it is too slow, the oldest are skipped."""

import threading
from collections import deque
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.importance.maps import Critic, exact_importance
from spikeloop.models.importance.summary import ImportanceSummary, ImportanceSums, importance_sums, summarise_importance
from spikeloop.models.random_streams import Purpose, random_stream

__all__ = ["ImportanceReport", "LiveImportance"]

WAITING = 64  # windows in the queue at most


@dataclass(frozen=True, eq=False)
class ImportanceReport:
    """Importance of the windows so far.

    Attributes
    ----------
    units : int
        Of the stream.
    maps : int
        Windows that were mapped.
    skipped : int
        Windows that were not, because mapping was too slow, or their conditions had not arrived.
    capped : int
        Spans of units of which only some arrangements were drawn.
    sums : ImportanceSums or None
        Of all maps; None before the first.
    window, map : array of shape (bins, units) or None
        The latest; None before the first.
    """

    units: int
    maps: int = 0
    skipped: int = 0
    capped: int = 0
    sums: ImportanceSums | None = None
    window: NDArray[Any] | None = None
    map: NDArray[np.float64] | None = None

    @property
    def by_unit(self) -> NDArray[np.float64]:
        """Mean importance of each unit's spikes, (units,); 0 for one without."""
        return np.nan_to_num(self.sums.units.mean) if self.sums is not None else np.zeros(self.units)

    @property
    def mean(self) -> float:
        """Mean importance of all spikes; NaN before the first."""
        if self.sums is None or not self.sums.units.number.sum():
            return float("nan")
        return float(self.sums.units.total.sum() / self.sums.units.number.sum())

    @property
    def summary(self) -> ImportanceSummary | None:
        """Importance by unit, lag and pattern; None before the first map."""
        return summarise_importance(self.sums) if self.sums is not None else None


class LiveImportance:
    """A thread that maps windows one after the other, from entering to leaving the context.

    Parameters
    ----------
    critic : Critic
    units : int
    seed : int >= 0
        Of the arrangements that are drawn where there are too many.
    """

    def __init__(self, critic: Critic, units: int, seed: int = 0) -> None:
        self._critic = critic
        self._random = random_stream(seed, Purpose.IMPORTANCE)
        self._waiting: deque[tuple[NDArray[Any], NDArray[np.float32] | None]] = deque(maxlen=WAITING)
        self._arrived, self._closing = threading.Event(), threading.Event()
        self._skipped = 0
        self._report = ImportanceReport(units)
        self.failure: Exception | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._map_all, name="spikeloop-importance", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._closing.set()
        self._arrived.set()
        self._thread.join()

    def offer(self, windows: NDArray[Any], conditions: NDArray[np.float32] | None = None) -> None:
        """Queue windows to be mapped, and return at once.

        Parameters
        ----------
        windows : array of shape (windows, bins, units)
        conditions : array of shape (windows, bins, channels), float32, or None
            What drove them, where the critic needs it.
        """
        for index, window in enumerate(windows):
            self._skipped += len(self._waiting) == WAITING
            self._waiting.append((window, None if conditions is None else conditions[index]))
        self._arrived.set()

    def skip(self) -> None:
        """Count a window that could not be offered."""
        self._skipped += 1

    def report(self) -> ImportanceReport:
        """Report the maps so far."""
        return replace(self._report, skipped=self._skipped)

    def _map_all(self) -> None:
        while not self._closing.is_set():
            self._arrived.wait()
            self._arrived.clear()
            while self._waiting and not self._closing.is_set():
                window, conditions = self._waiting.popleft()
                try:
                    self._map(window, conditions)
                except Exception as error:  # shown where the monitor is; its statistics go on without maps
                    self.failure = error
                    return

    def _map(self, window: NDArray[Any], conditions: NDArray[np.float32] | None) -> None:
        given = None if conditions is None else conditions[np.newaxis]
        exact = exact_importance(window[np.newaxis], self._critic, self._random, conditions=given)
        before, new = self._report, importance_sums(exact.maps, window[np.newaxis])
        self._report = replace(
            before,
            maps=before.maps + 1,
            capped=before.capped + exact.capped,
            sums=new if before.sums is None else before.sums + new,
            window=window,
            map=exact.maps[0],
        )
