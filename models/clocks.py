"""Which numbers can be times; when clocks are one or two, how far apart in words, and where one runs backwards."""

import numpy as np

from spikeloop.models.arrays import Floats

__all__ = ["DAY_S", "OTHER_CLOCK_S", "SAME_CLOCK_S", "apart_words", "as_times", "backward_steps_s", "lasting_words"]

OTHER_CLOCK_S = 120.0  # between a stamp and when its sample came, from which on the stamp is of another clock
SAME_CLOCK_S = 0.001  # two clocks that count from the start of their computers agree so well only if they are one
BACK_S, BACK_STEPS = 0.001, 0.5  # by which a stamp may be earlier than the one before: jitter; the larger of both
MINUTE_S, DAY_S, YEAR_S = 60.0, 86_400.0, 31_557_600.0
FURTHEST_S = 1e16  # that a stamp may be from 0: sums of squares stay finite, and microseconds since 1970 are below


def apart_words(ahead_s: float) -> str:
    """Say how far a clock is ahead of LSL's, s, or behind it where that is negative."""
    return f"{lasting_words(abs(ahead_s))} {'ahead of' if ahead_s > 0 else 'behind'} LSL's clock"


def lasting_words(seconds: float) -> str:
    """Say how long a time is, in whole years, days, minutes or seconds."""
    for unit_s, unit in ((YEAR_S, "years"), (DAY_S, "days"), (MINUTE_S, "minutes")):
        if seconds >= 2 * unit_s:
            return f"{seconds / unit_s:.0f} {unit}"
    return f"{seconds:.0f} s"


def as_times(stamps_s: Floats) -> Floats:
    """Return stamps that came from elsewhere, those that can be no time (infinite, or beyond 1e16 s) as NaN.

    Parameters
    ----------
    stamps_s : array of shape (samples,), float64, s
    """
    return np.where(np.abs(stamps_s) <= FURTHEST_S, stamps_s, np.nan)


def backward_steps_s(stamps_s: Floats, interval_s: float = 0.0) -> Floats:
    """Return by how much stamps are earlier than the ones before them, where that is more than jitter.

    Parameters
    ----------
    stamps_s : array of shape (samples,), s
    interval_s : float >= 0, s
        Of a regular stream, half of which counts as jitter; 0 of an irregular one.

    Returns
    -------
    array of shape (steps back,), s
        Each more than 0.
    """
    back_s = -np.diff(stamps_s)
    return back_s[back_s > max(BACK_S, BACK_STEPS * interval_s)]
