"""Courses over days as one self-contained page: success and bit rate by day, differences, and the drift."""

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from spikeloop.exporters.pages.drawing import FAINT, MODEL, SERIES, Axes, draw
from spikeloop.exporters.pages.origin import Origin, made_by
from spikeloop.exporters.pages.shell import (
    Markup,
    Section,
    fill,
    item_list,
    join,
    legend,
    page,
    panel,
    panels,
    section,
    table,
)
from spikeloop.models.whole_file import whole_file
from spikeloop.streamer.closedloop.days.report import (
    CourseReport,
    DayFigures,
    DaysReport,
    DriftReport,
    half_lost_in_words,
)
from spikeloop.streamer.closedloop.results.estimates import Estimate, format_estimate

__all__ = ["write_days_page"]

COLOURS, NAMES = list(SERIES.values()), list(SERIES)


def write_days_page(path: Path, report: DaysReport, written: datetime | None = None) -> None:
    """Write the page, whole or not at all; the same courses give the same page.

    Parameters
    ----------
    path : Path
        File that is replaced; folders on the way to it are made.
    report : DaysReport
    written : datetime, default None
        Local time, which the page says.

    Raises
    ------
    FailureError
        If Matplotlib is not installed, or the disk refuses.
    """
    seeds = ", ".join(map(str, report.seeds))
    content = page(
        f"{report.days} days in a closed loop",
        section("Notices", item_list(fill('<span class="alarm">{}</span>', notice) for notice in _notices(report))),
        _by_day(report.courses),
        _figures(report),
        _drift(report.drift),
        made_by(Origin(report.command, seeds, written), _facts(report)),
        kind="closed loop over days",
        lead=_lead(report),
    )
    with whole_file(path) as file:
        file.write(content)


def _lead(report: DaysReport) -> str:
    """What each course kept of day 0."""
    if not report.courses:
        return "No day was done."
    said = [
        f"{course.course}: {course.overall.success_rate.value:.0%} of all targets acquired, "
        + (
            f"half of the bit rate lost: {_half(course, course.bits_half_lost_day)}"
            if course.worked
            else _half(course, None)
        )
        for course in report.courses
    ]
    return f"{'. '.join(said)}."


def _notices(report: DaysReport) -> Iterator[str]:
    yield from report.failures
    if report.interrupted:
        yield "interrupted: figures are of what was done until then"


def _facts(report: DaysReport) -> Iterator[tuple[str, str]]:
    plan, task = report.plan, report.task
    yield "bundle", f"{report.bundle}, SHA-256 {report.sha256}"
    yield "each day", f"{plan['trials']} trials of {task['name']}, after {plan['warm_up']} that are not judged"
    yield "user", report.user
    yield "calibration", f"{plan['calibration_s']:g} s, on the days on which the policy has one"


def _by_day(courses: Sequence[CourseReport]) -> Section:
    keys = legend(*((course.course, NAMES[place % len(NAMES)]) for place, course in enumerate(courses)))
    return section(
        "Day by day",
        keys,
        panels(
            panel("success", draw(_courses(courses, lambda day: day.success_rate, 100.0, "targets acquired (%)"))),
            panel("bit rate", draw(_courses(courses, lambda day: day.fitts_bits_per_s, 1.0, "throughput (bit/s)"))),
            panel("time to target", draw(_courses(courses, lambda day: day.time_to_target_s, 1.0, "of successes (s)"))),
        ),
    )


def _courses(
    courses: Sequence[CourseReport], of: Callable[[DayFigures], Estimate], scale: float, label: str
) -> Callable[[Axes], None]:
    """Draw a figure of each course by day, in front of its 95 % interval."""

    def paint(axis: Axes) -> None:
        for place, course in enumerate(courses):
            colour, days = COLOURS[place % len(COLOURS)], [day.day for day in course.days]
            value, low, high = (
                scale * np.array([getattr(of(day), name) for day in course.days]) for name in ("value", "low", "high")
            )
            axis.fill_between(days, low, high, color=colour, alpha=0.15, linewidth=0)
            axis.plot(days, value, "o-", color=colour, linewidth=1.4, markersize=3)
        axis.set(xlabel="day", ylabel=label)
        axis.set_ylim(bottom=0)

    return paint


