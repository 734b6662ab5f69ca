"""The spikes of a step, each with its own time, for decoders that take these in place of counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Counts, Floats

__all__ = ["DrawnSpikes", "StepSpikes", "joined", "spikes_in_bin"]


@dataclass(frozen=True, eq=False)
class StepSpikes:
    """What happened since the step before.

    Attributes
    ----------
    units : array of shape (spikes,), int64
        The unit of each spike, from 0.
    times_s : array of shape (spikes,), s
        Ascending.
    until_s : float, s
        The step's end, on the same clock.
    """

    units: NDArray[np.int64]
    times_s: Floats
    until_s: float


class DrawnSpikes:
    """Gives the spikes of counts times, drawn evenly inside their bins: for decoders of spike times that get counts.

    Parameters
    ----------
    bin_size_s : float > 0, s
    random : numpy.random.Generator
    """

    def __init__(self, bin_size_s: float, random: np.random.Generator) -> None:
        self._bin_size_s, self._random, self._bins = bin_size_s, random, 0

    def next(self, counts: Counts) -> StepSpikes:
        """Spikes of the next bin, of its counts (units,)."""
        spikes = spikes_in_bin(counts, self._bins, self._bin_size_s, self._random)
        self._bins += 1
        return spikes


def spikes_in_bin(counts: NDArray[Any], bin: int, bin_size_s: float, random: np.random.Generator) -> StepSpikes:
    """Draw a time inside a bin, counted from 0, for each spike of its counts (units,)."""
    whole = np.rint(counts).astype(np.int64).clip(min=0)
    units = np.arange(len(whole)).repeat(whole)
    times_s = (bin + random.random(len(units))) * bin_size_s
    order = np.argsort(times_s, kind="stable")
    return StepSpikes(units[order], times_s[order], (bin + 1) * bin_size_s)


def joined(steps: Sequence[StepSpikes]) -> StepSpikes:
    """Put steps that follow each other together, one or more."""
    units, times_s = (np.concatenate([getattr(step, name) for step in steps]) for name in ("units", "times_s"))
    return StepSpikes(units, times_s, steps[-1].until_s)
