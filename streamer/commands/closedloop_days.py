"""`spikeloop closedloop --days`: the part of the command that follows decoders over days."""

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from rich.progress import Progress

from spikeloop.models.errors import INTERRUPTED, BadInputError
from spikeloop.streamer.closedloop.days.closed_loop_days import (
    DaysResult,
    IncompleteDaysError,
    open_days,
    run_days_setup,
)
from spikeloop.streamer.closedloop.days.days import DayRun, DaysSetup
from spikeloop.streamer.commands.output import SideConsole, print_json
from spikeloop.streamer.commands.results.closedloop_days import print_days

__all__ = ["follow_over_days"]


def follow_over_days(
    decoder: tuple[str, ...],
    days: int,
    drift: str,
    policy: tuple[str, ...],
    save: Path | None,
    report: Path | None,
    json: bool,
    **options: Any,
) -> int:
    """Run the command with `--days`; options are those of `open_setup`."""
    if save is not None:
        raise BadInputError("--save: expected none with --days, of which no bins are kept; leave it out")
    setup = open_days(decoder, days=days, drift=drift, policies=policy, **options)
    error = None
    try:
        result = _run(setup)
    except KeyboardInterrupt:
        return INTERRUPTED
    except IncompleteDaysError as incomplete:
        result, error = incomplete.result, incomplete
    _write(result, report, json)
    if result.interrupted:
        return INTERRUPTED
    if error is not None:
        raise error
    return 0


def _run(setup: DaysSetup) -> DaysResult:
    """Run all days with a progress bar; what the user's own code prints goes to stderr."""
    with Progress(console=SideConsole(), transient=True) as progress, redirect_stdout(sys.stderr):
        task = progress.add_task("day 0", total=len(setup.setup.seeds) * len(setup.courses) * setup.days)

        def show(run: DayRun) -> None:
            progress.update(task, advance=1, description=f"{run.course}, seed {run.seed}: day {run.day}")

        return run_days_setup(setup, show)


def _write(result: DaysResult, report: Path | None, json: bool) -> None:
    """Write the page, then print: whoever reads stdout may be gone."""
    try:
        if report is not None:
            result.write_report(report)
    finally:
        if json:
            print_json(result.to_dict())
        else:
            print_days(result.report)
    if report is not None and not json:
        print(f"report: {report}")
