"""The state of a monitored stream as one self-contained page: figures, alarms, deviations, units, and pictures."""

import math
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np

from spikeloop.exporters.pages.origin import Origin, made_by
from spikeloop.exporters.pages.shell import (
    Markup,
    Section,
    colour_of,
    details,
    fill,
    item_list,
    join,
    page,
    section,
    table,
)
from spikeloop.exporters.pages.shell import figures as figure_line
from spikeloop.models.measures.table import STATISTICS
from spikeloop.models.plural import number_of
from spikeloop.models.significant import significant
from spikeloop.models.whole_file import whole_file
from spikeloop.streamer.lsl.spikes import Reception
from spikeloop.streamer.monitor.live_importance import ImportanceReport
from spikeloop.streamer.monitor.outputs.plots import draw_alarm_scores, draw_course, draw_importance, draw_statistics
from spikeloop.streamer.monitor.outputs.wording import (
    describe_alarm,
    describe_duration,
    describe_raised_alarm,
    describe_true_rate,
    format_number,
    nearest_alarm,
    verdicts,
)
from spikeloop.streamer.monitor.reference import Deviation
from spikeloop.streamer.monitor.report import MonitorReport

__all__ = ["write_page"]

STATES = {"live": "at the floor", "silent": "off", "absent": "far off"}  # the verdict whose colour a state has
EXPLAINED = """Numbers are means. E is the distance of the statistic from the reference; F, the sampling error, is the
distance that chance alone makes with as much data. E/F = 1 where only chance is at work; both stand below it."""
IMPORTANCE = """<p>How much the critic's score changes, on average, when a unit's spikes are rearranged within a few
bins (Molano-Mazon et al. 2018). {}.</p>"""
WINDOWS = """<p>Of {} of {} bins ({:g} ms); recent: of an exponential window of half-life {}, which weighs as much as
{:.0f} windows. Left out: {} of windows that a gap cut short.</p>"""


def write_page(
    path: Path,
    report: MonitorReport,
    *,
    now_s: float | None = None,
    written: datetime | None = None,
    command: str = "",
) -> None:
    """Write the page, whole or not at all.

    Parameters
    ----------
    path : Path
        File that is replaced; folders on the way to it are made.
    report : MonitorReport
    now_s : float, s, default None
        The present time on LSL's clock, so that alarms are dated as "12 s ago"; None dates them by LSL's clock.
    written : datetime, default None
        Local time, which the page says.
    command : str
        That watched the stream.

    Raises
    ------
    FailureError
        If Matplotlib is not installed, or the disk refuses.
    """
    name, state = report.stream.name, report.reception.state
    content = page(
        f"{name}, monitored",
        figure_line(_figures(report)),
        fill('<p class="alarm">Refused: {}</p>', report.reception.refused) if report.reception.refused else "",
        section("Notices", item_list(report.notices)),
        _alarms(report, now_s),
        section("Time course", draw_course(report)),
        _statistics(report),
        _importance(report),
        made_by(Origin(command, written=written), _facts(report)),
        kind="monitor",
        heading=fill("{} <small>{}</small>", name, colour_of(STATES[state], state)),
        lead=_lead(report),
    )
    with whole_file(path) as file:
        file.write(content)


def _lead(report: MonitorReport) -> str:
    """Whether the stream is as it should be, in a sentence."""
    state, watched = report.state, describe_duration(report.watched_s)
    raised = number_of(state.alarms_raised, "alarm") if state.alarms_raised else "no alarm"
    said = f"{raised.capitalize()} in {watched}" if state.alarm_scores else f"Watched for {watched}; no alarm is set"
    if state.alarms:
        said += f"; the latest: {describe_alarm(list(state.alarms)[-1], None).split(', at ')[0]}"
    judged = [word for _, word in verdicts(state.recent_deviations).values() if word != "nothing to compare"]
    if judged:
        good = judged.count("at the floor")
        said += f". {good} of {number_of(len(judged), 'statistic')} within sampling error of the reference"
    return f"{said}."


