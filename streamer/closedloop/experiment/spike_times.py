"""The time of each spike that reaches a decoder of spike times."""

import numpy as np

from spikeloop.models.arrays import Counts
from spikeloop.models.decoders.step_spikes import StepSpikes, spikes_in_bin
from spikeloop.models.recordings.timed_spikes import SpikeTimes
from spikeloop.streamer.closedloop.experiment.brain import SimulatedPopulation, TimedPopulation

__all__ = ["SpikeTimer"]


class SpikeTimer:
    """Gives each spike its own time, bin after bin of a session, s from its first bin's beginning.

    A population in this process knows the times: those that a stream of the same bundle and seed sends. A spike that a
    perturbation adds has a time drawn inside its bin; where one takes spikes away, a unit's first ones stay. Over LSL
    only counts arrive, and all times are drawn.

    Parameters
    ----------
    population : SimulatedPopulation
        Before its first bin.
    random : numpy.random.Generator
        Of what is drawn.
    """

    def __init__(self, population: SimulatedPopulation, random: np.random.Generator) -> None:
        self._population, self._random, self._bins = population, random, 0
        if isinstance(population, TimedPopulation):
            population.time_spikes()

    def next(self, counts: Counts | None) -> StepSpikes | None:
        """Spikes of the population's latest bin, of the counts (units,) that arrived; None where none did."""
        bin, bin_size_s = self._bins, self._population.bin_size_s
        self._bins += 1
        if counts is None:
            return None
        own = self._population.latest_spikes if isinstance(self._population, TimedPopulation) else None
        if own is None:
            return spikes_in_bin(counts, bin, bin_size_s, self._random)
        kept = _first_of_each_unit(own, counts)
        more = spikes_in_bin(
            counts - np.bincount(own.units[kept], minlength=len(counts)), bin, bin_size_s, self._random
        )
        units = np.concatenate([own.units[kept], more.units]).astype(np.int64)
        times_s = np.concatenate([own.times_s[kept], more.times_s])
        order = np.argsort(times_s, kind="stable")
        return StepSpikes(units[order], times_s[order], more.until_s)


def _first_of_each_unit(spikes: SpikeTimes, counts: Counts) -> np.ndarray:
    """Which spikes of a bin, (spikes,), are among the first so many of their unit."""
    grouped = np.argsort(spikes.units, kind="stable")
    units = spikes.units[grouped]
    rank = np.arange(len(units)) - np.searchsorted(units, units)
    kept = np.zeros(len(units), bool)
    kept[grouped] = rank < counts[units]
    return kept
