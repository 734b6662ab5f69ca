"""`make soak`: an hour of real processes under faults, and then whether every bin is accounted for."""

import shlex
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import tyro

from spikeloop.models.interrupts import interrupt_at_any_end
from tests.soak.campaign import Event, campaign
from tests.soak.days import soak_days
from tests.soak.documentation import write_documentation
from tests.soak.faults.registry import FAULTS
from tests.soak.judge import judged
from tests.soak.lab import Lab
from tests.soak.plan import planned
from tests.soak.report import SoakReport, words
from tests.support.places import REPOSITORY

RUNS = REPOSITORY / "runs" / "soak"
HOUR_MIN, QUICK_MIN = 60.0, 5.0


def main(
    minutes: Annotated[float | None, tyro.conf.arg(help="how long, by default an hour")] = None,
    quick: Annotated[bool, tyro.conf.arg(help="five minutes")] = False,
    seed: Annotated[int, tyro.conf.arg(help="of the faults and of the spikes")] = 0,
    only: Annotated[tuple[str, ...], tyro.conf.arg(help="kinds of faults, or numbers of the plan's faults")] = (),
    out: Annotated[Path, tyro.conf.arg(help="folder for soak.html, soak.json and what a failure leaves")] = RUNS,
    write: Annotated[bool, tyro.conf.arg(help="write docs/soak.md")] = False,
    days: Annotated[float | None, tyro.conf.arg(help="instead, so many simulated days, bit by bit")] = None,
    bundle: Annotated[str, tyro.conf.arg(help="bundle of these days")] = "retina",
) -> None:
    """Disturb a laboratory of real processes, and account for every bin; Ctrl-C ends it, with a report."""
    interrupt_at_any_end()
    out.mkdir(parents=True, exist_ok=True)
    try:
        if days is not None:
            sys.exit(not soak_days(days, bundle, seed, out))
        report = soak(60 * (minutes or (QUICK_MIN if quick else HOUR_MIN)), seed, only, out)
    except KeyboardInterrupt:  # before there was anything to report
        sys.exit(130)
    report.write(out)
    print(words(report), f"{out / 'soak.html'}", sep="\n")
    if write:
        write_documentation(report)
    sys.exit(130 if report.interrupted else bool(report.verdict.findings))


def soak(duration_s: float, seed: int, only: tuple[str, ...], out: Path) -> SoakReport:
    """Run the laboratory under faults, and judge what it left; Ctrl-C ends the faults, not the judgement."""
    unknown = [each for each in only if not each.isdecimal() and each not in FAULTS]
    if unknown:
        sys.exit(f"--only: expected {', '.join(FAULTS)}, or numbers of faults, found {', '.join(unknown)}")
    events: list[Event] = []
    began_s, interrupted = time.monotonic(), False
    folder = Path(tempfile.mkdtemp(prefix="soak-", dir=out))
    with Lab(folder, seed) as lab:
        skipped = {kind: why for kind, fault in FAULTS.items() if (why := fault.why_not(lab))}
        for kind, why in skipped.items():
            print(f"skipped: {kind}, {why}")
        if only and set(only) <= set(skipped):
            sys.exit("--only: none of these faults can be had here")
        try:
            campaign(lab, planned(seed, list(FAULTS), only), duration_s, _show, events.append)
        except KeyboardInterrupt:
            interrupted = True
            _show("Ctrl-C: ending all programs, then the report of what was seen")
        lasted_s = time.monotonic() - began_s
        lab.finish()
        verdict = judged(lab, events)
        if verdict.findings:  # its disk goes with the laboratory
            shutil.copytree(lab.disk.folder, folder / "recordings", dirs_exist_ok=True)
        streams = {name: lab.programs[name].life.report for name in ("stream-steady", "stream-mortal")}
    if not verdict.findings:
        shutil.rmtree(folder)
    command = f"make soak ARGS={shlex.quote(shlex.join(sys.argv[1:]))}"
    return SoakReport(seed, command, lasted_s, interrupted, tuple(events), skipped, verdict, streams)


def _show(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    tyro.cli(main)
