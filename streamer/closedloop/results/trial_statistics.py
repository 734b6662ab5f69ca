"""What trials come to: success, times, path efficiency and bit rates, each with its 95 % interval."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from spikeloop.models.arrays import Floats
from spikeloop.models.measures.paired_inference import LEVEL
from spikeloop.streamer.closedloop.experiment.record import Trial
from spikeloop.streamer.closedloop.results.estimates import Estimate

__all__ = [
    "Figures",
    "achieved_bits_per_s",
    "bits_of_selection",
    "figures_of",
    "fitts_bits",
    "seconds_or_timeout",
    "seconds_to_target",
    "seconds_tried",
    "wilson",
]

Draws = NDArray[np.int64]

DRAWS = 2000
Z = float(ndtri((1 + LEVEL) / 2))


@dataclass(frozen=True)
class Figures:
    """Figures of the trials of one decoder.

    Attributes
    ----------
    success_rate : with Wilson's interval; of several sessions, with that of the bootstrap where it is wider. All other
        intervals are by bootstrap, over sessions and the trials of each, as trials of a session share a decoder and
        its calibration
    time_with_failures_s : mean time to the target of all trials, in which a failure counts as the timeout, as it does
        in paired differences
    time_to_target_s : of successes, from the target's appearance to the entry from which it was held
    first_touch_s, dial_in_s : its two parts, before and after the first entry (Gilja et al. 2012)
    path_efficiency : of successes, the straight line over the path to the acquisition
    fitts_bits_per_s : log2(D / W + 1) of every success (MacKenzie 1992, Hum Comput Interact 7:91), by the time of all
        trials, without holds, so that failures cost what they took; D to the target's centre, W its width
    achieved_bits_per_s : log2(N - 1) max(right - wrong, 0) by the time of all trials, with holds (Nuyujukian et al.
        2015, IEEE Trans Biomed Eng 62:21); NaN where no wrong target can be selected
    """

    trials: int
    successes: int
    success_rate: Estimate
    time_with_failures_s: Estimate
    time_to_target_s: Estimate
    first_touch_s: Estimate
    dial_in_s: Estimate
    path_efficiency: Estimate
    fitts_bits_per_s: Estimate
    achieved_bits_per_s: Estimate


def figures_of(
    sessions: Sequence[Sequence[Trial]],
    bin_size_s: float,
    timeout_s: float,
    random: np.random.Generator,
    choices: int | None = None,
) -> Figures:
    """Compute the figures of the trials of one session or several.

    Parameters
    ----------
    sessions : sequence of sequences of Trial
    bin_size_s : float > 0, s
    timeout_s : float > 0, s
        That a failure counts as, in `time_with_failures_s`, and a lost trial everywhere.
    random : numpy.random.Generator
        Of the bootstrap.
    choices : int, default None
        Targets of which any might have been selected instead, the right one included; None where none might.

    Returns
    -------
    Figures
    """
    trials = [trial for session in sessions for trial in session]
    succeeded = np.array([trial.outcome == "success" for trial in trials], bool)
    wrong = np.array([trial.outcome == "wrong" for trial in trials], bool)
    to_target = np.array([seconds_to_target(trial, bin_size_s) for trial in trials])
    whole = np.array([_whole_s(trial, bin_size_s, timeout_s) for trial in trials])
    touched = np.array([_first_touch_s(trial, bin_size_s) for trial in trials])
    with_failures = np.array([seconds_or_timeout(trial, bin_size_s, timeout_s) for trial in trials])
    fitts, tried = (
        np.array([(fitts_bits(trial), seconds_tried(trial, bin_size_s, timeout_s)) for trial in trials])
        .reshape(-1, 2)
        .T
    )
    efficiency = np.array([_path_efficiency(trial) for trial in trials])
    draws = _draws([len(session) for session in sessions], random)
    bits = math.nan if choices is None else bits_of_selection(choices)
    return Figures(
        trials=len(trials),
        successes=int(succeeded.sum()),
        success_rate=_of_sessions(wilson(int(succeeded.sum()), len(trials)), succeeded * 1.0, sessions, draws),
        time_with_failures_s=_ratio(with_failures, np.ones(len(trials)), draws),
        time_to_target_s=_mean(to_target, succeeded, draws),
        first_touch_s=_mean(touched, succeeded, draws),
        dial_in_s=_mean(to_target - touched, succeeded, draws),
        path_efficiency=_mean(efficiency, succeeded & np.isfinite(efficiency), draws),
        fitts_bits_per_s=_ratio(fitts, tried, draws),
        achieved_bits_per_s=_ratio(bits * (succeeded * 1.0 - wrong), whole, draws, least=0.0),
    )


def bits_of_selection(choices: int) -> float:
    """Bits of a right selection among so many targets: log2(N - 1), as of Nuyujukian et al. 2015."""
    return math.log2(choices - 1)


def achieved_bits_per_s(choices: int, correct: int, incorrect: int, seconds: float) -> float:
    """Achieved bitrate, log2(N - 1) max(correct - incorrect, 0) / seconds; 0 where no time has passed.

    Nuyujukian et al. 2015 (IEEE Trans Biomed Eng 62:21); Neuralink's Webgrid scores so too.
    """
    return bits_of_selection(choices) * max(correct - incorrect, 0) / seconds if seconds > 0 else 0.0


def seconds_to_target(trial: Trial, bin_size_s: float) -> float:
    """From the target's appearance to the entry from which it was held; NaN of a failure."""
    return math.nan if trial.acquired_bin is None else (trial.acquired_bin - trial.appeared_bin) * bin_size_s


