"""`spikeloop.closed_loop_days`: decoders over many days, called from Python as from the command line."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from spikeloop.exporters.documents import json_values
from spikeloop.models.decoders.spec import Decoders
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.html import ShownAsTable, Table
from spikeloop.models.scalars import checked_whole
from spikeloop.models.whole_file import file_path
from spikeloop.streamer.closedloop.closed_loop import open_setup
from spikeloop.streamer.closedloop.days.days import MOST_DAYS, DayRun, DaysSetup, check_days, run_days
from spikeloop.streamer.closedloop.days.policies import parse_policies
from spikeloop.streamer.closedloop.days.profiles import DriftProfile, parse_profile
from spikeloop.streamer.closedloop.days.report import DaysReport, days_report
from spikeloop.streamer.closedloop.results.repeat import repeat_of

__all__ = ["DaysResult", "IncompleteDaysError", "closed_loop_days", "open_days", "run_days_setup"]

DAYS, DRIFT, POLICIES = 30, "units", ("none", "daily", "stabilize", "refit")


@dataclass(frozen=True, eq=False, repr=False)
class DaysResult(ShownAsTable):
    """What decoders and policies came to over days.

    Attributes
    ----------
    report : DaysReport
        All figures with their intervals.
    days : DaysSetup
        What was asked for.
    runs : tuple of DayRun
        Every day's trials and events.
    """

    report: DaysReport
    days: DaysSetup
    runs: tuple[DayRun, ...]

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended it; then the figures are of what was done until then."""
        return self.report.interrupted

    def to_dict(self) -> dict[str, Any]:
        """Return the report as `spikeloop closedloop --days N --json` prints it, with None for NaN and infinity."""
        return json_values(dataclasses.asdict(self.report))

    def write_report(self, path: str | Path, written: datetime | None = None) -> None:
        """Write the report as an HTML page with plots and tables.

        Raises
        ------
        BadInputError
            If the path doesn't end in .html.
        FailureError
            If Matplotlib is not installed, or the disk refuses.
        """
        from spikeloop.streamer.closedloop.days.page import write_days_page

        write_days_page(file_path("--report", path, ".html"), self.report, written)

    def _table(self) -> Table:
        return self.report.table()


class IncompleteDaysError(FailureError):
    """A course of days ended before its last day.

    Attributes
    ----------
    result : DaysResult
        Of what was done until then.
    """

    def __init__(self, message: str, result: DaysResult) -> None:
        super().__init__(message)
        self.result = result


def closed_loop_days(
    decoders: Decoders,
    *,
    days: int = DAYS,
    drift: str | DriftProfile = DRIFT,
    policies: str | Sequence[Any] = POLICIES,
    **options: Any,
) -> DaysResult:
    """Test decoders in a closed loop over many days, while the population drifts.

    On day 0 the decoder is calibrated. From day to day units are lost and found, rates and preferred directions
    wander, and a policy says what is done about it. Every course has the same drift and the same targets.

    Parameters
    ----------
    decoders : dict by name, sequence, or str
        As of `closed_loop`.
    days : int, 1 to 1000, default 30
    drift : str or DriftProfile, default "units"
        "units" (sorted single units), "channels" (threshold crossings) or "steady" (no drift), also with values
        changed, such as "units,kept_half_life_days=10"; see `spikeloop.DriftProfile`.
    policies : sequence or str, default ("none", "daily", "stabilize", "refit")
        "none", "daily" (a calibration each day), "refit:TRIALS" (fitted to the velocity intended in the day's first
        trials, 32 by default), "stabilize:TRIALS" (without labels: factor analysis, aligned); or of the caller's
        own, a class or function that makes an object with `relearn(decoder, block, gain)`.
    **options
        As of `closed_loop`: bundle, task, user, trials, seeds, calibration_s, gain, smoothing, decoder_bin_s,
        perturbations, units, device. Trials are those of each day that are judged, after as many as the policy needs
        that needs most, under every policy; a calibration is as long on each day that begins with one.

    Returns
    -------
    DaysResult
        With `interrupted` where Ctrl-C ended it after a day had begun.

    Raises
    ------
    BadInputError
        If something can't be; before any day runs.
    IncompleteDaysError
        If a course ended before its last day; its `result` holds what was done.
    FailureError
        If a decoder, user or policy of the caller's own can't be made.

    Examples
    --------
    >>> import spikeloop
    >>> result = spikeloop.closed_loop_days("kalman", days=3, policies=["none", "refit:8"], trials=8, calibration_s=60)
    >>> [course.policy for course in result.report.courses]
    ['none', 'refit:8']
    """
    return run_days_setup(open_days(decoders, days=days, drift=drift, policies=policies, **options))


def open_days(
    decoders: Decoders,
    *,
    days: int = DAYS,
    drift: str | DriftProfile = DRIFT,
    policies: str | Sequence[Any] = POLICIES,
    **options: Any,
) -> DaysSetup:
    """Check and parse what `closed_loop_days` was given; parameters and errors are the same."""
    days = checked_whole("--days", days, 1, MOST_DAYS)
    profile = parse_profile(drift)
    if options.get("recalibrate_after"):
        raise BadInputError("--recalibrate: expected 0 with --days, where policies learn; give --policy refit:TRIALS")
    setup = open_setup(decoders, **options)
    specs = parse_policies(policies, setup.in_process, setup.limits)
    plan = dataclasses.replace(setup.plan, recalibrate_after=max(spec.warm_up for spec in specs))
    found = DaysSetup(dataclasses.replace(setup, plan=plan), days, profile, specs)
    check_days(found)
    return found


def run_days_setup(days: DaysSetup, on_day: Callable[[DayRun], None] = lambda run: None) -> DaysResult:
    """Run all courses of a setup.

    Parameters
    ----------
    days : DaysSetup
    on_day : callable (DayRun) -> None
        Called after each day.

    Raises
    ------
    BadInputError, FailureError, IncompleteDaysError
        As of `closed_loop_days`.
    KeyboardInterrupt
        If Ctrl-C came before the first day's end.
    """
    runs, interrupted = [], False
    try:
        for run in run_days(days):
            runs.append(run)
            on_day(run)
    except KeyboardInterrupt:
        if not runs:
            raise
        interrupted = True
    result = DaysResult(days_report(days, runs, command=_command(days), interrupted=interrupted), days, tuple(runs))
    if result.report.failures and not result.interrupted:
        failures = "; ".join(result.report.failures)
        raise IncompleteDaysError(f"ended before the last day: {failures}; the report is of what was done", result)
    return result


def _command(days: DaysSetup) -> str:
    """What repeats the comparison: a command, or the call in Python where the command line can't say it."""
    setup = dataclasses.replace(days.setup, plan=dataclasses.replace(days.setup.plan, recalibrate_after=0))
    once, policies = repeat_of(setup), [policy.name for policy in days.policies]
    if once.startswith("spikeloop closedloop "):
        return f"{once} --days {days.days} --drift {days.profile.name} --policy {' '.join(policies)}"
    drift = f"days={days.days}, drift={days.profile.name!r}, policies={policies})"
    return f"{once.replace('closed_loop(', 'closed_loop_days(', 1).removesuffix(')')}, {drift}"
