"""From bins to steps: when each bin ends, and a time inside its bin for each spike."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from spikeloop.streamer.stream.step import Step, bin_end_s, spike_places, times_of

__all__ = ["Timeline"]


@dataclass(frozen=True, eq=False)
class Timeline:
    """The time of a stream, from which its steps are made one after the other.

    Attributes
    ----------
    start_s : float, s
        When bin 0 begins.
    bin_size_s : float > 0, s
    random : numpy.random.Generator
        Of `Purpose.EVENT_TIMES`; draws one number for each spike.
    """

    start_s: float
    bin_size_s: float
    random: np.random.Generator

    def ends_s(self, first_bin: int, bins: int) -> NDArray[np.float64]:
        """Return when each of these bins ends, (bins,), s."""
        return bin_end_s(self.start_s, self.bin_size_s, np.arange(first_bin, first_bin + bins))

    def step(self, first_bin: int, counts: NDArray[np.uint8], conditions: NDArray[np.float32]) -> Step:
        """Make one step of the next bins; as of `steps`."""
        return self.steps(first_bin, counts, conditions, len(counts))[0]

    def steps(
        self, first_bin: int, counts: NDArray[np.uint8], conditions: NDArray[np.float32], step_bins: int
    ) -> list[Step]:
        """Make steps of the next bins, the same spikes at the same times however bins are cut into calls and steps.

        Parameters
        ----------
        first_bin : int >= 0
            Number of the first bin, from 0 at the start.
        counts : array of shape (bins, units), uint8
            At least one bin. Of fluorescence, float32.
        conditions : array of shape (bins, channels), float32
            What drove each bin.
        step_bins : int >= 1
            Bins of a step; the last one may be shorter.
        """
        stamps_s = self.ends_s(first_bin, len(counts))
        bins, units = spike_places(counts)
        spikes = times_of(first_bin + bins, units, self.start_s, self.bin_size_s, self.random)
        borders = [*range(0, len(counts), step_bins), len(counts)]
        spikes_before = np.searchsorted(bins, borders).tolist()
        cuts = zip(pairwise(borders), pairwise(spikes_before), strict=True)
        return [
            Step(
                first_bin=first_bin + begin,
                counts=counts[begin:end],
                conditions=conditions[begin:end],
                stamps_s=stamps_s[begin:end],
                event_units=spikes.units[first:last],
                event_stamps_s=spikes.times_s[first:last],
            )
            for (begin, end), (first, last) in cuts
        ]
