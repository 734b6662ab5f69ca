"""The amplifier at whose output a voltage is simulated: its sampling rate, its scale, and samples of times."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["BLACKROCK", "INTAN", "Amplifier"]

BEFORE_S, AFTER_S = 20 / 30_000, 44 / 30_000  # of a waveform before its trough, and from it on


@dataclass(frozen=True)
class Amplifier:
    """How a voltage is sampled.

    Attributes
    ----------
    rate_hz : int from 10,000 to 50,000, Hz
    microvolts_per_bit : float > 0, µV
        The value of 1 in int16.
    """

    rate_hz: int = 30_000
    microvolts_per_bit: float = 0.195

    @property
    def before(self) -> int:
        """Samples of a waveform before its trough: 20 at 30 kHz."""
        return round(BEFORE_S * self.rate_hz)

    @property
    def span(self) -> int:
        """Samples of a whole waveform: 64 at 30 kHz."""
        return self.before + round(AFTER_S * self.rate_hz)

    def sample_of(self, time_s: float | NDArray[np.float64]) -> NDArray[np.int64]:
        """Find the sample nearest to a time in s since sample 0."""
        return np.rint(np.asarray(time_s) * self.rate_hz).astype(np.int64)


INTAN = Amplifier()  # the scale of Intan's RHD2000 amplifiers, so that int16 reaches to 6.4 mV
BLACKROCK = Amplifier(30_000, 0.25)  # of Cerebus: +-8191 uV over +-32764, as its NSx files state
