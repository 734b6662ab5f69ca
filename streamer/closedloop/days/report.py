"""What decoders and policies come to over days, of the seeds alone."""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spikeloop.models.arrays import Floats
from spikeloop.models.decoders.spec import KINDS, DecoderSpec
from spikeloop.models.html import Table, text_columns
from spikeloop.models.measures.falcon_scores import SessionScores, session_scores
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.streamer.closedloop.days.days import DayRun, DaysSetup, drift_of
from spikeloop.streamer.closedloop.days.drift import (
    kept_share,
    stated_kept_share,
    stated_similarity,
    stated_similarity_half_life_days,
    tuning_similarity,
)
from spikeloop.streamer.closedloop.experiment.record import Trial
from spikeloop.streamer.closedloop.results.difference import DecoderDifference, Measure, differences_of
from spikeloop.streamer.closedloop.results.estimates import Estimate, format_estimate
from spikeloop.streamer.closedloop.results.judged import at_same_places, judged_of
from spikeloop.streamer.closedloop.results.paired_statistics import Paired, paired_figures
from spikeloop.streamer.closedloop.results.trial_statistics import Figures, figures_of

__all__ = ["CourseReport", "DayFigures", "DaysReport", "DriftReport", "days_report", "half_lost", "half_lost_in_words"]

OVER_DAYS = 3  # that a decoder has to be below half, on average, so that one bad day is no loss


@dataclass(frozen=True)
class DayFigures:
    """A day of a course, of all seeds; see `Figures`."""

    day: int
    trials: int
    success_rate: Estimate
    time_to_target_s: Estimate
    fitts_bits_per_s: Estimate


@dataclass(frozen=True)
class CourseReport:
    """A decoder under a policy, over all days and seeds.

    Attributes
    ----------
    course, decoder, policy, does : str
    overall : Figures
        Of all days together.
    days : tuple of DayFigures
    success_half_lost_day, bits_half_lost_day : int or None
        See `half_lost`; of all seeds together.
    bits_half_lost_days : tuple of int or None
        The same of each seed.
    worked, worked_by_seed : bool, tuple of bool
        Whether it acquired a target on day 0, so that there is something to lose.
    held_in, held_out : SessionScores
        Scores of the FALCON challenge, of days that began with a calibration and of the others: R2 of velocities that
        were decoded while the user only watched. Of a decoder that had learned elsewhere, all days are held out.
    failures : tuple of str
        Of seeds whose course ended before its last day.
    """

    course: str
    decoder: str
    policy: str
    does: str
    overall: Figures
    days: tuple[DayFigures, ...]
    success_half_lost_day: int | None
    bits_half_lost_day: int | None
    bits_half_lost_days: tuple[int | None, ...]
    worked: bool
    worked_by_seed: tuple[bool, ...]
    held_in: SessionScores
    held_out: SessionScores
    failures: tuple[str, ...]


@dataclass(frozen=True)
class CourseDifference:
    """A course minus the first one, over the same trials of all days and seeds."""

    course: str
    baseline: str
    figures: Paired


@dataclass(frozen=True)
class DriftReport:
    """The drift: what its profile states, and what was drawn, the mean over seeds.

    Attributes
    ----------
    profile : str
    values : dict of float
    origins : tuple of dict
        The source of the values.
    kept_half_life_days, similarity_half_life_days : float, days
        Stated; infinite where nothing is lost, or not half of it.
    stated_kept, drawn_kept, stated_similarity, drawn_similarity : tuple of float, one a day
        Share of units that are still recorded, and mean cosine of the turn of tuning.
    """

    profile: str
    values: dict[str, float]
    origins: tuple[dict[str, Any], ...]
    kept_half_life_days: float
    similarity_half_life_days: float
    stated_kept: tuple[float, ...]
    drawn_kept: tuple[float, ...]
    stated_similarity: tuple[float, ...]
    drawn_similarity: tuple[float, ...]


