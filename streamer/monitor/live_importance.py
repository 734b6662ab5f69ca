"""Importance maps beside the stream: windows wait for a thread that maps them, and the oldest give way."""

import threading
from collections import deque
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.measures.importance import Critic, exact_importance
from spikeloop.models.measures.importance_summary import (
    ImportanceSummary,
    ImportanceSums,
    importance_sums,
    summarise_importance,
)

__all__ = ["ImportanceReport", "LiveImportance"]

WAITING = 64  # windows at most


@dataclass(frozen=True, eq=False)
class ImportanceReport:
    """Importance of the windows so far.

    Attributes
    ----------
    units : of the stream
    maps : number of windows that were mapped
    skipped : that gave way, as mapping was behind, or whose conditions had not come
    capped : units and spans of which only some arrangements were drawn
    sums : of all maps, for summaries by unit, lag and pattern; None before the first
    window, map : the latest, (bins, units); None before the first
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
        """Of all spikes; NaN before the first."""
        if self.sums is None or not self.sums.units.number.sum():
            return float("nan")
        return float(self.sums.units.total.sum() / self.sums.units.number.sum())

    @property
    def summary(self) -> ImportanceSummary | None:
        """By unit, lag and pattern; None before the first map."""
        return summarise_importance(self.sums) if self.sums is not None else None


class LiveImportance:
    """Maps windows one after the other in a thread of its own, from entering to leaving the context.

    Parameters
    ----------
    seed : of the arrangements that are drawn where there are too many
    """

    def __init__(self, critic: Critic, units: int, seed: int = 0) -> None:
        self._critic = critic
        self._random = np.random.Generator(np.random.Philox(seed))
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
        """Have windows mapped, (windows, bins, units), with what drove them, (windows, bins, channels); at once."""
        for index, window in enumerate(windows):
            self._skipped += len(self._waiting) == WAITING
            self._waiting.append((window, None if conditions is None else conditions[index]))
        self._arrived.set()

    def skip(self) -> None:
        """Count a window that could not be offered."""
        self._skipped += 1

    def report(self) -> ImportanceReport:
        """The figures so far."""
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
