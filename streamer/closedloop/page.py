"""A comparison of decoders as one self-contained page: tables with intervals, pictures, and how to repeat it."""

import math
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path

from spikeloop.exporters.drawing import COLOURS
from spikeloop.exporters.whole_file import whole_file
from spikeloop.streamer.closedloop.comparison import Run, Setup
from spikeloop.streamer.closedloop.figures import Figures
from spikeloop.streamer.closedloop.pictures import DRAWN, draw_times, draw_trajectories
from spikeloop.streamer.closedloop.report import ClosedLoopReport, DecoderReport, tell

__all__ = ["write_page"]

DEFINITIONS = (
    ("success", "share of trials in which the target was held as long as asked; with Wilson's interval"),
    ("time to target", "of successes, from the target's appearance to the entry from which it was held. First touch"
     " and dial-in are its parts before and after the first entry (Gilja et al. 2012)"),
    ("path efficiency", "of successes, the straight line over the cursor's path to the acquisition"),
    ("Fitts", "log2(D / W + 1) bits of every success (MacKenzie 1992), D to the target's centre and W its width, by"
     " the time of all trials without holds; failures cost what they took"),
    ("achieved", "of the grid: log2(N - 1) max(right - wrong, 0) bits by the time of all trials, with holds"
     " (Nuyujukian et al. 2015)"),
    ("offline", "R2 and correlation r of decoded with shown velocity on the last fifth of the calibration block,"
     " mean of both axes; the decoder is fitted on what is before"),
    ("paired", "differences over the same targets of the same seeds; in the mean time, failures count as the"
     " timeout"),
)  # fmt: skip

INTERVALS = (
    "Times in s, with 95 % intervals: by bootstrap over sessions and the trials of each, of success at least Wilson's;"
    " offline by Student's t over sessions."
)


def write_page(path: Path, report: ClosedLoopReport, setup: Setup, runs: Sequence[Run]) -> None:
    """Write the page, whole or not at all; the same comparison on a simulated clock gives the same page.

    Parameters
    ----------
    runs : what the report is of; those of the first seed with their blocks, which are drawn

    Raises
    ------
    FailureError
        If Matplotlib is not installed, or the disk refuses.
    """
    page = _page(report, setup, runs)
    with whole_file(path) as file:
        file.write(page.encode())


