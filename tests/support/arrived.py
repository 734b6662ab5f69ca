"""Samples over real LSL, by a clock that the test turns."""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats
from spikeloop.streamer.lsl.samples import LslSamples

__all__ = ["Arrived"]


class Arrived(LslSamples):
    """Each look for samples waits until all that was sent has come, and each look at the clock takes a millisecond."""

    clock_s = 0.0
    sent = came = 0

    def now(self) -> float:
        self.clock_s += 0.001
        return self.clock_s

    def pull(self) -> tuple[Floats, NDArray[Any]]:
        parts = [super().pull()]
        while self.came + sum(len(stamps_s) for stamps_s, _ in parts) < self.sent:
            time.sleep(0.001)
            parts.append(super().pull())
        stamps_s, values = (np.concatenate(each) for each in zip(*parts, strict=True))
        self.came += len(stamps_s)
        return stamps_s, values
