"""What policies keep of a decoder over days of drift: none, daily calibration, without labels, ReFIT."""

import dataclasses
import os
from concurrent.futures import ProcessPoolExecutor
from itertools import product

from spikeloop.streamer.closedloop.days.closed_loop_days import open_days
from spikeloop.streamer.closedloop.days.days import DayRun, DaysSetup, run_days
from spikeloop.streamer.closedloop.days.policies import parse_policies
from spikeloop.streamer.closedloop.days.report import CourseReport, DaysReport, days_report
from spikeloop.streamer.closedloop.results.estimates import format_estimate

PROFILES, POLICIES, SEEDS = ("units", "channels"), ("none", "daily", "stabilize", "refit"), (0, 1, 2)
DAYS, TRIALS, CALIBRATION_S = 10, 12, 60.0
DEGENHART = (
    "Degenhart et al. 2020: the stabilizer needs no knowledge of intent, can outperform supervised recalibration"
)


def measure(seconds: float) -> dict:  # noqa: ARG001
    """Every policy under every profile, on the same seeds."""
    cases = list(product(PROFILES, POLICIES, SEEDS))
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        runs = dict(zip(cases, pool.map(_course, *zip(*cases, strict=True)), strict=True))
    rows, notes, warm_up = [], [], _setup(PROFILES[0]).setup.plan.recalibrate_after
    for profile in PROFILES:
        setup = _setup(profile)
        own = [run for (name, _, _), course in runs.items() if name == profile for run in course]
        report = days_report(setup, own, command="")
        rows += [_row(report, course) for course in report.courses]
        notes.append(_note(report))
    return {
        "about": f"m1-sim, Kalman filter, the simulated user, center-out, {DAYS} days, {TRIALS} judged trials a day"
        f" after {warm_up} from which policies may learn, calibrations of {CALIBRATION_S:g} s, seeds {SEEDS[0]} to"
        f" {SEEDS[-1]}. 95 % intervals by bootstrap over seeds and their trials; differences over the same trials. Half"
        " lost: the day from which three days' mean bit rate is half of day 0's or less, by seed.",
        "rows": rows,
        "notes": [*notes, f"{DEGENHART}."],
    }


def _setup(profile: str) -> DaysSetup:
    return open_days(
        "kalman", days=DAYS, drift=profile, policies=POLICIES, trials=TRIALS, calibration_s=CALIBRATION_S, seeds=SEEDS
    )


def _course(profile: str, policy: str, seed: int) -> list[DayRun]:
    """One course; with as many trials before those that are judged as all policies have."""
    every = _setup(profile)
    setup = dataclasses.replace(every.setup, seeds=(seed,))
    return list(run_days(dataclasses.replace(every, setup=setup, policies=parse_policies(policy))))


def _row(report: DaysReport, course: CourseReport) -> dict:
    paired = next((row.figures for row in report.paired if row.course == course.course), None)
    return {
        "drift": report.drift.profile,
        "policy": course.policy,
        "success": format_estimate(course.overall.success_rate, percent=True),
        "bit/s": format_estimate(course.overall.fitts_bits_per_s),
        "day 0": format_estimate(course.days[0].fitts_bits_per_s),
        f"day {DAYS - 1}": format_estimate(course.days[-1].fitts_bits_per_s),
        "half lost": ", ".join("never" if day is None else str(day) for day in course.bits_half_lost_days),
        "success, minus none": "-" if paired is None else format_estimate(paired.success_difference, True, True),
        "time (s), minus none": "-" if paired is None else format_estimate(paired.time_difference_s, sign=True),
    }


def _note(report: DaysReport) -> str:
    """The order of the policies, and the drift's own figures."""
    order = sorted(report.courses, key=lambda course: course.overall.fitts_bits_per_s.value)
    drift, last = report.drift, DAYS - 1
    return (
        f"Drift {drift.profile}, by bit rate: {' < '.join(course.policy for course in order)}. Kept on day {last}:"
        f" {drift.drawn_kept[last]:.0%} of the units, {drift.stated_kept[last]:.0%} stated; tuning similarity"
        f" {drift.drawn_similarity[last]:.2f}, {drift.stated_similarity[last]:.2f} stated."
    )
