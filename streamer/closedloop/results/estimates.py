"""A figure with its 95 % interval, of trials or of pairs of trials, and how it is written."""

import math
from dataclasses import dataclass

__all__ = ["Estimate", "PairedEstimate", "format_estimate"]


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval; NaN where no trial has it."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class PairedEstimate:
    """A difference of paired trials.

    Attributes
    ----------
    value : float
        NaN where there are no trials.
    low, high : float
        Of the 95 % interval; NaN where there is one trial or none.
    p_value : float
        Two-sided: 1 less the level of the interval that just touches 0. NaN where there is no interval.
    spread : float
        Standard deviation of a pair's difference, as the interval has it: of independent pairs.
    """

    value: float
    low: float
    high: float
    p_value: float
    spread: float


def format_estimate(estimate: Estimate | PairedEstimate, percent: bool = False, sign: bool = False) -> str:
    """Such as 1.42 (1.30-1.55), or with signs +0.10 (-0.02 to +0.21); a share in %."""
    if math.isnan(estimate.value):
        return "-"
    scale, form = (100, "+z.0f" if sign else ".0f") if percent else (1, "+z.2f" if sign else ".2f")
    value, low, high = (f"{scale * number:{form}}" for number in (estimate.value, estimate.low, estimate.high))
    interval = "" if math.isnan(estimate.low) else f" ({low}{' to ' if sign else '-'}{high})"
    return f"{value}{' %' if percent else ''}{interval}"
