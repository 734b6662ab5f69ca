"""Courses of days: each decoder under each policy, over the same drift, with the same targets."""

import dataclasses
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from spikeloop.models.decoders.binned import Binned
from spikeloop.models.decoders.spec import DecoderSpec
from spikeloop.models.errors import BadInputError, SpikeloopError
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.streamer.closedloop.comparison import assemble_loop, hosted_decoder, local_user
from spikeloop.streamer.closedloop.days.drift import DayState, draw_drift
from spikeloop.streamer.closedloop.days.policies import Policy, PolicySpec
from spikeloop.streamer.closedloop.days.population import DriftingPopulation
from spikeloop.streamer.closedloop.days.profiles import DriftProfile
from spikeloop.streamer.closedloop.experiment.forfeits import forfeited_trials
from spikeloop.streamer.closedloop.experiment.plan import Plan
from spikeloop.streamer.closedloop.experiment.record import SessionRecord, Trial
from spikeloop.streamer.closedloop.experiment.session import HELD_OUT, run_session
from spikeloop.streamer.closedloop.setup import Setup, check_setup

__all__ = ["Course", "DayRun", "DaysSetup", "check_days", "drift_of", "run_days"]

MOST_DAYS = 1000


@dataclass(frozen=True, eq=False)
class DaysSetup:
    """What is compared over days.

    Attributes
    ----------
    setup : Setup
        Decoders, seeds and each day's plan; `recalibrate_after` is the trials of each day that are not judged.
    days : int >= 1
    profile : DriftProfile
    policies : tuple of PolicySpec
        The others are compared with the first.
    """

    setup: Setup
    days: int
    profile: DriftProfile
    policies: tuple[PolicySpec, ...]

    @property
    def courses(self) -> tuple["Course", ...]:
        """Every decoder under every policy."""
        return tuple(
            Course(name, policy, f"{name}, {policy.name}") for name in self.setup.decoders for policy in self.policies
        )


@dataclass(frozen=True)
class Course:
    """A decoder under a policy; `name` is its label in reports."""

    decoder: str
    policy: PolicySpec
    name: str


@dataclass(frozen=True, eq=False)
class DayRun:
    """A day of a course, without its bins.

    Attributes
    ----------
    course : str
    seed, day : int
    record : SessionRecord
    calibrated : bool
        Whether it began with a calibration.
    forfeited : tuple of Trial
        That never began because the decoder or the policy had failed, on that day or before; they count as failures.
    """

    course: str
    seed: int
    day: int
    record: SessionRecord
    calibrated: bool = False
    forfeited: tuple[Trial, ...] = ()


def check_days(days: DaysSetup) -> None:
    """Check, before any day runs, that all can.

    Raises
    ------
    BadInputError, FailureError
        As of `check_setup`; or if a decoder or the setup can't be followed over days.
    """
    setup = days.setup
    if setup.clock != "simulated":
        raise BadInputError("--days: expected --clock simulated, as a real clock would need real days")
    if not 1 <= days.days <= MOST_DAYS:
        raise BadInputError(f"--days: expected 1 to {MOST_DAYS}, found {days.days}")
    check_setup(setup)
    DriftingPopulation(setup.loaded, setup.device)
    for course in days.courses:
        spec = setup.decoders[course.decoder]
        if not setup.plan.calibration_s:
            raise BadInputError("--calibration: expected 10 s or more with --days, as day 0 begins with it; found 0")
        if course.policy.of_latents and not _learns(spec):
            raise BadInputError(
                f"--policy {course.policy.name}: expected decoders that are fitted to latents, found {spec.name};"
                " choose one that learns from the calibration, such as kalman or ridge"
            )


def _learns(spec: DecoderSpec) -> bool:
    return spec.needs_calibration or spec.kind == "object"


def drift_of(days: DaysSetup, seed: int) -> tuple[DayState, ...]:
    """Draw the drift of a seed, the same for all courses."""
    channels = len(days.setup.loaded.card.unit_names)
    return draw_drift(days.profile, channels, days.days, random_stream(seed, Purpose.DRIFT_OVER_DAYS))


def run_days(days: DaysSetup) -> Iterator[DayRun]:
    """Run all courses, seed after seed, day after day; one that fails ends there, and the others go on.

    Of the days that a decoder or a policy that failed never began, the trials are forfeited.

    Raises
    ------
    BadInputError, FailureError
        If the setup can't be (before any day runs), or a course can't begin.
    """
    check_days(days)
    for seed in days.setup.seeds:
        drift = drift_of(days, seed)
        for course in days.courses:
            for run in _run_course(days, course, seed, drift):
                yield run
                if run.record.interrupted:
                    return


def _run_course(days: DaysSetup, course: Course, seed: int, drift: tuple[DayState, ...]) -> Iterator[DayRun]:
    """One user and one decoder, which both go on from day to day."""
    setup = days.setup
    population = DriftingPopulation(setup.loaded, setup.device)
    with ExitStack() as opened:
        made = hosted_decoder(opened, setup, setup.spec_of(course.decoder), seed)
        loop = assemble_loop(setup, population, local_user(setup, seed), made, seed)
        bins = setup.plan.decoder_bins
        try:
            policy = course.policy.make()
            opened.callback(policy.close)
            decoder = policy.wrap(Binned(loop.decoder, bins) if bins > 1 else loop.decoder)
        except SpikeloopError as error:
            yield from _forfeited_days(days, course, seed, range(len(drift)), str(error))
            return
        for day, state in enumerate(drift):
            try:
                plan = _plan_of(setup.plan, policy, seed, day)
            except SpikeloopError as error:
                yield from _forfeited_days(days, course, seed, range(day, len(drift)), str(error))
                return
            population.begin_day(state, plan.seed)
            record = run_session(plan, loop.population, loop.user, decoder, relearn=policy.relearn)
            kept, calibrated = dataclasses.replace(record, blocks=()), plan.calibration_s > 0
            yield DayRun(course.name, seed, day, kept, calibrated, forfeited_trials(plan, record))
            if record.decoder_failed:
                yield from _forfeited_days(days, course, seed, range(day + 1, len(drift)))
            if record.failure:
                return


def _forfeited_days(days: DaysSetup, course: Course, seed: int, left: range, failure: str = "") -> Iterator[DayRun]:
    """The days that a course never began because its decoder or policy failed; the first has the reason, if any."""
    for day in left:
        plan = dataclasses.replace(days.setup.plan, seed=_day_seed(seed, day))
        said = failure if day == left[0] else ""
        never = SessionRecord(days.setup.loaded.card.bin_size_s, (), (), (), None, said, decoder_failed=True)
        yield DayRun(course.name, seed, day, never, forfeited=forfeited_trials(plan, never))


def _day_seed(seed: int, day: int) -> int:
    """A seed of its own; that of day 0 is the course's."""
    return int(random_stream(seed, Purpose.DAY_SEEDS, day).integers(2**62)) if day else seed


def _plan_of(plan: Plan, policy: Policy, seed: int, day: int) -> Plan:
    """The plan of a day."""
    own = _day_seed(seed, day)
    calibration_s = plan.calibration_s if day == 0 or policy.calibrates(day) else 0.0
    scored_s = 0.0 if calibration_s else HELD_OUT * plan.calibration_s
    return dataclasses.replace(plan, seed=own, calibration_s=calibration_s, scored_s=scored_s, decoder_bins=1)