@dataclass(frozen=True)
class DaysReport:
    """Courses of days compared.

    Attributes
    ----------
    command : str
        That gives it again.
    plan : dict
        Of each day; `warm_up` trials come before those that are judged.
    """

    command: str
    bundle: str
    sha256: str
    task: dict[str, Any]
    user: str
    plan: dict[str, Any]
    seeds: tuple[int, ...]
    days: int
    drift: DriftReport
    courses: tuple[CourseReport, ...]
    paired: tuple[CourseDifference, ...]
    interrupted: bool

    @property
    def failures(self) -> tuple[str, ...]:
        """Of all courses, each in a line."""
        return tuple(f"{course.course}, {failure}" for course in self.courses for failure in course.failures)

    def verdicts(self, measure: Measure) -> list[DecoderDifference]:
        """Judge each difference by one measure, as those of decoders are judged; corrected over all of them."""
        return differences_of([(row.course, row.baseline, row.figures) for row in self.paired], measure, "courses")

    def table(self) -> Table:
        """The figures of each course, in words."""
        about = f"{self.bundle}, {self.days} days of drift {self.drift.profile}, seeds {list(self.seeds)}; 95 %"
        columns = ("course", "success", "day 0", f"day {self.days - 1}", "bit/s", "half of the bit rate lost")
        return f"{about} intervals", columns, [_cells(course) for course in self.courses]

    def __str__(self) -> str:
        return text_columns(*self.table())


def days_report(days: DaysSetup, runs: Sequence[DayRun], *, command: str, interrupted: bool = False) -> DaysReport:
    """Make the report of the days that were run, whether or not these are all.

    Parameters
    ----------
    days : DaysSetup
    runs : sequence of DayRun
    command : str
        That repeats the comparison.
    interrupted : bool, default False
        Whether Ctrl-C ended it between days.
    """
    setup, plan = days.setup, days.setup.plan
    names = [course.name for course in days.courses if any(run.course == course.name for run in runs)]
    return DaysReport(
        command=command,
        bundle=setup.loaded.card.name,
        sha256=setup.loaded.sha256,
        task={"name": plan.task.name} | vars(plan.task),
        user=setup.user.name,
        plan={name: getattr(plan, name) for name in ("trials", "calibration_s", "gain", "smoothing", "decoder_bins")}
        | {"warm_up": plan.recalibrate_after},
        seeds=tuple(dict.fromkeys(run.seed for run in runs)),
        days=days.days,
        drift=_drift(days),
        courses=tuple(_course(days, name, [run for run in runs if run.course == name]) for name in names),
        paired=tuple(_difference(days, name, names[0], runs) for name in names[1:]),
        interrupted=interrupted or any(run.record.interrupted for run in runs),
    )


def half_lost(values: Sequence[float]) -> int | None:
    """The first day from which on the mean over three days is at most half of day 0's value.

    Near the end, the mean is over the days that are left. None where there is no such day, and where day 0's value is 0
    or none, of which nothing can be lost.
    """
    if not values[0] > 0:
        return None
    for day in range(1, len(values)):
        if np.mean(values[day : day + OVER_DAYS]) <= values[0] / 2:
            return day
    return None


def half_lost_in_words(day: int | None, worked: bool, successes: int = 1) -> str:
    """Say from which day on half is lost; or that there was nothing to lose.

    Parameters
    ----------
    day : int or None
        As of `half_lost`.
    worked : bool
        Whether it acquired a target on day 0.
    successes : int, default 1
        On all days.
    """
    if not worked:
        return "did not work on day 0" if successes else "never worked"
    return "never" if day is None else f"from day {day} on"


