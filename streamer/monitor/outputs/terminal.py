"""The monitor in a terminal of 80 columns and 24 lines, and in one line where there is none."""

import math
from collections.abc import Iterator

import numpy as np
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from spikeloop.exporters.documents import printable
from spikeloop.models.measures.table import STATISTICS, title_of
from spikeloop.models.plural import number_of
from spikeloop.models.significant import significant
from spikeloop.streamer.monitor.outputs.wording import (
    describe_alarm,
    describe_duration,
    describe_raised_alarm,
    describe_true_rate,
    format_number,
    nearest_alarm,
    verdicts,
    worst,
)
from spikeloop.streamer.monitor.report import MonitorReport

__all__ = ["line", "render"]

SHOWN = (
    "rates",
    "fano_factor",
    "interval_cv",
    "interspike_intervals",
    "window_counts",
    "population_count",
    "population_spectrum",
    "autocorrelation",
    "correlation",
    "lag_1_covariance",
    "synchrony",
)  # statistics for which there is room
STYLES = {"at the floor": "green", "near": "green", "off": "yellow", "far off": "bold red"}  # of verdicts
SHOWN_VERDICTS = ("off", "far off")  # the verdicts that a word stands for besides the colour
STATES = {"live": "green", "silent": "yellow", "absent": "bold red"}
ALARMS, UNITS, NOTICES = 2, 3, 2  # latest alarms, most important units, and notices that are shown
NAME, WHY, LONGEST_LINE = 24, 44, 119  # characters
NONE = (math.nan, "")  # of a statistic that is not compared


def render(report: MonitorReport, width: int, now_s: float | None = None) -> RenderableType:
    """Lay out the state for a terminal.

    Parameters
    ----------
    report : MonitorReport
    width : int, columns of the terminal
    now_s : float or None, s
        The present time on LSL's clock, so that alarms are dated as "12 s ago"; None dates them by LSL's clock.

    Returns
    -------
    rich renderable
        At most 24 lines.
    """
    parts = [*_header(report), *_statistics(report), *_alarms(report, now_s)]
    parts += [*_importance(report, width), *(Text(printable(notice)) for notice in report.notices[:NOTICES])]
    for part in parts:
        if isinstance(part, Text):
            part.no_wrap, part.overflow = True, "ellipsis"
    return Group(*parts)


def line(report: MonitorReport, now_s: float | None = None) -> str:
    """Describe the state in one line of less than 120 characters, which ends with the latest alarm if there was one.

    Parameters
    ----------
    report : MonitorReport
    now_s : float or None, s
        As of `render`.
    """
    reception, alarms = report.reception, report.state.alarms
    parts = [
        f"{_short(report.stream.name)} {reception.state} {describe_duration(report.watched_s)}",
        *_statistics_in_short(report),
        f"lost {reception.lost_bins}",
        f"invalid {reception.invalid_bins + reception.saturated_bins}",
    ]
    if reception.clock_resets:
        parts.append(number_of(reception.clock_resets, "clock reset"))
    if reception.delay_ms is not None and not alarms:
        parts.append(f"delay {reception.delay_ms:.0f} ms")
    if reception.state == "absent" and reception.refused:
        parts.append(f"not followed: {_short(reception.refused)}")
    if alarms:
        parts.append(f"{number_of(report.state.alarms_raised, 'alarm')}: {describe_alarm(alarms[-1], now_s)}")
    elif not math.isnan(report.alarm_score):
        parts.append(f"no alarm, nearest {report.alarm_score:.2f}")
    return "  ".join(parts)[:LONGEST_LINE]


def _statistics_in_short(report: MonitorReport) -> Iterator[str]:
    if report.state.windows:
        yield f"{format_number(report.mean_rate_hz)} Hz"
        ratio = report.state.mean_ratio
        why = f" ({_short(report.not_compared, WHY)})" if math.isnan(ratio) and report.not_compared else ""
        yield f"E/F {format_number(ratio)}{why}"
    elif report.reception.no_counts:
        yield "no whole counts"
    else:
        yield f"waits for {report.window_bins} bins in a row"


