"""How long a decoder computes."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from spikeloop.models.arrays import Counts, Floats
from spikeloop.models.decoders.decoder import Decoder, DecoderWrapper, step_spikes
from spikeloop.models.decoders.step_spikes import StepSpikes

__all__ = ["ComputeTime", "Stopwatch"]


@dataclass
class ComputeTime:
    """What steps took, added up; mutable, as steps go on.

    Attributes
    ----------
    compute_s, neural_s : float, s
        Time that steps took, and time of the bins that they decoded.
    """

    compute_s: float = 0.0
    neural_s: float = 0.0

    @property
    def normalized_latency(self) -> float:
        """Compute time over neural time, below 1 of what keeps up; NaN before the first step."""
        return self.compute_s / self.neural_s if self.neural_s else math.nan

    def add(self, other: "ComputeTime") -> None:
        """Add what other steps took."""
        self.compute_s += other.compute_s
        self.neural_s += other.neural_s


class Stopwatch(DecoderWrapper):
    """A decoder whose steps are timed, without its fits.

    Parameters
    ----------
    decoder : Decoder
    bin_size_s : float > 0, s
        Of a step.
    taken : ComputeTime
        To which each step adds.
    now : callable () -> float, s, default time.perf_counter
    """

    def __init__(
        self, decoder: Decoder, bin_size_s: float, taken: ComputeTime, now: Callable[[], float] = time.perf_counter
    ) -> None:
        super().__init__(decoder)
        self._bin_size_s, self._taken, self._now = bin_size_s, taken, now

    def step(self, counts: Counts) -> Floats:
        """Kinematics (columns,) of the next bin."""
        return self._timed(lambda: self.decoder.step(counts))

    def step_spikes(self, spikes: StepSpikes) -> Floats:
        """Kinematics (columns,) of the next bin."""
        return self._timed(lambda: step_spikes(self.decoder, spikes))

    def _timed(self, step: Callable[[], Floats]) -> Floats:
        began = self._now()
        found = step()
        self._taken.add(ComputeTime(self._now() - began, self._bin_size_s))
        return found
