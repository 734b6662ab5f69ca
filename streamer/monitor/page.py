"""The state of a monitored stream as one self-contained page: figures, alarms, deviations, units, and pictures."""

import math
from collections.abc import Iterable, Iterator
from datetime import datetime
from html import escape
from pathlib import Path

import numpy as np

from spikeloop.exporters.drawing import COLOURS
from spikeloop.exporters.whole_file import whole_file
from spikeloop.streamer.monitor.live_importance import ImportanceReport
from spikeloop.streamer.monitor.pictures import draw_alarm_scores, draw_course, draw_importance, draw_statistics
from spikeloop.streamer.monitor.report import MonitorReport
from spikeloop.streamer.monitor.words import (
    LABELS,
    duration,
    nearest_alarm,
    number,
    number_of,
    printable,
    ratios,
    summary,
    tell_alarm,
)

__all__ = ["write_page"]

STATES = {"live": COLOURS["at the floor"], "silent": COLOURS["off"], "absent": COLOURS["far off"]}


def write_page(
    path: Path, report: MonitorReport, *, now_s: float | None = None, written: datetime | None = None
) -> None:
    """Write the page, whole or not at all.

    Parameters
    ----------
    now_s : on LSL's clock, by which alarms are dated; by default they tell that clock's time
    written : told in the page's header

    Raises
    ------
    FailureError
        If Matplotlib is not installed, or the disk refuses.
    """
    page = _page(report, now_s, written)
    with whole_file(path) as file:
        file.write(page.encode())


def _page(report: MonitorReport, now_s: float | None, written: datetime | None) -> str:
    name = _text(report.stream.name)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{name}, monitored</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 1060px; margin: 2em auto; padding: 0 1em }}