def _page(report: ClosedLoopReport, setup: Setup, runs: Sequence[Run]) -> str:
    drawn = [run for run in runs if run.seed == runs[0].seed] if runs else []
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{_text(", ".join(setup.decoders))} in a closed loop</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 1160px; margin: 2em auto; padding: 0 1em }}
table {{ border-collapse: collapse }} td, th {{ padding: .15em .8em .15em 0; text-align: right; white-space: nowrap }}
td:first-child, th:first-child {{ text-align: left; white-space: normal; min-width: 9em }}
th {{ border-bottom: 1px solid #999 }}
td small {{ color: #666 }} svg {{ max-width: 100%; height: auto }} p, li {{ max-width: 60em }}
code {{ overflow-wrap: anywhere }} summary {{ cursor: pointer }} .wide {{ overflow-x: auto; font-size: 14px }}
.failure {{ color: {COLOURS["far off"]}; font-weight: 600 }} h1, p, li, td:first-child {{ overflow-wrap: anywhere }}
</style></head><body>
<h1>{_text(", ".join(setup.decoders))} <small>in a closed loop</small></h1>
{_header(report)}
{_notices(report)}
{_figures(report)}
<h2>Ways to the targets</h2>
<p>{_caption(report, setup)}</p>
{draw_trajectories(setup, drawn)}
<h2>Times</h2>
<p>{_course_caption(report)}</p>
{draw_times(setup, runs)}
{_paired(report)}
{_sessions(report)}
{_real_time(report)}
<h2>How to repeat it</h2>
<p><code>{_text(report.command)}</code></p>
<details><summary>What the figures are</summary><ul>
{"".join(f"<li><b>{escape(name)}</b>: {escape(what)}.</li>" for name, what in DEFINITIONS)}
</ul></details>
</body></html>
"""


def _header(report: ClosedLoopReport) -> str:
    plan, task, ms = report.plan, report.task, 1000 * report.bin_size_s
    units = f"{report.used_units} of {report.units}" if report.used_units < report.units else f"{report.units}"
    seeds = f"seed {report.seeds[0]}" if len(report.seeds) == 1 else f"seeds {report.seeds[0]} to {report.seeds[-1]}"
    told = [f"Bundle {report.bundle} (SHA-256 {report.sha256[:12]}...), {units} units, {ms:g} ms bins"]
    told.append(
        f"task {task['name']}: {plan['trials']} trials, {task['hold_s']:g} s hold, {task['timeout_s']:g} s timeout"
    )
    told.append(f"user {report.user}, {report.clock} clock, {seeds}")
    learning = [f"{plan['calibration_s']:g} s of calibration" if plan["calibration_s"] else "no calibration"]
    if plan["recalibrate_after"]:
        learning.append(f"recalibration after {plan['recalibrate_after']} trials")
    learning += [f"gain {plan['gain']:g}, smoothing {plan['smoothing']:g}"]
    learning += [f"the decoder takes {plan['decoder_bins']} bins as one"] if plan["decoder_bins"] > 1 else []
    late = [f"{name} {bins}" for name, bins in report.designed_latency_bins.items() if bins]
    learning += [f"late by design, in bins: {', '.join(late)}"] if late else []
    return f"<p>{_text('; '.join(told))}.<br>{_text('; '.join(learning))}.</p>"


def _notices(report: ClosedLoopReport) -> str:
    """What went wrong, by plan or not."""
    told = [f'<span class="failure">{_text(each)}</span>' for each in report.failures]
    if report.interrupted:
        told.append('<span class="failure">interrupted: figures are of what was done until then</span>')
    for each in report.perturbations:
        when = f"from {each['onset_s']:g} s of closed loop on" if each["onset_s"] else "from the start"
        told.append(f"{_text(each['kind'])} {each['value']:g}, {when}: {_text(each['does'])}")
    return f"<h2>Notices</h2><ul>{''.join(f'<li>{each}</li>' for each in told)}</ul>" if told else ""


def _figures(report: ClosedLoopReport) -> str:
    grid = report.task["name"] == "grid"
    headings = ["decoder", "acquired", "success", "time to target", "first touch", "dial-in", "path efficiency"]
    headings += ["Fitts, bit/s", *(["achieved, bit/s"] if grid else []), "offline R2, r"]
    rows = []
    for decoder in report.decoders:
        for name, figures in _blocks(decoder):
            cells = [_text(name), f"{figures.successes} of {figures.trials}", *_cells(figures, grid)]
            rows.append([*cells, _offline(decoder) if figures is decoder.closed_loop else ""])
    return f'<h2>Figures</h2><div class="wide">{_table(headings, rows)}</div><p>{INTERVALS}</p>'


def _blocks(decoder: DecoderReport) -> Iterator[tuple[str, Figures]]:
    if decoder.before_recalibration is not None:
        yield f"{decoder.decoder}, before recalibration", decoder.before_recalibration
    yield decoder.decoder, decoder.closed_loop


def _cells(figures: Figures, grid: bool) -> Iterator[str]:
    yield _interval(tell(figures.success_rate, percent=True))
    for each in (figures.time_to_target_s, figures.first_touch_s, figures.dial_in_s, figures.path_efficiency):
        yield _interval(tell(each))
    yield _interval(tell(figures.fitts_bits_per_s))
    if grid:
        yield _interval(tell(figures.achieved_bits_per_s))


def _offline(decoder: DecoderReport) -> str:
    told = (decoder.r_squared, decoder.correlation)
    return "-" if math.isnan(told[0].value) else ", ".join(_interval(tell(each)) for each in told)


def _paired(report: ClosedLoopReport) -> str:
    rows = [
        [
            _text(f"{each.decoder} less {each.baseline}"),
            f"{each.figures.trials}",
            _interval(tell(each.figures.success_difference, percent=True, sign=True)),
            _interval(tell(each.figures.time_difference_s, sign=True)),
        ]
        for each in report.paired
    ]
    headings = ("over the same trials", "trials", "success", "mean time, s")
    return f"<h2>Paired</h2>{_table(headings, rows)}" if rows else ""


def _sessions(report: ClosedLoopReport) -> str:
    rows = [
        [
            _text(f"{decoder.decoder}, seed {each.seed}"),
            f"{each.successes} of {each.trials}",
            ", ".join(f"{value:.2f}" for value in each.r_squared or ()) or "-",
            ", ".join(f"{value:.2f}" for value in each.correlation or ()) or "-",
            _text(each.failure) or "to its end",
        ]
        for decoder in report.decoders
        for each in decoder.sessions
    ]
    table = _table(("session", "acquired", "offline R2 (x, y)", "correlation (x, y)", "ended"), rows)
    return f"<details><summary>Session by session</summary>{table}</details>"


def _real_time(report: ClosedLoopReport) -> str:
    """Where the time of a real clock goes, stage by stage."""
    stages = {"spikes_ms": "bin's end to counts", "decoder_ms": "to velocity", "cursor_ms": "to next intention"}
    stages |= {"loop_ms": "whole loop"}
    counted = ("steps", "missed", "behind", "skipped", "untimely", "late", "invalid")
    rows = [
        [
            _text(f"{each['decoder']}, seed {each['seed']}"),
            *(" / ".join(f"{value:.2f}" for value in each["latency"][stage].values()) for stage in stages),
            *(f"{each['latency'][name]}" for name in counted),
        ]
        for each in report.real_time
        if each["latency"] is not None
    ]
    if not rows:
        return ""
    table = _table(("session", *stages.values(), *counted), rows)
    return f'<h2>Latency of the loop</h2><div class="wide">{table}</div><p>p50 / p99 / longest, ms; bins.</p>'


def _caption(report: ClosedLoopReport, setup: Setup) -> str:
    told = f"Of seed {report.seeds[0]}, to the acquisition; a colour a direction." if report.seeds else ""
    if not setup.plan.task.recentres:
        told += f" The first {DRAWN} trials."
    return f"{told} Broken, with a cross at its end: a failure."


def _course_caption(report: ClosedLoopReport) -> str:
    told = "Left, of all sessions; right, of the first: a dot a trial, a cross at the timeout a failure."
    if report.plan["recalibrate_after"]:
        told += " Hollow, and left of the dotted line: before recalibration."
    if report.perturbations:
        told += " Broken lines: a perturbation sets in."
    return told


def _interval(text: str) -> str:
    """The interval, in brackets, smaller."""
    value, bracket, rest = text.partition(" (")
    return f"{value} <small>({rest}</small>" if bracket else value


def _table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{escape(each)}</th>" for each in headings)
    body = "\n".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>" for cells in rows)
    return f"<table><tr>{head}</tr>\n{body}</table>"


def _text(text: str) -> str:
    return escape(text)
