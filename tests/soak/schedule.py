"""Whether a stream keeps its schedule: bins against LSL's clock, whatever the speed of the machine.

Bins arrive with delays that depend on the machine. The shortest delay of some seconds does not, as one step in many
goes out and comes in at once even on a busy one. So time is measured from the promptest arrival before any fault to the
promptest one after each.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tests.soak.bin_log import Run

__all__ = ["RESOLUTION_S", "Kept", "kept_after"]

RESOLUTION_S = 2e-3  # within which a prompt arrival comes
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Kept:
    """The schedule after a fault.

    Attributes
    ----------
    number : int
        Of the fault.
    ratio : float
        Bins times their size over time passed on LSL's clock, from the first promptest arrival to that after the fault.
    passed_s : float, s
        That time.
    delay_ms : float, ms
        The shortest delay after the fault, from a bin's end to its arrival.
    """

    number: int
    ratio: float
    passed_s: float
    delay_ms: float

    @property
    def holds(self) -> bool:
        """Whether the ratio is 1, to 1e-5 and to how exactly a promptest arrival tells the time."""
        return abs(self.ratio - 1) * self.passed_s <= TOLERANCE * self.passed_s + RESOLUTION_S


def kept_after(
    run: Run,
    numbers: NDArray[np.int64],
    arrived_s: NDArray[np.float64],
    quiet: Sequence[tuple[int, float, float]],
) -> list[Kept]:
    """Judge the schedule in each quiet time after a fault in which bins arrived; the first one is what others refer to.

    Parameters
    ----------
    run : Run
    numbers : array of shape (arrivals,)
        Of the bins.
    arrived_s : array of shape (arrivals,), s
        On LSL's clock.
    quiet : sequence of (int, float, float)
        The number of the fault before, and when the quiet time began and ended, s.
    """
    promptest: list[tuple[int, int, float]] = []
    for number, from_s, until_s in quiet:
        places = np.flatnonzero((arrived_s >= from_s) & (arrived_s <= until_s))
        if len(places):
            best = places[np.argmin(arrived_s[places] - run.stamp_s(0) - numbers[places] * run.bin_size_s)]
            promptest.append((number, int(numbers[best]), float(arrived_s[best])))
    if not promptest:
        return []
    (_, first_bin, first_s), *later = promptest
    return [
        Kept(
            number,
            (found - first_bin) * run.bin_size_s / (at_s - first_s),
            at_s - first_s,
            1000 * (at_s - run.stamp_s(found)),
        )
        for number, found, at_s in later
        if at_s > first_s
    ]