table {{ border-collapse: collapse }} td, th {{ padding: .15em .8em .15em 0; text-align: right; white-space: nowrap }}
td:first-child, th:first-child {{ text-align: left; white-space: normal }} th {{ border-bottom: 1px solid #999 }}
.big {{ font-size: 1.6em; margin-right: 1em; white-space: nowrap }} .big small {{ font-size: .55em; color: #555 }}
svg {{ max-width: 100%; height: auto }} p {{ max-width: 60em }} summary {{ cursor: pointer }}
.alarm {{ color: {COLOURS["far off"]}; font-weight: 600 }} h1, p, li, td:first-child {{ overflow-wrap: anywhere }}
</style></head><body>
<h1>{name} <small style="color: {STATES[report.reception.state]}">{report.reception.state}</small></h1>
{_header(report, written)}
<p>{" ".join(_big(*each) for each in _figures(report))}</p>
{_list("Notices", map(_text, report.notices))}
{_alarms(report, now_s)}
<h2>Course</h2>
{draw_course(report)}
{_statistics(report)}
{_importance(report)}
</body></html>
"""


def _header(report: MonitorReport, written: datetime | None) -> str:
    stream, reception = report.stream, report.reception
    own = (
        ("bundle", stream.bundle),
        ("SHA-256", stream.sha256 and f"{stream.sha256[:12]}..."),
        ("seed", stream.seed),
        ("condition", stream.condition),
    )
    told = [f"type {stream.type}", f"from {stream.hostname}"]
    told += [f"{name} {value}" for name, value in own if value not in (None, "")]
    told += [number_of(len(stream.unit_names), "unit"), f"{stream.bin_size_s * 1e3:g} ms bins"]
    told.append(f"watched for {duration(report.watched_s)}")
    told += [f"written {written:%Y-%m-%d %H:%M:%S}"] if written is not None else []
    received = [f"{reception.bins:,} bins received", f"{reception.lost_bins:,} lost"]
    received += [f"{reception.invalid_bins:,} invalid", f"{reception.saturated_bins:,} saturated"]
    received += [number_of(reception.gaps, "gap"), number_of(reception.restarts, "restart")]
    if reception.longest_delay_ms is not None:
        received.append(f"longest delay {reception.longest_delay_ms:.1f} ms")
    received.append(f"{report.cpu_cores:.3f} cores for the monitor")
    refused = f"<p>Refused: {_text(reception.refused)}</p>" if reception.refused else ""
    return f"<p>{_text(', '.join(told))}.<br>{_text(', '.join(received))}.</p>{refused}"


def _figures(report: MonitorReport) -> Iterator[tuple[str, str]]:
    nearest = nearest_alarm(report.state, report.stream.unit_names)
    delay_ms = report.reception.delay_ms
    yield number(report.mean_rate_hz), "Hz a unit"
    yield number(report.state.mean_ratio), "mean E/F"
    yield f"{report.state.alarms_raised}", "alarm" if report.state.alarms_raised == 1 else "alarms"
    if nearest is not None:
        yield f"{nearest[0]:.2f}", f"nearest alarm ({nearest[1]})"
    if delay_ms is not None:
        yield f"{delay_ms:.1f} ms", "delay"


def _alarms(report: MonitorReport, now_s: float | None) -> str:
    state = report.state
    latest = list(state.alarms)[::-1]
    told = [f'<span class="alarm">{_text(tell_alarm(alarm, now_s))}</span>' for alarm in latest]
    if not told:
        said = "none was raised" if state.alarm_scores else "none is set"
        if not report.reference:
            said += ", as there is nothing to compare with yet"
        told = [f"<p>Alarms: {said}.</p>"]
    else:
        shown = f", the latest {len(latest)}" if state.alarms_raised > len(latest) else ""
        told = [_list(f"Alarms ({state.alarms_raised}{shown})", told)]
    return "\n".join(told + ([draw_alarm_scores(report)] if state.alarm_scores else []))


def _statistics(report: MonitorReport) -> str:
    state = report.state
    if not state.windows:
        return f"<h2>Statistics</h2><p>No whole window of {report.window_bins} bins yet.</p>"
    against = f", beside {_text(report.reference)}" if report.reference else ""
    window_ms = report.window_bins * report.stream.bin_size_s * 1e3
    return f"""<h2>Statistics{against}</h2>
<p>Of {number_of(state.windows, "window")} of {report.window_bins} bins ({window_ms:g} ms); recent: of an exponential
window of half-life {duration(report.half_life_s)}, which weighs as much as {state.effective_windows:.0f} windows.
Left out: {number_of(state.dropped_bins, "bin")} of windows that a gap cut short.</p>
{_deviations(report)}
{draw_statistics(report)}
{_units(report)}"""


def _deviations(report: MonitorReport) -> str:
    """Every statistic as one number, and how far it is from the reference."""
    state, reference, bin_size_s = report.state, report.reference_statistics, report.stream.bin_size_s
    compared = bool(state.recent_deviations)
    headings = ["statistic", "recent", "since start"]
    headings += ["reference", "E recent", "F", "E/F", "E since start", "F", "E/F", "verdict"] if compared else []
    judged = ratios(state.recent_deviations), ratios(state.total_deviations)
    both = {
        each.statistic: (each, since)
        for each, since in zip(state.recent_deviations, state.total_deviations, strict=True)
    }
    rows = []
    for name, value in state.recent.items():
        values = [value, state.total[name], *([reference.get(name, np.empty((0, 0)))] if compared else [])]
        cells = [
            _cell(escape(LABELS.get(name, name))),
            *(_cell(number(summary(name, each, bin_size_s))) for each in values),
        ]
        if name in judged[0]:
            for deviation, verdicts in zip(both[name], judged, strict=True):
                ratio, said = verdicts[name]
                cells += [_cell(number(deviation.error)), _cell(number(deviation.floor)), _cell(number(ratio), said)]
            cells.append(_cell(judged[0][name][1], judged[0][name][1]))
        rows.append(cells)
    explained = """<p>Numbers are means. E: distance from the reference; F, the floor: what chance alone makes of as
much data, so E/F = 1 where only chance is at work.</p>""" if compared else "<p>Numbers are means.</p>"  # fmt: skip
    return _table(headings, rows) + explained


def _units(report: MonitorReport) -> str:
    """A row for each unit, those first that are nearest to an alarm, or else most active."""
    state, names = report.state, report.stream.unit_names
    columns = {"rate recent (Hz)": state.recent["rates"] / report.stream.bin_size_s}
    columns["since start"] = state.total["rates"] / report.stream.bin_size_s
    if "rates" in report.reference_statistics:
        columns["reference"] = report.reference_statistics["rates"] / report.stream.bin_size_s
    columns |= {"Fano factor": state.recent["Fano factor"], "interval CV": state.recent["interval CV"]}
    scores = {kind: each for kind, each in state.alarm_scores.items() if len(each) == len(names)}
    columns |= {f"alarm: {kind}": each for kind, each in scores.items()}
    if report.importance is not None:
        columns["importance"] = report.importance.by_unit
    first = np.maximum.reduce(list(scores.values())) if scores else state.recent["rates"]
    rows = (
        [_cell(_text(names[unit])), *(_cell(number(float(each[unit]))) for each in columns.values())]
        for unit in np.argsort(-first, kind="stable").tolist()
    )
    return (
        f"<details><summary>{number_of(len(names), 'unit')}, {'nearest to an alarm' if scores else 'most active'}"
        f" first</summary>{_table(['unit', *columns], rows)}</details>"
    )


def _importance(report: MonitorReport) -> str:
    importance = report.importance
    if importance is None:
        return ""
    said = [number_of(importance.maps, "window") + " mapped", f"{importance.skipped} skipped"]
    if importance.capped:
        said.append(f"of {importance.capped} units' spans only some arrangements were drawn, as they have too many")
    if not math.isnan(importance.mean):
        said.append(f"mean importance of a spike {number(importance.mean)}")
    picture = draw_importance(importance, report.stream.bin_size_s) if importance.map is not None else ""
    return f"""<h2>Importance</h2>
<p>How much the critic's score changes, on average, when a unit's spikes are rearranged within a few bins
(Molano-Mazon et al. 2018). {"; ".join(said)}.</p>
{picture}
{_patterns(report, importance)}"""


def _patterns(report: MonitorReport, importance: ImportanceReport) -> str:
    """The commonest patterns of spikes, the most important first."""
    summarised = importance.summary
    if summarised is None or not summarised.patterns:
        return ""
    rows = []
    for pattern in sorted(summarised.patterns, key=lambda each: -each.importance):
        units = ", ".join(
            report.stream.unit_names[unit] + (f" (bin {bin_})" if bin_ else "") for bin_, unit in pattern.spikes
        )
        rows.append([_cell(_text(units)), _cell(number(pattern.occurrences)), _cell(number(pattern.importance))])
    return (
        "<details><summary>The commonest patterns, the most important first</summary>"
        f"{_table(['units that fire together', 'times', 'mean importance of a spike'], rows)}</details>"
    )


def _big(figure: str, what: str) -> str:
    return f'<span class="big">{_text(figure)} <small>{_text(what)}</small></span>'


def _list(heading: str, items: Iterable[str]) -> str:
    listed = "".join(f"<li>{each}</li>" for each in items)
    return f"<h2>{heading}</h2><ul>{listed}</ul>" if listed else ""


def _table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{escape(each)}</th>" for each in headings)
    body = "\n".join(f"<tr>{''.join(cells)}</tr>" for cells in rows)
    return f"<table><tr>{head}</tr>\n{body}</table>"


def _cell(text: str, said: str = "") -> str:
    """A cell, coloured by a verdict."""
    colour = f' style="color:{COLOURS[said]}"' if said in COLOURS else ""
    return f"<td{colour}>{text}</td>"


def _text(text: str) -> str:
    return escape(printable(text))
