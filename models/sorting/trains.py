"""Spike trains of units, on one clock."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spikeloop.models.arrays import Floats

__all__ = ["UnitTrains"]


@dataclass(frozen=True, eq=False)
class UnitTrains:
    """When each unit spiked.

    Attributes
    ----------
    name : str
        Where they are from.
    unit_names : tuple of str
    trains_s : tuple of arrays of shape (spikes,), float64, s
        One for each unit, ascending.
    """

    name: str
    unit_names: tuple[str, ...]
    trains_s: tuple[Floats, ...]

    @classmethod
    def of(cls, name: str, unit_names: Sequence[str], trains_s: Sequence[Floats]) -> "UnitTrains":
        """Sort each train, and leave out times that are not finite."""
        finite = (np.asarray(train, np.float64) for train in trains_s)
        return cls(name, tuple(unit_names), tuple(np.sort(train[np.isfinite(train)]) for train in finite))

    @property
    def pooled_s(self) -> Floats:
        """All spikes, ascending."""
        return np.sort(np.concatenate([np.zeros(0), *self.trains_s]))

    @property
    def spikes(self) -> int:
        """The number of spikes of all units."""
        return sum(map(len, self.trains_s))

    def moved(self, seconds: float) -> "UnitTrains":
        """Return the same later by so many seconds."""
        return UnitTrains(self.name, self.unit_names, tuple(train + seconds for train in self.trains_s))

    def between(self, start_s: float, stop_s: float) -> "UnitTrains":
        """Return the spikes from `start_s` on and before `stop_s`; units stay, also without spikes."""
        edges = [np.searchsorted(train, [start_s, stop_s]) for train in self.trains_s]
        kept = tuple(train[first:last] for train, (first, last) in zip(self.trains_s, edges, strict=True))
        return UnitTrains(self.name, self.unit_names, kept)
