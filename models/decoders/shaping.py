"""A decoder's gain and smoothing, which trade speed against steadiness in a closed loop."""

import math

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Counts, Floats
from spikeloop.models.decoders.decoder import Decoder, DecoderWrapper, step_spikes
from spikeloop.models.decoders.step_spikes import StepSpikes
from spikeloop.models.errors import BadInputError

__all__ = ["Shaped"]


class Shaped(DecoderWrapper):
    """u(t) = smoothing u(t - 1) + (1 - smoothing) gain decoded(t), from u = 0 on.

    The decoder dynamics of Willett et al. (2019, Sci. Rep. 9:8881), who vary both with one decoder. Smoothing leaves
    the gain for steady decoded velocity as it is. A decoder that needs no fit needs none here.

    Parameters
    ----------
    decoder : Decoder
        Of velocity.
    gain : float >= 0, default 1
        1 leaves speeds as decoded.
    smoothing : float from 0 to below 1, default 0
        0 is none; its time constant is bin size / -log(smoothing).

    Raises
    ------
    BadInputError
        If gain or smoothing is out of range.
    """

    def __init__(self, decoder: Decoder, gain: float = 1.0, smoothing: float = 0.0) -> None:
        if not (0 <= gain < math.inf and 0 <= smoothing < 1):
            raise BadInputError(
                f"expected a gain of 0 or more and a smoothing from 0 to below 1, found {gain:g} and {smoothing:g}"
            )
        super().__init__(decoder)
        self.gain, self.smoothing = gain, smoothing
        self._velocity: Floats = np.zeros(1)  # of any number of columns

    def fit(self, counts: Counts, kinematics: NDArray[np.floating]) -> None:
        """Fit the decoder, and begin at rest."""
        super().fit(counts, kinematics)
        self._velocity = np.zeros(1)

    def step(self, counts: Counts) -> Floats:
        """Velocity (columns,) of the next bin."""
        return self._shaped(self.decoder.step(counts))

    def step_spikes(self, spikes: StepSpikes) -> Floats:
        """Velocity (columns,) of the next bin."""
        return self._shaped(step_spikes(self.decoder, spikes))

    def _shaped(self, velocity: Floats) -> Floats:
        decoded = self.gain * velocity
        self._velocity = self.smoothing * self._velocity + (1 - self.smoothing) * decoded
        return self._velocity.copy()
