"""The date jumps, as when a computer hears from a time server, or somebody sets its clock."""

import numpy as np

from tests.soak.faults.fault import Injected, lasting_s
from tests.soak.lab import Lab

__all__ = ["inject", "why_not"]

SMALLEST_S, LARGEST_S = 0.1, 3e8  # ten years


def why_not(lab: Lab) -> str:
    """Say whether the date can be changed."""
    return lab.calendar.why_not


def inject(lab: Lab, random: np.random.Generator) -> Injected:
    """Let the date of all programs of spikeloop jump, there and back."""
    size_s = float(np.exp(random.uniform(np.log(SMALLEST_S), np.log(LARGEST_S))))
    offset_s, seconds = size_s * random.choice([-1, 1]), lasting_s(random, 2.0, 6.0)
    lab.calendar.set(offset_s)
    lab.sleep(seconds)
    lab.calendar.set(0.0)
    return Injected(f"the date jumped by {offset_s:+.1f} s, and back after {seconds:.1f} s")
