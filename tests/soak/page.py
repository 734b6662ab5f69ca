"""The report of a soak as one self-contained page."""

from collections.abc import Iterator

import numpy as np

from spikeloop.exporters.pages.drawing import FAINT, MODEL, Axes, draw, draw_wide
from spikeloop.exporters.pages.shell import Markup, details, facts, figures, fill, page, panel, panels, section, table
from tests.soak.campaign import Event
from tests.soak.faults.registry import FAULTS
from tests.soak.report import SoakReport, repeat_command
from tests.soak.verdict import Entry, Followed

__all__ = ["soak_page"]


def soak_page(report: SoakReport) -> bytes:
    """Make the page, UTF-8."""
    verdict = report.verdict
    state = "passed" if not verdict.findings else f"failed, {len(verdict.findings)} findings"
    return page(
        f"Soak of {report.lasted_s / 60:.0f} min, seed {report.seed}",
        figures(_figures(report)),
        section("Findings", _findings(report)),
        section("Faults by kind", _kinds(report)),
        section("Schedule", _schedule(report)),
        section("Bins", _bins(report)),
        section("Memory, descriptors, threads", _memory(report)),
        section("Every fault", details(f"All {len(report.faults)}", _faults(report))),
        section("How it was made", facts([("command", report.command), ("ended by Ctrl-C", report.interrupted)])),
        kind="soak",
        lead=f"{state}: {len(report.faults)} faults in {report.lasted_s / 60:.1f} minutes",
    )


def _figures(report: SoakReport) -> Iterator[tuple[object, object]]:
    verdict = report.verdict
    yield len(report.faults), "faults"
    yield f"{sum(entry.account.bins for entry in verdict.entries):,}", "bins received"
    yield (
        f"{sum(entry.account.missing_bins for entry in verdict.entries):,}",
        "missing, explained by faults",
    )
    if verdict.kept:
        yield f"{max(abs(each.ratio - 1) for each in verdict.kept):.1e}", "largest deviation of the ratio from 1"


def _findings(report: SoakReport) -> Markup:
    if not report.verdict.findings:
        return fill("<p>{}</p>", "None: all is as it should be.")
    rows = ((each.text, each.number or "", repeat_command(report, each)) for each in report.verdict.findings)
    return table(("what", "after fault", "again"), rows)


def _kinds(report: SoakReport) -> Markup:
    rows = (
        (kind, fault.about, report.kinds.get(kind, 0), report.skipped.get(kind, "")) for kind, fault in FAULTS.items()
    )
    return table(("kind", "what happens", "injected", "skipped, because"), rows)


def _schedule(report: SoakReport) -> Markup:
    kept = report.verdict.kept
    if not kept:
        return Markup()
    minutes, off = [each.passed_s / 60 for each in kept], [(each.ratio - 1) * 1e6 for each in kept]

    def paint(axis: Axes) -> None:
        bound = np.array([10 + 2000 / (60 * minute) for minute in minutes])
        axis.plot(minutes, bound, color=FAINT, linewidth=0.8)
        axis.plot(minutes, -bound, color=FAINT, linewidth=0.8)
        axis.plot(minutes, off, ".", color=MODEL)
        axis.set(xlabel="minutes", ylabel="ratio - 1 (millionths)")

    note = (
        "Streamed over passed time after each fault; between the lines it is 1, to 1e-5 and 2 ms of reading the clock."
    )
    return panel("steady stream", draw_wide(lambda width: draw(paint, width)), note, whole=True)


def _bins(report: SoakReport) -> Markup:
    headings = (
        "stream", "run", "consumer", "life", "received", "before", "missing", "counted", "after", "twice", "disordered",
        "wrong",
    )  # fmt: skip
    return table(headings, map(_row, report.verdict.entries))


def _row(entry: Entry) -> tuple[object, ...]:
    found, counted = entry.account, "" if entry.counted is None else entry.counted
    return (
        entry.stream, entry.run, entry.consumer, entry.life, f"{found.bins:,}", entry.before, found.missing_bins,
        counted, entry.after, found.doubled, found.disordered, found.wrong,
    )  # fmt: skip


def _memory(report: SoakReport) -> Markup:
    return fill("{}{}", panels(*map(_memory_panel, filter(_is_shown, report.verdict.followed))), _memory_table(report))


def _is_shown(each: Followed) -> bool:
    return each.ours and bool(each.course)


def _memory_panel(each: Followed) -> Markup:
    minutes, megabytes = [at.at_s / 60 for at in each.course], [at.rss_bytes / 1e6 for at in each.course]

    def paint(axis: Axes) -> None:
        axis.plot(minutes, megabytes, color=MODEL, linewidth=1.2)
        axis.set(xlabel="minutes since its start", ylabel="memory (MB)", ylim=(0, 1.2 * max(megabytes)))

    return panel(each.program, draw(paint))


def _memory_table(report: SoakReport) -> Markup:
    rows = (
        (
            each.program, f"{each.flatness.followed_s / 60:.1f}", f"{each.flatness.rss_mb:.1f}",
            f"{each.flatness.growth_mb_h:+.2f}", f"{each.flatness.descriptors:+d}", f"{each.flatness.threads:+d}",
            ("yes" if each.flatness.judged else "too short") if each.ours else "not ours",
        )
        for each in report.verdict.followed
    )  # fmt: skip
    headings = ("program", "minutes after warm-up", "MB", "MB an hour", "descriptors", "threads", "judged")
    return table(headings, rows)


def _settled(event: Event) -> str:
    return f"{event.settled_s - event.ended_s:.1f}" if np.isfinite(event.settled_s) else "-"


def _faults(report: SoakReport) -> Markup:
    began_s = report.events[0].began_s if report.events else 0.0
    rows = (
        (
            event.number,
            event.fault,
            f"{event.began_s - began_s:.1f}",
            event.what,
            _settled(event),
        )
        for event in report.faults
    )
    return table(("number", "kind", "at (s)", "what", "settled after (s)"), rows)