def _figures(report: DaysReport) -> Section:
    headings = ("course", "what it does", "success", "time to target (s)", "bit/s", "half of success lost",
                "half of the bit rate lost", "by seed", "R², held in", "R², held out")  # fmt: skip
    rows = [
        [
            course.course,
            course.does,
            format_estimate(course.overall.success_rate, percent=True),
            format_estimate(course.overall.time_to_target_s),
            format_estimate(course.overall.fitts_bits_per_s),
            _half(course, course.success_half_lost_day),
            _half(course, course.bits_half_lost_day),
            ", ".join(map(half_lost_in_words, course.bits_half_lost_days, course.worked_by_seed)),
            str(course.held_in),
            str(course.held_out),
        ]
        for course in report.courses
    ]
    paired = [
        [
            f"{row.course} minus {row.baseline}",
            f"{row.figures.trials}",
            format_estimate(row.figures.success_difference, percent=True, sign=True),
            format_estimate(row.figures.time_difference_s, sign=True),
            format_estimate(row.figures.bits_difference, sign=True),
        ]
        for row in report.paired
    ]
    headings_of_pairs = ("over the same trials", "trials", "success", "time (s)", "bit/s")
    differences = table(headings_of_pairs, paired) if paired else ""
    sentences = item_list(
        fill("<strong>{}</strong>: {}.", f"{verdict.decoder} against {verdict.baseline}", verdict.sentence)
        for verdict in report.verdicts("time")
    )
    note = (
        "95 % intervals over all days, by bootstrap over seeds and the trials of each. Half is lost on the day from"
        " which the mean over three days is at most half of day 0's. In differences of time, a failure counts as the"
        " timeout; p is corrected by Holm's method over all of them. R² is the FALCON challenge's, of"
        " velocities decoded while the user only watched: held in on days with a calibration, held out on the others."
    )
    noted = fill("<p class='note'>{}</p>", note)
    return section("All days together", table(headings, rows), sentences, differences, noted)


def _half(course: CourseReport, day: int | None) -> str:
    return half_lost_in_words(day, course.worked, course.overall.successes)


def _drift(drift: DriftReport) -> Section:
    days = np.arange(len(drift.stated_kept))

    def paint(stated: Sequence[float], drawn: Sequence[float], label: str) -> Callable[[Axes], None]:
        def paint_both(axis: Axes) -> None:
            axis.plot(days, stated, color=FAINT, linewidth=2.5)
            axis.plot(days, drawn, "o", color=MODEL, markersize=3.5)
            axis.set(xlabel="day", ylabel=label, ylim=(min(0.0, *drawn), 1.05))

        return paint_both

    pictures = panels(
        panel("units of day 0 that are kept", draw(paint(drift.stated_kept, drift.drawn_kept, "share of channels")),
              _stated(drift.kept_half_life_days)),
        panel("tuning similarity to day 0",
              draw(paint(drift.stated_similarity, drift.drawn_similarity, "mean cosine of the turn")),
              _stated(drift.similarity_half_life_days)),
    )  # fmt: skip
    rows = [
        [join([fill("{} {}", name, f"{drift.values[name]:g}") for name in origin["fields"]], ", "), origin["source"]]
        for origin in drift.origins
    ]
    return section(f"The drift: {drift.profile}", pictures, table(("values", "where they come from"), rows))


def _stated(half_life_days: float) -> Markup:
    half = f"half of it after {half_life_days:.1f} days" if math.isfinite(half_life_days) else "never half lost"
    return fill("Line: as the profile states it, {}. Dots: as drawn, mean over seeds.", half)
