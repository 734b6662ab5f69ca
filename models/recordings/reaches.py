"""A cursor that reaches from target to target, as a hand does: it drives a simulated motor cortex."""

import math
from dataclasses import dataclass

import numpy as np

from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError
from spikeloop.models.random_streams import Purpose, random_stream

__all__ = ["Reaches", "random_reaches"]

WORKSPACE_CM = 20.0
SLOWEST_PEAK_CM_S, FASTEST_PEAK_CM_S = 20.0, 60.0
REACH_S, HOLD_S, CORRECTION_S = (0.4, 1.0), (0.2, 0.8), (0.25, 0.4)
CORRECTED = 0.3  # share of reaches that miss and need a corrective submovement
MISS = 0.1  # by this part of the distance, standard deviation in x and y
PEAK_OVER_MEAN = 1.875  # speed of a minimum-jerk movement


@dataclass(frozen=True, eq=False)
class Reaches:
    """The trajectory of a cursor that moves from target to target.

    Attributes
    ----------
    position_cm : array of shape (bins, 2), float64, cm
        At the end of each bin, from the centre of the workspace.
    velocity_cm_s : array of shape (bins, 2), float64, cm/s
        Mean in each bin.
    """

    position_cm: Floats
    velocity_cm_s: Floats


def random_reaches(bins: int, bin_size_s: float = 0.02, seed: int = 0) -> Reaches:
    """Minimum-jerk movements (Flash & Hogan 1985) between random targets in a 20 cm x 20 cm workspace.

    Reaches last 0.4 to 1 s with peak speeds of 20 to 60 cm/s, holds 0.2 to 0.8 s. Some reaches miss, and a corrective
    submovement is added to their end (Flash & Henis 1991, J. Cogn. Neurosci. 3:220).

    Parameters
    ----------
    bins : int >= 1
    bin_size_s : float > 0, s
    seed : int >= 0

    Raises
    ------
    BadInputError
        If there are no bins, they have no size, or the seed is negative.
    """
    if bins < 1 or not 0 < bin_size_s < math.inf:
        raise BadInputError(f"expected bins, and a size of them above 0 s, found {bins} of {bin_size_s:g} s")
    random = random_stream(seed, Purpose.REACHES)
    velocity = np.zeros((bins, 2))
    at, time_s = np.zeros(2), random.uniform(*HOLD_S)
    while time_s < bins * bin_size_s:
        target, landing = _next_target(random, at)
        distance = np.hypot(*(landing - at))
        shortest_s = max(REACH_S[0], PEAK_OVER_MEAN * distance / FASTEST_PEAK_CM_S)
        longest_s = min(REACH_S[1], PEAK_OVER_MEAN * distance / SLOWEST_PEAK_CM_S)
        lasts_s = random.uniform(shortest_s, longest_s)
        corrected_s = time_s + lasts_s * random.uniform(0.8, 1.0)
        correction_s = random.uniform(*CORRECTION_S)
        _add_movement(velocity, bin_size_s, time_s, lasts_s, landing - at)
        _add_movement(velocity, bin_size_s, corrected_s, correction_s, target - landing)
        missed = bool(np.any(target != landing))
        time_s = (corrected_s + correction_s if missed else time_s + lasts_s) + random.uniform(*HOLD_S)
        at = target
    return Reaches(np.cumsum(velocity, axis=0) * bin_size_s, velocity)


def _next_target(random: np.random.Generator, at: Floats) -> tuple[Floats, Floats]:
    """Draw a target far enough away for a reach at the lowest speed, and where the reach lands."""
    half = WORKSPACE_CM / 2
    while True:
        target = random.uniform(-half, half, 2)
        error = MISS * np.hypot(*(target - at)) * random.standard_normal(2)
        landing = np.clip(target + error, -half, half) if random.random() < CORRECTED else target
        if np.hypot(*(landing - at)) >= SLOWEST_PEAK_CM_S * REACH_S[0] / PEAK_OVER_MEAN:
            return target, landing


def _add_movement(velocity: Floats, bin_size_s: float, start_s: float, lasts_s: float, path_cm: Floats) -> None:
    first, last = int(start_s / bin_size_s), int((start_s + lasts_s) / bin_size_s) + 1
    edges_s = np.arange(first, last + 1) * bin_size_s
    done = np.clip((edges_s - start_s) / lasts_s, 0, 1)
    covered = np.diff(done**3 * (10 - 15 * done + 6 * done**2))[: max(len(velocity) - first, 0)]
    velocity[first:last] += covered[:, np.newaxis] * path_cm / bin_size_s
