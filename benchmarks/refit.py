"""What ReFIT mends, and what a user who adapts does by himself: observation unlike the loop, rotations, gains."""

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product

import numpy as np

from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.streamer.closedloop.closed_loop import closed_loop
from spikeloop.streamer.closedloop.experiment.record import Trial
from spikeloop.streamer.closedloop.experiment.tasks import CenterOut
from spikeloop.streamer.closedloop.results.estimates import format_estimate
from spikeloop.streamer.closedloop.results.trial_statistics import figures_of, seconds_or_timeout

SEEDS, BIN_S, TASK = tuple(range(4)), 0.02, CenterOut(radius_cm=1.0)
OBSERVATIONS, USERS = (1.0, 0.6), ("simulated", "adapting")
LEARN_FROM, TRIALS, CALIBRATION_S = 32, 32, 90.0
CURVES = ("rotation:45", "rotation:60")
STRETCH = 8  # trials of a learning curve that are averaged
GILJA = "Gilja et al. 2012 (Nat Neurosci 15:1752): ReFIT-KF halves the velocity Kalman filter's target acquisition time"


@dataclass(frozen=True)
class Case:
    """A session's settings, run once for every seed."""

    user: str
    observation: float = 1.0
    decoder: str = "kalman"
    refit: bool = False
    perturbation: str = ""


def measure(seconds: float) -> dict:  # noqa: ARG001
    """Every case on the same seeds."""
    fitted = [("kalman", False), ("kalman", True), ("refit_kalman", True)]
    refits = [Case(user, share, *each) for user, share, each in product(USERS, OBSERVATIONS, fitted)]
    curves = [Case(user, perturbation=turn) for turn, user in product(CURVES, USERS)]
    cases = [*refits, *curves]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(_run, *zip(*product(cases, SEEDS), strict=True)))
    trials = {case: found[place * len(SEEDS) : (place + 1) * len(SEEDS)] for place, case in enumerate(cases)}
    return {
        "about": f"m1-sim, center-out with targets of 1 cm radius, sessions of seeds {SEEDS[0]} to {SEEDS[-1]}, each of"
        f" {LEARN_FROM} trials and then {TRIALS} that are judged; the decoder is calibrated by {CALIBRATION_S:g} s of"
        " observation, in which the population is modulated as stated (1: as in the loop; 0.6 is chosen); with ReFIT it"
        " is fitted anew to the first trials. Intervals by bootstrap over sessions and trials.",
        "rows": [_row(case, trials[case]) for case in cases],
        "notes": [*_ratios(trials), f"{GILJA}.", *(_curve(case, trials[case]) for case in curves)],
    }


def _run(case: Case, seed: int) -> list[Trial]:
    """The trials of a session; where nothing is fitted anew, as many come first."""
    (run,) = closed_loop(
        case.decoder, task=TASK, user=case.user, seeds=seed, calibration_s=CALIBRATION_S,
        observation_gain=case.observation, perturbations=[case.perturbation] if case.perturbation else [],
        trials=TRIALS if case.refit else LEARN_FROM + TRIALS, recalibrate_after=LEARN_FROM if case.refit else 0,
    ).runs  # fmt: skip
    return list(run.record.trials)


def _row(case: Case, sessions: Sequence[list[Trial]]) -> dict:
    judged, random = [trials[LEARN_FROM:] for trials in sessions], random_stream(0, Purpose.BENCHMARK)
    figures = figures_of(judged, BIN_S, TASK.timeout_s, random)
    return {
        "user": case.user,
        "observation": f"{case.observation:g}",
        "decoder": f"{case.decoder}{', ReFIT' * case.refit}{', ' * bool(case.perturbation)}{case.perturbation}",
        "success": format_estimate(figures.success_rate, percent=True),
        "time to target (s)": format_estimate(figures.time_to_target_s),
        "of it dial-in (s)": format_estimate(figures.dial_in_s),
        "Fitts bits/s": format_estimate(figures.fitts_bits_per_s),
    }


def _seconds(sessions: Sequence[list[Trial]], first: int, last: int) -> list[float]:
    """Mean time to the target of each session's trials; a failure counts as the timeout."""
    return [
        float(np.mean([seconds_or_timeout(trial, BIN_S, TASK.timeout_s) for trial in trials[first:last]]))
        for trials in sessions
    ]


def _ratios(trials: dict[Case, list[list[Trial]]]) -> list[str]:
    """Of ReFIT's mean time to that of the velocity Kalman filter, seed by seed."""
    lines = []
    for user, share, decoder in product(USERS, OBSERVATIONS, ("kalman", "refit_kalman")):
        one, other = (
            np.array(_seconds(trials[case], LEARN_FROM, LEARN_FROM + TRIALS))
            for case in (Case(user, share, decoder, True), Case(user, share))
        )
        ratios = one / other
        lines.append(
            f"{user} user, observation {share:g}: {decoder} with ReFIT {one.mean():.2f} s, velocity Kalman filter"
            f" {other.mean():.2f} s, failures as the timeout; ratio {ratios.mean():.2f}"
            f" ({ratios.min():.2f} to {ratios.max():.2f} over seeds)."
        )
    return lines


def _curve(case: Case, sessions: Sequence[list[Trial]]) -> str:
    """Mean time to the target, stretch by stretch."""
    stretches = range(0, LEARN_FROM + TRIALS, STRETCH)
    means = [np.mean(_seconds(sessions, first, first + STRETCH)) for first in stretches]
    curve = ", ".join(f"{mean:.2f}" for mean in means)
    return f"{case.perturbation}, {case.user} user, seconds to the target by {STRETCH} trials: {curve}."