def _header(report: MonitorReport) -> Iterator[Text]:
    stream, reception = report.stream, report.reception
    bundle = f" ({_short(stream.bundle)})" if stream.bundle else ""
    delay = "" if reception.delay_ms is None else f"delay {reception.delay_ms:.1f} ms  "
    units = number_of(len(stream.unit_names), "unit")
    yield Text.assemble(
        (_short(stream.name), "bold"),
        f"{bundle}  ",
        (reception.state, STATES[reception.state]),
        f"  {describe_duration(report.watched_s)}  {units}  {delay}{significant(report.cpu_cores)} cores",
    )
    invalid = reception.invalid_bins + reception.saturated_bins
    resets = f" {number_of(reception.clock_resets, 'clock reset')}," if reception.clock_resets else ""
    yield Text(
        f"{reception.bins} bins, {reception.lost_bins} lost, {invalid} invalid,"
        f" {number_of(reception.gaps, 'gap')},{resets} {number_of(reception.restarts, 'restart')};"
        f" half-life {describe_duration(report.half_life_s)}",
        style="dim",
    )
    if (rate := describe_true_rate(reception)) and report.bin_size_s != stream.bin_size_s:
        yield Text(f"true rate {rate}, declared {1 / stream.bin_size_s:g} Hz", style="dim")


def _statistics(report: MonitorReport) -> Iterator[RenderableType]:
    state, reference = report.state, report.reference_statistics
    if not state.windows:
        yield Text(f"no whole window of {report.window_bins} bins yet: waits for as many in a row, without a gap")
        return
    judged = verdicts(state.recent_deviations), verdicts(state.total_deviations)
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("statistic", no_wrap=True)
    compared = ["reference", "E/F", "E/F start"] if judged[0] else []
    for name in ("recent", "start", *compared):
        table.add_column(name, justify="right", no_wrap=True)
    if compared:
        table.add_column("", no_wrap=True)
    bin_size_s = report.bin_size_s
    for key in (key for key in SHOWN if key in state.recent):
        values = (of.get(key, np.empty((0, 0))) for of in (state.recent, state.total, reference))
        cells: list[Text | str] = [format_number(STATISTICS[key].summary(value, bin_size_s)) for value in values]
        if compared:
            both = [of.get(key, NONE) for of in judged]
            cells += [Text(format_number(ratio), STYLES.get(said, "")) for ratio, said in both]
            cells.append(both[0][1] if both[0][1] in SHOWN_VERDICTS else "")
        table.add_row(STATISTICS[key].label, *(cells if compared else cells[:2]))
    yield table
    furthest = worst(state.recent_deviations)
    if furthest is not None:
        yield Text.assemble(
            ("mean E/F ", "bold"),
            f"{format_number(state.mean_ratio)} (1: as the reference), worst {format_number(furthest.ratio)}"
            f" ({title_of(furthest.statistic)}); reference: {printable(report.reference)}",
        )


def _alarms(report: MonitorReport, now_s: float | None) -> Iterator[Text]:
    state = report.state
    for alarm in list(state.alarms)[: -ALARMS - 1 : -1]:
        yield Text.assemble(("ALARM ", "bold red"), describe_raised_alarm(alarm, now_s))
    nearest = nearest_alarm(state, report.stream.unit_names)
    if nearest is None:
        why = printable(report.not_compared) or "there is nothing to compare with yet"
        yield Text("no alarm is set" if report.reference else f"no alarm is set: {why}")
        return
    score, what = nearest
    so_far = f"{number_of(state.alarms_raised, 'alarm')} so far" if state.alarms_raised else "no alarm"
    yield Text(f"{so_far}, nearest {score:.2f} ({what})")


def _importance(report: MonitorReport, width: int) -> Iterator[RenderableType]:
    importance = report.importance
    if importance is None:
        return
    skipped = f", {importance.skipped} skipped" if importance.skipped else ""
    mean = "" if math.isnan(importance.mean) else f"; mean of a spike {format_number(importance.mean)}"
    yield Text(f"importance: {number_of(importance.maps, 'map')}{skipped}{mean}")
    by_unit = importance.by_unit
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), show_header=False)
    for unit in np.argsort(-by_unit, kind="stable")[:UNITS].tolist():
        if by_unit[unit] > 0:
            bar = ProgressBar(
                float(by_unit.max()), float(by_unit[unit]), width=max(1, width // 2), finished_style="bar.complete"
            )
            table.add_row(Text(_short(report.stream.unit_names[unit])), format_number(float(by_unit[unit])), bar)
    if table.row_count:
        yield table


def _short(name: str, longest: int = NAME) -> str:
    name = printable(name)
    return name if len(name) <= longest else f"{name[: longest - 2]}.."
