"""What `spikeloop closedloop --days` prints for people."""

import math

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from spikeloop.streamer.closedloop.days.report import CourseReport, DaysReport, DriftReport, half_lost_in_words
from spikeloop.streamer.closedloop.results.difference import describe_paired
from spikeloop.streamer.closedloop.results.estimates import format_estimate
from spikeloop.streamer.commands.output import print_wrapped

__all__ = ["print_days"]

LEVELS = "▁▂▃▄▅▆▇█"


def print_days(report: DaysReport) -> None:
    """The figures of each course as a table, its course as a line of bars, and where the drift's values come from."""
    console = Console()
    seeds = "-".join(dict.fromkeys(str(seed) for seed in (*report.seeds[:1], *report.seeds[-1:])))
    each = f"{report.plan['trials']} trials of {report.task['name']} a day"
    print(f"{report.bundle}, user {report.user}, {each}, {report.days} days, seed {seeds}:")
    table = Table(Column("course", overflow="fold"), "success", "bit/s", "bit/s by day", "half lost",
                  box=None, pad_edge=False)  # fmt: skip
    rates = [day.fitts_bits_per_s.value for course in report.courses for day in course.days]
    most = max(filter(math.isfinite, rates), default=0.0)
    for course in report.courses:
        overall = course.overall
        cells = (format_estimate(overall.success_rate, percent=True), format_estimate(overall.fitts_bits_per_s))
        table.add_row(Text(course.course), *cells, _bars(course, most), _half(course))
    console.print(table)
    for row, verdict in zip(report.paired, report.verdicts("time"), strict=True):
        print_wrapped(f"{row.course} minus {row.baseline}: {describe_paired(row.figures)}", console.width)
        print_wrapped(verdict.sentence, console.width, "  ")
    for course in report.courses:
        print(f"FALCON, {course.course}: R2 held in {course.held_in}, held out {course.held_out}")
    _print_drift(report.drift)
    for failure in report.failures:
        print(failure)
    if report.interrupted:
        print("interrupted: figures are of what was done until then")
    print("FALCON: held in are days with a calibration, held out the others; mean over days and seeds")
    print("95 % intervals over all days; half lost: the day from which three days' mean bit rate is half of day 0's")


def _print_drift(drift: DriftReport) -> None:
    last = len(drift.stated_kept) - 1
    print(
        f"drift {drift.profile}: half of the units kept for {_days(drift.kept_half_life_days)}, tuning similarity half"
        f" after {_days(drift.similarity_half_life_days)}; on day {last} {drift.drawn_kept[last]:.0%} kept"
        f" ({drift.stated_kept[last]:.0%} stated), similarity {drift.drawn_similarity[last]:.2f}"
        f" ({drift.stated_similarity[last]:.2f} stated)"
    )
    for origin in drift.origins:
        values = ", ".join(f"{name} {drift.values[name]:g}" for name in origin["fields"])
        print(f"  {values}: {origin['source']}")


def _days(days: float) -> str:
    return f"{days:.1f} days" if math.isfinite(days) else "good"


def _half(course: CourseReport) -> str:
    return half_lost_in_words(course.bits_half_lost_day, course.worked, course.overall.successes)


def _bars(course: CourseReport, most: float) -> str:
    """A bar for each day's bit rate; a dash for a day without trials."""
    step = most / len(LEVELS) or 1.0
    rates = [day.fitts_bits_per_s.value for day in course.days]
    return "".join(LEVELS[min(int(rate / step), len(LEVELS) - 1)] if math.isfinite(rate) else "-" for rate in rates)