def _facts(report: MonitorReport) -> Iterator[tuple[str, str]]:
    """What was watched, what of it arrived, and what that cost."""
    stream = report.stream
    yield "stream", f"{stream.name}, type {stream.type}, from {stream.hostname}"
    own = (("bundle", stream.bundle), ("SHA-256", stream.sha256), ("seed of the stream", stream.seed),
           ("condition", stream.condition))  # fmt: skip
    yield from ((name, f"{value}") for name, value in own if value not in (None, ""))
    yield "population", f"{number_of(len(stream.unit_names), 'unit')}, {stream.bin_size_s * 1e3:g} ms bins"
    yield "watched for", describe_duration(report.watched_s)
    yield "received", ", ".join(_received(report.reception, stream.bin_size_s))
    yield "cost", f"{significant(report.cpu_cores)} cores for the monitor"


def _received(reception: Reception, bin_size_s: float) -> Iterator[str]:
    yield from (f"{reception.bins:,} bins received", f"{reception.lost_bins:,} lost")
    yield from (f"{reception.invalid_bins:,} invalid", f"{reception.saturated_bins:,} saturated")
    yield from (number_of(reception.gaps, "gap"), number_of(reception.restarts, "restart"))
    if reception.clock_resets:
        yield number_of(reception.clock_resets, "clock reset")
    if rate := describe_true_rate(reception):
        yield f"true rate {rate} (95 % interval; declared {1 / bin_size_s:g} Hz)"
    if reception.other_clock:
        yield "stamps of another clock"
    if reception.longest_delay_ms is not None:
        yield f"longest delay {reception.longest_delay_ms:.1f} ms"


def _figures(report: MonitorReport) -> Iterator[tuple[str, str]]:
    nearest = nearest_alarm(report.state, report.stream.unit_names)
    delay_ms = report.reception.delay_ms
    yield f"{format_number(report.mean_rate_hz)} Hz", "mean rate of a unit"
    yield format_number(report.state.mean_ratio), "mean E/F (1: as the reference)"
    yield f"{report.state.alarms_raised}", "alarm" if report.state.alarms_raised == 1 else "alarms"
    if nearest is not None:
        yield f"{nearest[0]:.2f}", f"nearest alarm ({nearest[1]})"
    if delay_ms is not None:
        yield f"{delay_ms:.1f} ms", "delay"


def _alarms(report: MonitorReport, now_s: float | None) -> Section:
    state = report.state
    picture = draw_alarm_scores(report) if state.alarm_scores else ""
    latest = list(state.alarms)[::-1]
    if latest:
        shown = f", the latest {len(latest)}" if state.alarms_raised > len(latest) else ""
        items = [fill('<span class="alarm">{}</span>', describe_raised_alarm(alarm, now_s)) for alarm in latest]
        return section(f"Alarms ({state.alarms_raised}{shown})", item_list(items), picture)
    found = "None was raised" if state.alarm_scores else "None is set"
    why = "" if report.reference else ", as there is nothing to compare with yet"
    return section("Alarms", fill("<p>{}{}.</p>", found, why), picture)


def _statistics(report: MonitorReport) -> Section:
    state = report.state
    if not state.windows:
        return section("Statistics", fill("<p>No whole window of {} bins yet.</p>", report.window_bins))
    of_windows = Markup(
        WINDOWS.format(
            number_of(state.windows, "window"),
            report.window_bins,
            report.window_bins * report.bin_size_s * 1e3,
            describe_duration(report.half_life_s),
            state.effective_windows,
            number_of(state.dropped_bins, "bin"),
        )
    )
    heading = f"Statistics, beside {report.reference}" if report.reference else "Statistics"
    return section(heading, draw_statistics(report), _deviations(report), of_windows, _units(report))


