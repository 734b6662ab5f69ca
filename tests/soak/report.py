"""The report of a soak: as JSON, as a page, and as a page of the documentation."""

import datetime
import json
import os
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spikeloop.exporters.documents import json_values
from tests.soak.campaign import Event
from tests.soak.schedule import RESOLUTION_S
from tests.soak.verdict import Finding, Verdict

__all__ = ["SoakReport", "repeat_command", "words"]


@dataclass(frozen=True)
class SoakReport:
    """What a soak did and found.

    Attributes
    ----------
    seed : int
    command : str
        That did it.
    lasted_s : float, s
    interrupted : bool
        Whether Ctrl-C ended it.
    events : tuple of Event
        The faults, in the order of time; the first is none.
    skipped : dict of str
        Why a kind of fault can't be had here.
    verdict : Verdict
    streams : dict
        Report of each stream, by its name.
    """

    seed: int
    command: str
    lasted_s: float
    interrupted: bool
    events: tuple[Event, ...]
    skipped: Mapping[str, str]
    verdict: Verdict
    streams: Mapping[str, Mapping[str, Any]]

    @property
    def faults(self) -> Sequence[Event]:
        """Events that are faults."""
        return [event for event in self.events if event.number]

    @property
    def kinds(self) -> Counter[str]:
        """How many faults there were of each kind."""
        return Counter(event.fault for event in self.faults)

    def to_dict(self) -> dict[str, Any]:
        """Return all of it, of what JSON holds."""
        found = json_values(asdict(self))
        made = {"date": f"{datetime.date.today():%Y-%m-%d}", "cores": os.cpu_count(), "machine": platform.machine()}
        return found | made | {"passed": not self.verdict.findings, "injected": dict(self.kinds)}

    def write(self, folder: Path) -> None:
        """Write soak.json and soak.html."""
        from tests.soak.page import soak_page

        (folder / "soak.json").write_text(json.dumps(self.to_dict(), indent=1) + "\n")
        (folder / "soak.html").write_bytes(soak_page(self))


def repeat_command(report: SoakReport, finding: Finding) -> str:
    """Return the command that repeats the fault before a finding."""
    only = f" --only {finding.number}" if finding.number else ""
    return f'make soak ARGS="--seed {report.seed}{only}"'


def words(report: SoakReport) -> str:
    """Say what was found, in a few lines."""
    verdict, faults = report.verdict, report.faults
    kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(report.kinds.items()))
    lines = [f"{report.lasted_s / 60:.1f} min, seed {report.seed}, {len(faults)} faults ({kinds or 'none'})"]
    lines += [f"skipped: {kind}, {why}" for kind, why in report.skipped.items()]
    bins = sum(entry.account.bins for entry in verdict.entries)
    missing = sum(entry.account.missing_bins for entry in verdict.entries)
    lines.append(
        f"{bins:,} bins at {len(verdict.entries)} consumers and lives; {missing:,} missing in between, each explained"
        " by a fault unless it is listed below"
    )
    if verdict.kept:
        worst = max(verdict.kept, key=lambda each: abs(each.ratio - 1))
        held = sum(each.holds for each in verdict.kept)
        lines.append(
            f"ratio of streamed to passed time: 1, to 1e-5 and a reading of {RESOLUTION_S * 1000:g} ms, after {held} of"
            f" {len(verdict.kept)} faults; furthest from 1 {worst.ratio:.7f}, after fault {worst.number}"
        )
    lines += [
        f"{each.program}: {each.flatness.rss_mb:.1f} MB, {each.flatness.growth_mb_h:+.2f} MB an hour over"
        f" {each.flatness.followed_s / 60:.1f} min, {each.flatness.descriptors:+d} descriptors,"
        f" {each.flatness.threads:+d} threads{'' if each.flatness.judged else ' (too short to judge)'}"
        for each in verdict.followed
        if each.ours
    ]
    lines += [
        f"{name} over MQTT: {mqtt['published']:,} messages published, {mqtt['dropped']:,} dropped,"
        f" {mqtt['unconfirmed']:,} unconfirmed, {mqtt['reconnects']} reconnects"
        for name, found in report.streams.items()
        if (mqtt := found.get("mqtt"))
    ]
    lines += [f"FOUND: {each.text}\n       again: {repeat_command(report, each)}" for each in verdict.findings]
    return "\n".join([*lines, "passed" if not verdict.findings else f"failed: {len(verdict.findings)} findings"])