def seconds_or_timeout(trial: Trial, bin_size_s: float, timeout_s: float) -> float:
    """From the target's appearance to the entry from which it was held; of a failure, the timeout."""
    return seconds_to_target(trial, bin_size_s) if trial.outcome == "success" else timeout_s


def seconds_tried(trial: Trial, bin_size_s: float, timeout_s: float) -> float:
    """From the target's appearance to the entry from which it was held; of a failure, to its end.

    A lost trial counts as the timeout, so that a decoder that fails before a trial began gains no bit rate by it.
    """
    if trial.outcome == "success":
        return seconds_to_target(trial, bin_size_s)
    return _whole_s(trial, bin_size_s, timeout_s)


def fitts_bits(trial: Trial) -> float:
    """Fitts's index of difficulty in Shannon's formulation, bits; 0 of a failure."""
    distance_cm = math.dist(trial.from_cm, trial.target.place_cm)
    return math.log2(distance_cm / trial.target.width_cm + 1) if trial.outcome == "success" else 0.0


def _whole_s(trial: Trial, bin_size_s: float, timeout_s: float) -> float:
    """From the target's appearance to the end of the trial; of a lost one, the timeout."""
    return timeout_s if trial.outcome == "lost" else (trial.ended_bin - trial.appeared_bin) * bin_size_s


def _first_touch_s(trial: Trial, bin_size_s: float) -> float:
    return math.nan if trial.touched_bin is None else (trial.touched_bin - trial.appeared_bin) * bin_size_s


def _path_efficiency(trial: Trial) -> float:
    """NaN of a failure, and where the cursor did not move."""
    return trial.advanced_cm / trial.travelled_cm if trial.travelled_cm > 0 else math.nan


def wilson(successes: int, trials: int, z: float = Z) -> Estimate:
    """A share with Wilson's score interval (1927, J Am Stat Assoc 22:209), of z standard errors; by default of 95 %."""
    if not trials:
        return Estimate(math.nan, math.nan, math.nan)
    share = successes / trials
    centre = share + z**2 / (2 * trials)
    half = z * math.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    low, high = ((centre + side * half) / (1 + z**2 / trials) for side in (-1, 1))
    return Estimate(share, low if successes else 0.0, high if successes < trials else 1.0)


def _of_sessions(of_trials: Estimate, values: Floats, sessions: Sequence[Sequence[Trial]], draws: Draws) -> Estimate:
    """A mean of trials; of several sessions its interval is at least that by which sessions differ."""
    if len(sessions) < 2:
        return of_trials
    drawn = _ratio(values, np.ones(len(values)), draws)
    low, high = np.fmin(of_trials.low, drawn.low), np.fmax(of_trials.high, drawn.high)
    return Estimate(of_trials.value, float(low), float(high))


def _draws(trials: Sequence[int], random: np.random.Generator) -> Draws:
    """Places of resampled trials, (draws, trials): sessions with so many trials are drawn, then trials of each."""
    trials = [count for count in trials if count]
    firsts, sizes = np.cumsum([0, *trials])[:-1], np.array(trials, np.int64)
    drawn = [np.zeros((DRAWS, 0), np.int64)]
    for size in trials:
        session = random.integers(len(trials), size=(DRAWS, 1))
        within = np.floor(random.random((DRAWS, size)) * sizes[session]).astype(np.int64)
        drawn.append(firsts[session] + within)
    return np.concatenate(drawn, axis=1)


def _mean(values: Floats, of: NDArray[np.bool_], draws: Draws) -> Estimate:
    """Mean over some of the trials."""
    return _ratio(np.where(of, values, 0.0), of, draws)


def _ratio(over: Floats, under: ArrayLike, draws: Draws, least: float = -math.inf) -> Estimate:
    """Sum over trials by sum over trials; the interval is that of resampled trials, and needs two that count."""
    under = np.asarray(under, np.float64)
    value = float(np.maximum(_divide(over.sum(), under.sum()), least))
    drawn = np.maximum(_divide(over[draws].sum(axis=1), under[draws].sum(axis=1)), least)
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn) or np.count_nonzero(under) < 2:
        return Estimate(value, math.nan, math.nan)
    low, high = np.quantile(drawn, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Estimate(value, float(low), float(high))


def _divide(over: ArrayLike, under: ArrayLike) -> Floats:
    """NaN where there is nothing to divide by."""
    under = np.asarray(under, np.float64)
    return np.where(under > 0, over / np.where(under > 0, under, 1.0), np.nan)
