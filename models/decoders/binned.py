"""A decoder that works in wider bins than the loop."""

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Counts, Floats
from spikeloop.models.decoders.decoder import Decoder, DecoderWrapper, check_bin, check_training, fitted, step_spikes
from spikeloop.models.decoders.step_spikes import StepSpikes, joined
from spikeloop.models.errors import BadInputError

__all__ = ["Binned"]


class Binned(DecoderWrapper):
    """Gives a decoder the summed counts of several bins, and holds what it decoded until the next bins are full.

    Cunningham et al. (2011, J. Neurophysiol. 105:1932) vary this width offline and in a closed loop.

    Parameters
    ----------
    decoder : Decoder
        Fitted on counts summed, and kinematics averaged, over runs of bins, which don't overlap.
    bins : int >= 1
        Of a run; those left over at the end of training data are left out.

    Raises
    ------
    BadInputError
        If a run has no bins.
    """

    def __init__(self, decoder: Decoder, bins: int) -> None:
        if bins < 1:
            raise BadInputError(f"expected runs of 1 bin or more, found {bins}")
        super().__init__(decoder)
        self.bins = bins
        self._held: Floats | None = None
        self._spikes: list[StepSpikes] = []

    def fit(self, counts: Counts, kinematics: NDArray[np.floating]) -> None:
        """Fit the decoder on runs of bins; until the first is full, the mean kinematics are held."""
        check_training(counts, kinematics)
        runs = len(counts) // self.bins
        if not runs:
            raise BadInputError(f"expected a run of {self.bins} bins or more, found {len(counts)}; give more data")
        used = runs * self.bins
        summed = counts[:used].reshape(runs, self.bins, -1).sum(axis=1)
        averaged = kinematics[:used].reshape(runs, self.bins, -1).mean(axis=1, dtype=np.float64)
        self.decoder.fit(summed, averaged)
        self._held = averaged.mean(axis=0)
        self._filling, self._sum, self._spikes = 0, np.zeros(counts.shape[1]), []

    def step(self, counts: Counts) -> Floats:
        """Kinematics (columns,) of the next bin: as last decoded."""
        fitted(self._held)
        check_bin(counts, len(self._sum))
        self._sum += counts
        if self._full():
            self._held = self.decoder.step(self._sum)
            self._sum = np.zeros_like(self._sum)
        return fitted(self._held).copy()

    def step_spikes(self, spikes: StepSpikes) -> Floats:
        """Kinematics (columns,) of the next bin: as last decoded, from the spikes of all bins of a run."""
        fitted(self._held)
        self._spikes.append(spikes)
        if self._full():
            self._held = step_spikes(self.decoder, joined(self._spikes))
            self._spikes = []
        return fitted(self._held).copy()

    def _full(self) -> bool:
        """Say whether the next bin is the last of its run."""
        self._filling = (self._filling + 1) % self.bins
        return not self._filling