def _deviations(report: MonitorReport) -> Markup:
    """Every statistic as one number, and how far it is from the reference."""
    state = report.state
    compared = bool(state.recent_deviations)
    headings = ["statistic", "recent", "since start"]
    headings += ["reference", "E/F recent", "E/F since start", "verdict"] if compared else []
    of_statistics = (state.recent, state.total, *([report.reference_statistics] if compared else []))
    by_key = [
        {deviation.statistic: deviation for deviation in both}
        for both in (state.recent_deviations, state.total_deviations)
    ]
    rows = []
    for key in state.recent:
        values = (values.get(key, np.empty((0, 0))) for values in of_statistics)
        numbers = [STATISTICS[key].summary(value, report.bin_size_s) for value in values]
        deviations = [deviations[key] for deviations in by_key if key in deviations]
        rows.append([STATISTICS[key].label, *map(format_number, numbers), *_judged(deviations)])
    explained = Markup(f"<p>{EXPLAINED if compared else 'Numbers are means.'}</p>")
    return join([table(headings, rows), explained])


def _judged(deviations: list[Deviation]) -> Iterator[str]:
    """E/F with its E and F, recent and since the start, and the verdict on the recent one."""
    said = [verdicts([deviation])[deviation.statistic][1] for deviation in deviations]
    for deviation, verdict in zip(deviations, said, strict=True):
        parts = f"{format_number(deviation.error)} / {format_number(deviation.floor)}"
        yield fill("{} <small>{}</small>", colour_of(verdict, format_number(deviation.ratio)), parts)
    if said:
        yield colour_of(said[0])


def _units(report: MonitorReport) -> Markup:
    """A row for each unit, those first that are nearest to an alarm, or else most active."""
    state, names = report.state, report.stream.unit_names
    columns = {"rate recent (Hz)": state.recent["rates"] / report.bin_size_s}
    columns["since start"] = state.total["rates"] / report.bin_size_s
    if "rates" in report.reference_statistics:
        columns["reference"] = report.reference_statistics["rates"] / report.bin_size_s
    columns |= {STATISTICS[key].title: state.recent[key] for key in ("fano_factor", "interval_cv")}
    scores = {kind: scores for kind, scores in state.alarm_scores.items() if len(scores) == len(names)}
    columns |= {f"alarm score: {kind}": of_kind for kind, of_kind in scores.items()}
    if report.importance is not None:
        columns["importance"] = report.importance.by_unit
    first = np.maximum.reduce(list(scores.values())) if scores else state.recent["rates"]
    rows = (
        [names[unit], *(format_number(float(column[unit])) for column in columns.values())]
        for unit in np.argsort(-first, kind="stable").tolist()
    )
    order = "nearest to an alarm" if scores else "most active"
    return details(f"{number_of(len(names), 'unit')}, {order} first", table(["unit", *columns], rows))


def _importance(report: MonitorReport) -> Section:
    importance = report.importance
    if importance is None:
        return section("Importance")
    facts = [number_of(importance.maps, "window") + " mapped", f"{importance.skipped} skipped"]
    if importance.capped:
        facts.append(f"of {importance.capped} units' spans only some arrangements were drawn, as they have too many")
    if not math.isnan(importance.mean):
        facts.append(f"mean importance of a spike {format_number(importance.mean)}")
    picture = importance.map is not None and draw_importance(importance, report.stream.unit_names, report.bin_size_s)
    return section("Importance", fill(IMPORTANCE, "; ".join(facts)), picture, _patterns(report, importance))


def _patterns(report: MonitorReport, importance: ImportanceReport) -> Markup:
    """The commonest patterns of spikes, the most important first."""
    summary = importance.summary
    if summary is None or not summary.patterns:
        return Markup()
    names = report.stream.unit_names
    rows = []
    for pattern in sorted(summary.patterns, key=lambda pattern: -pattern.importance):
        units = ", ".join(names[unit] + (f" (bin {bin_})" if bin_ else "") for bin_, unit in pattern.spikes)
        rows.append([units, format_number(pattern.occurrences), format_number(pattern.importance)])
    headings = ["units that fire together", "times", "mean importance of a spike"]
    return details("The commonest patterns, the most important first", table(headings, rows))
