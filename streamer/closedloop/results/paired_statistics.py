"""What two decoders come to over the same trials: differences in time, success and bit rate, each with its p-value."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.paired_inference import MeanDifference, mean_difference
from spikeloop.streamer.closedloop.experiment.record import Trial
from spikeloop.streamer.closedloop.results.estimates import PairedEstimate
from spikeloop.streamer.closedloop.results.trial_statistics import (
    Z,
    fitts_bits,
    seconds_or_timeout,
    seconds_tried,
    wilson,
)

__all__ = ["Paired", "paired_figures"]

Successes = NDArray[np.bool_]

LARGEST_Z, HALVINGS = 40.0, 60  # of the search for a p-value


@dataclass(frozen=True)
class Paired:
    """A decoder minus another, over the same trials.

    Attributes
    ----------
    trials : int
        Pairs.
    time_difference_s : of the mean times to the target, in which failures count as the timeout; with Student's t
        interval over pairs, which allows for sessions that differ (see `mean_difference`)
    success_difference : of the rates, with Newcombe's interval for paired shares (1998, Stat Med 17:2635, method 10);
        of several sessions, with Student's as above where it is wider. Its p-value is that of McNemar's exact test,
        where that is larger: a few pairs prove nothing, whatever their interval
    bits_difference : of Fitts's bits/s, in which failures cost what they took, lost trials the timeout; with Student's
        interval, to first order
    """

    trials: int
    time_difference_s: PairedEstimate
    success_difference: PairedEstimate
    bits_difference: PairedEstimate


def paired_figures(
    sessions: Sequence[Sequence[Trial]],
    baseline: Sequence[Sequence[Trial]],
    bin_size_s: float,
    timeout_s: float,
) -> Paired:
    """Compare two decoders, trial by trial.

    Parameters
    ----------
    sessions, baseline : sequences of sequences of Trial
        Of as many trials, with the same targets one by one.
    bin_size_s : float > 0, s
    timeout_s : float, s
        That a failure counts as.

    Returns
    -------
    Paired

    Raises
    ------
    BadInputError
        If they are not.
    """
    if [[trial.target for trial in one] for one in sessions] != [[trial.target for trial in one] for one in baseline]:
        raise BadInputError(
            "expected trials with the same targets, found some that differ; compare sessions of the same seed"
        )
    sides = [[trial for session in side for trial in session] for side in (sessions, baseline)]
    session = np.repeat(np.arange(len(sessions)), [len(each) for each in sessions])
    one, other = (np.array([trial.outcome == "success" for trial in side], bool) for side in sides)
    times, others_times = (
        np.array([seconds_or_timeout(trial, bin_size_s, timeout_s) for trial in side]) for side in sides
    )
    return Paired(
        len(session),
        _estimate(_of_pairs(times - others_times, session)),
        _of_successes(one, other, session),
        _estimate(_of_bits(sides, bin_size_s, timeout_s, session)),
    )


def _of_pairs(differences: NDArray[np.float64], session: NDArray[np.int64]) -> MeanDifference:
    value = float(differences.mean()) if len(differences) else math.nan
    return mean_difference(value, differences - value, session)


def _of_bits(
    sides: Sequence[Sequence[Trial]], bin_size_s: float, timeout_s: float, session: NDArray[np.int64]
) -> MeanDifference:
    """Each rate is a ratio of sums; what a trial adds to it is its bits less those of its time at that rate."""
    rates, deviations = [], []
    for side in sides:
        bits = np.array([fitts_bits(trial) for trial in side])
        tried = np.array([seconds_tried(trial, bin_size_s, timeout_s) for trial in side])
        seconds = float(tried.sum())
        rates.append(float(bits.sum()) / seconds if seconds > 0 else math.nan)
        deviations.append((bits - rates[-1] * tried) * (len(side) / seconds if seconds > 0 else math.nan))
    return mean_difference(rates[0] - rates[1], deviations[0] - deviations[1], session)


def _estimate(found: MeanDifference) -> PairedEstimate:
    return PairedEstimate(found.value, *found.interval(), found.p_value, found.spread)


def _of_successes(one: Successes, other: Successes, session: NDArray[np.int64]) -> PairedEstimate:
    student = _of_pairs(one.astype(np.float64) - other, session)
    if len(one) < 2:
        return _estimate(student)
    (low, high), p_value = _newcombe(one, other, Z), max(_newcombe_p_value(one, other), _exact_p_value(one, other))
    if len(np.unique(session)) > 1:
        others = student.interval()
        low, high, p_value = min(low, others[0]), max(high, others[1]), max(p_value, student.p_value)
    return PairedEstimate(student.value, low, high, p_value, student.spread)


def _newcombe(one: Successes, other: Successes, z: float) -> tuple[float, float]:
    """Interval of z standard errors for the difference of two paired shares."""
    trials = len(one)
    first, second = wilson(int(one.sum()), trials, z), wilson(int(other.sum()), trials, z)
    both, neither = int((one & other).sum()), int((~one & ~other).sum())
    only_one, only_other = int((one & ~other).sum()), int((~one & other).sum())
    product = both * neither - only_one * only_other
    margins = (both + only_one) * (only_other + neither) * (both + only_other) * (only_one + neither)
    corrected = max(product - trials / 2, 0.0) if product > 0 else float(product)
    phi = corrected / math.sqrt(margins) if margins else 0.0

    def reach(mine: float, others: float) -> float:
        return math.sqrt(max(mine**2 - 2 * phi * mine * others + others**2, 0.0))

    difference = first.value - second.value
    down = reach(first.value - first.low, second.high - second.value)
    up = reach(first.high - first.value, second.value - second.low)
    return difference - down, difference + up


def _exact_p_value(one: Successes, other: Successes) -> float:
    """McNemar's exact test: of the pairs that differ, half are each decoder's by chance."""
    differ, fewer = int((one != other).sum()), min(int((one & ~other).sum()), int((~one & other).sum()))
    return min(1.0, 2 * sum(math.comb(differ, each) for each in range(fewer + 1)) / 2**differ)


def _newcombe_p_value(one: Successes, other: Successes) -> float:
    """That of the interval which just touches 0, found by halving."""
    if one.sum() == other.sum():
        return 1.0
    place, sign = (0, 1) if one.sum() > other.sum() else (1, -1)
    leaves_out, holds = 0.0, LARGEST_Z
    for _ in range(HALVINGS):
        z = (leaves_out + holds) / 2
        if sign * _newcombe(one, other, z)[place] > 0:
            leaves_out = z
        else:
            holds = z
    return float(2 * ndtr(-leaves_out))
