"""The cursor that spikes move: a decoder, and where it took the cursor."""

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats
from spikeloop.models.decoders.decoder import Decoder
from spikeloop.streamer.closedloop.experiment.cursor_loop import moved
from spikeloop.streamer.dashboard.play.setup import EXTENT_CM

__all__ = ["DecodedCursor"]

IDLE_S = 1.0  # without an aim, after which the cursor stands still: noise would take it away


class DecodedCursor:
    """A cursor, moved bin by bin.

    Parameters
    ----------
    units : int
    bin_size_s : float > 0, s

    Attributes
    ----------
    decoder : Decoder or None
    position_cm, velocity_cm_s : arrays of shape (2,)
        At the end of the latest bin.
    gets : array of shape (units,), bool
        Whose spikes the decoder gets.
    """

    def __init__(self, units: int, bin_size_s: float) -> None:
        self.decoder: Decoder | None = None
        self.position_cm, self.velocity_cm_s = np.zeros(2), np.zeros(2)
        self.gets = np.ones(units, bool)
        self._bin_size_s, self._idle_bins = bin_size_s, 0

    def aimed(self) -> None:
        """Somebody aims."""
        self._idle_bins = 0

    def centre(self) -> None:
        """Put the cursor to the centre, at rest."""
        self.position_cm, self.velocity_cm_s = np.zeros(2), np.zeros(2)

    def hide(self, number: int) -> list[int]:
        """Keep the spikes of so many units from the decoder; returns which, the same for the same number."""
        units = len(self.gets)
        hidden = np.argsort(np.sin(1.0 + np.arange(units) * units))[:number]  # scattered over the population
        self.gets = np.isin(np.arange(units), hidden, invert=True)
        return sorted(hidden.tolist())

    def step(self, counts: NDArray[np.integer], held: bool = False) -> Floats:
        """Decode the counts of a bin, (units,), and move; a cursor that is held stays in the centre."""
        assert self.decoder is not None
        decoded = np.asarray(self.decoder.step(counts * self.gets), float)
        self._idle_bins += 1
        if self._idle_bins * self._bin_size_s > IDLE_S:
            decoded = np.zeros(2)
        if held:
            self.centre()
        else:
            self.velocity_cm_s = decoded
            self.position_cm = moved(self.position_cm, decoded, self._bin_size_s, EXTENT_CM)
        return self.position_cm