def _course(days: DaysSetup, name: str, runs: Sequence[DayRun]) -> CourseReport:
    (course,) = [course for course in days.courses if course.name == name]
    by_seed = {seed: [run for run in runs if run.seed == seed] for seed in dict.fromkeys(run.seed for run in runs)}
    figures = [
        _figures(days, [_judged([run]) for run in runs if run.day == day]) for day in range(max(_days(runs)) + 1)
    ]
    bits_of_seeds = [
        [_figures(days, [_judged([run])]).fitts_bits_per_s.value for run in own] for own in by_seed.values()
    ]
    return CourseReport(
        course=name,
        decoder=course.decoder,
        policy=course.policy.name,
        does=course.policy.does,
        overall=_figures(days, [_judged(own) for own in by_seed.values()]),
        days=tuple(
            DayFigures(day, each.trials, each.success_rate, each.time_to_target_s, each.fitts_bits_per_s)
            for day, each in enumerate(figures)
        ),
        success_half_lost_day=half_lost([each.success_rate.value for each in figures]),
        bits_half_lost_day=half_lost([each.fitts_bits_per_s.value for each in figures]),
        bits_half_lost_days=tuple(map(half_lost, bits_of_seeds)),
        **_falcon(days.setup.decoders[course.decoder], runs),
        worked=figures[0].success_rate.value > 0,
        worked_by_seed=tuple(bits[0] > 0 for bits in bits_of_seeds),
        failures=tuple(f"seed {run.seed}, day {run.day}: {run.record.failure}" for run in runs if run.record.failure),
    )


def _falcon(spec: DecoderSpec, runs: Sequence[DayRun]) -> dict[str, SessionScores]:
    scored = [(run, run.record.offline.variance_weighted) for run in runs if run.record.offline is not None]
    had_learned = spec.kind in KINDS and KINDS[spec.kind].had_learned
    return {
        name: session_scores(score for run, score in scored if (run.calibrated and not had_learned) == learned)
        for name, learned in (("held_in", True), ("held_out", False))
    }


def _days(runs: Iterable[DayRun]) -> list[int]:
    return [run.day for run in runs]


def _judged(runs: Iterable[DayRun]) -> list[Trial]:
    return [trial for run in runs for trial in judged_of(run.record, forfeited=run.forfeited)]


def _figures(days: DaysSetup, sessions: Sequence[Sequence[Trial]]) -> Figures:
    plan = days.setup.plan
    size_s, task = days.setup.loaded.card.bin_size_s, plan.task
    return figures_of(sessions, size_s, task.timeout_s, _random(days), task.choices)


def _difference(days: DaysSetup, course: str, baseline: str, runs: Sequence[DayRun]) -> CourseDifference:
    """Over the trials that both had; a seed's days belong together."""
    sides = (
        {(run.seed, run.day, trial.index): trial for run in runs if run.course == name for trial in _judged([run])}
        for name in (course, baseline)
    )
    one, other = at_same_places(*sides)
    bin_size_s, timeout_s = days.setup.loaded.card.bin_size_s, days.setup.plan.task.timeout_s
    return CourseDifference(course, baseline, paired_figures(one, other, bin_size_s, timeout_s))


def _drift(days: DaysSetup) -> DriftReport:
    profile, every = days.profile, [drift_of(days, seed) for seed in days.setup.seeds]
    return DriftReport(
        profile=profile.name,
        values=profile.values,
        origins=tuple(map(dataclasses.asdict, profile.origins)),
        kept_half_life_days=profile.kept_half_life_days,
        similarity_half_life_days=stated_similarity_half_life_days(profile),
        stated_kept=tuple(stated_kept_share(profile, day) for day in range(days.days)),
        drawn_kept=_mean([kept_share(states) for states in every]),
        stated_similarity=tuple(stated_similarity(profile, day) for day in range(days.days)),
        drawn_similarity=_mean([tuning_similarity(states) for states in every]),
    )


def _mean(of_seeds: Sequence[Floats]) -> tuple[float, ...]:
    return tuple(np.mean(of_seeds, axis=0).tolist())


def _random(days: DaysSetup) -> np.random.Generator:
    """Anew for each figure, so that none depends on which others there are."""
    return random_stream(days.setup.seeds[0], Purpose.TRIAL_BOOTSTRAP)


def _cells(course: CourseReport) -> list[str]:
    last = course.days[-1]
    return [
        course.course,
        format_estimate(course.overall.success_rate, percent=True),
        format_estimate(course.days[0].success_rate, percent=True),
        format_estimate(last.success_rate, percent=True),
        format_estimate(course.overall.fitts_bits_per_s),
        half_lost_in_words(course.bits_half_lost_day, course.worked, course.overall.successes),
    ]
