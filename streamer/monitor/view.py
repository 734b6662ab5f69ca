"""The monitor in a terminal of 80 columns and 24 lines, and in one line where there is none."""

import math
from collections.abc import Iterator

import numpy as np
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from spikeloop.streamer.monitor.report import MonitorReport
from spikeloop.streamer.monitor.words import (
    LABELS,
    date_alarm,
    duration,
    nearest_alarm,
    number,
    number_of,
    printable,
    ratios,
    summary,
    tell_alarm,
    worst,
)

__all__ = ["line", "render"]

SHOWN = (
    "rates",
    "Fano factor",
    "interval CV",
    "interspike intervals",
    "window counts",
    "population count",
    "population spectrum",
    "autocorrelation",
    "correlation",
    "lag-1 covariance",
    "synchrony",
)  # statistics for which there is room
STYLES = {"at the floor": "green", "near": "green", "off": "yellow", "far off": "bold red"}  # of verdicts
SAID = ("off", "far off")  # the verdicts that need a word besides
STATES = {"live": "green", "silent": "yellow", "absent": "bold red"}
ALARMS, UNITS, NOTICES = 2, 3, 2  # latest alarms, most important units, and notices that are shown
NAME, LONGEST_LINE = 24, 119  # characters
NONE = (math.nan, "")  # of a statistic that is not compared


def render(report: MonitorReport, width: int, now_s: float | None = None) -> RenderableType:
    """Everything that there is room for.

    Parameters
    ----------
    width : columns
    now_s : on LSL's clock, by which alarms are dated; by default they tell that clock's time
    """
    parts = [*_header(report), *_statistics(report), *_alarms(report, now_s)]
    parts += [*_importance(report, width), *(Text(printable(each)) for each in report.notices[:NOTICES])]
    for part in parts:
        if isinstance(part, Text):
            part.no_wrap, part.overflow = True, "ellipsis"
    return Group(*parts)


def line(report: MonitorReport, now_s: float | None = None) -> str:
    """The state in less than 120 characters; the latest alarm, if there was one, at the end."""
    reception, alarms = report.reception, report.state.alarms
    parts = [
        f"{_short(report.stream.name)} {reception.state} {duration(report.watched_s)}",
        f"{number(report.mean_rate_hz)} Hz",
        f"E/F {number(report.state.mean_ratio)}",
        f"lost {reception.lost_bins}",
    ]
    if reception.delay_ms is not None:
        parts.append(f"delay {reception.delay_ms:.0f} ms")
    if reception.state == "absent" and reception.refused:
        parts.append(f"not followed: {_short(reception.refused)}")
    if alarms:
        parts.append(f"{number_of(report.state.alarms_raised, 'alarm')}: {date_alarm(alarms[-1], now_s)}")
    elif not math.isnan(report.alarm_score):
        parts.append(f"no alarm, nearest {report.alarm_score:.2f}")
    return "  ".join(parts)[:LONGEST_LINE]


def _header(report: MonitorReport) -> Iterator[Text]:
    stream, reception = report.stream, report.reception
    bundle = f" ({_short(stream.bundle)})" if stream.bundle else ""
    delay = "" if reception.delay_ms is None else f"delay {reception.delay_ms:.1f} ms  "
    units = number_of(len(stream.unit_names), "unit")
    yield Text.assemble(
        (_short(stream.name), "bold"),
        f"{bundle}  ",
        (reception.state, STATES[reception.state]),
        f"  {duration(report.watched_s)}  {units}  {delay}{report.cpu_cores:.3f} cores",
    )
    invalid = reception.invalid_bins + reception.saturated_bins
    yield Text(
        f"{reception.bins} bins, {reception.lost_bins} lost, {invalid} invalid,"
        f" {number_of(reception.gaps, 'gap')}, {number_of(reception.restarts, 'restart')};"
        f" half-life {duration(report.half_life_s)}",
        style="dim",
    )


def _statistics(report: MonitorReport) -> Iterator[RenderableType]:
    state, reference = report.state, report.reference_statistics
    if not state.windows:
        yield Text(f"no whole window of {report.window_bins} bins yet")
        return
    judged = ratios(state.recent_deviations), ratios(state.total_deviations)
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("statistic", no_wrap=True)
    compared = ["reference", "E/F", "E/F start"] if judged[0] else []
    for name in ("recent", "start", *compared):
        table.add_column(name, justify="right", no_wrap=True)
    if compared:
        table.add_column("", no_wrap=True)
    for name in (each for each in SHOWN if each in state.recent):
        values = (values.get(name, np.empty((0, 0))) for values in (state.recent, state.total, reference))
        told: list[Text | str] = [number(summary(name, value, report.stream.bin_size_s)) for value in values]
        told += [Text(number(ratio), STYLES.get(said, "")) for ratio, said in (each.get(name, NONE) for each in judged)]
        said = judged[0].get(name, NONE)[1]
        table.add_row(LABELS.get(name, name), *([*told, said if said in SAID else ""] if compared else told[:2]))
    yield table
    furthest = worst(state.recent_deviations)
    if furthest is not None:
        yield Text.assemble(
            ("mean E/F ", "bold"),
            f"{number(state.mean_ratio)}, worst {number(furthest.ratio)} ({furthest.statistic});"
            f" reference: {printable(report.reference)}",
        )


def _alarms(report: MonitorReport, now_s: float | None) -> Iterator[Text]:
    state = report.state
    for alarm in list(state.alarms)[: -ALARMS - 1 : -1]:
        yield Text.assemble(("ALARM ", "bold red"), tell_alarm(alarm, now_s))
    nearest = nearest_alarm(state, report.stream.unit_names)
    if nearest is None:
        yield Text("no alarm is set" if report.reference else "no alarm is set: there is nothing to compare with yet")
        return
    score, what = nearest
    so_far = f"{number_of(state.alarms_raised, 'alarm')} so far" if state.alarms_raised else "no alarm"
    yield Text(f"{so_far}, nearest {score:.2f} ({what})")


def _importance(report: MonitorReport, width: int) -> Iterator[RenderableType]:
    importance = report.importance
    if importance is None:
        return
    skipped = f", {importance.skipped} skipped" if importance.skipped else ""
    mean = "" if math.isnan(importance.mean) else f"; mean of a spike {number(importance.mean)}"
    yield Text(f"importance: {number_of(importance.maps, 'map')}{skipped}{mean}")
    by_unit = importance.by_unit
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), show_header=False)
    for unit in np.argsort(-by_unit, kind="stable")[:UNITS].tolist():
        if by_unit[unit] > 0:
            bar = ProgressBar(
                float(by_unit.max()), float(by_unit[unit]), width=max(1, width // 2), finished_style="bar.complete"
            )
            table.add_row(Text(_short(report.stream.unit_names[unit])), number(by_unit[unit]), bar)
    if table.row_count:
        yield table


def _short(name: str) -> str:
    name = printable(name)
    return name if len(name) <= NAME else f"{name[: NAME - 2]}.."
