"""A comparison of decoders as one self-contained page: tables with intervals, pictures, and how to repeat it."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from spikeloop.exporters.pages.shell import Markup, details, fill, item_list, join, page, section, table
from spikeloop.models.whole_file import whole_file
from spikeloop.streamer.closedloop.comparison import Run
from spikeloop.streamer.closedloop.results.plots import DRAWN, draw_times, draw_trajectories
from spikeloop.streamer.closedloop.results.report import ClosedLoopReport, DecoderReport, format_estimate
from spikeloop.streamer.closedloop.results.trial_statistics import Figures
from spikeloop.streamer.closedloop.setup import Setup

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
    path : Path
        File that is replaced; folders on the way to it are made.
    report : ClosedLoopReport
    setup : Setup, of the comparison
    runs : sequence of Run
        What the report is of; those of the first seed with their blocks, which are drawn.

    Raises
    ------
    FailureError
        If Matplotlib is not installed, or the disk refuses.
    """
    decoders = ", ".join(setup.decoders)
    drawn = [run for run in runs if run.seed == runs[0].seed] if runs else []
    content = page(
        f"{decoders} in a closed loop",
        _header(report),
        section("Notices", item_list(_notices(report))),
        _figures(report),
        section(
            "Trajectories to the targets",
            fill("<p>{}</p>", _caption(report, setup)),
            Markup(draw_trajectories(setup, drawn)),
        ),
        section("Times", fill("<p>{}</p>", _course_caption(report)), Markup(draw_times(setup, runs))),
        _paired(report),
        _sessions(report),
        _real_time(report),
        section("How to repeat it", fill("<p><code>{}</code></p>", report.command), _definitions()),
        heading=fill("{} <small>in a closed loop</small>", decoders),
    )
    with whole_file(path) as file:
        file.write(content)


def _definitions() -> Markup:
    return details("What the figures are", item_list(fill("<b>{}</b>: {}.", *entry) for entry in DEFINITIONS))


def _header(report: ClosedLoopReport) -> Markup:
    plan, task, ms = report.plan, report.task, 1000 * report.bin_size_s
    units = f"{report.used_units} of {report.units}" if report.used_units < report.units else f"{report.units}"
    seeds = f"seed {report.seeds[0]}" if len(report.seeds) == 1 else f"seeds {report.seeds[0]} to {report.seeds[-1]}"
    facts = [f"Bundle {report.bundle} (SHA-256 {report.sha256[:12]}...), {units} units, {ms:g} ms bins"]
    facts.append(
        f"task {task['name']}: {plan['trials']} trials, {task['hold_s']:g} s hold, {task['timeout_s']:g} s timeout"
    )
    facts.append(f"user {report.user}, {report.clock} clock, {seeds}")
    learning = [f"{plan['calibration_s']:g} s of calibration" if plan["calibration_s"] else "no calibration"]
    if plan["recalibrate_after"]:
        learning.append(f"recalibration after {plan['recalibrate_after']} trials")
    learning += [f"gain {plan['gain']:g}, smoothing {plan['smoothing']:g}"]
    learning += [f"the decoder takes {plan['decoder_bins']} bins as one"] if plan["decoder_bins"] > 1 else []
    late = [f"{name} {bins}" for name, bins in report.designed_latency_bins.items() if bins]
    learning += [f"late by design, in bins: {', '.join(late)}"] if late else []
    return fill("<p>{}.<br>{}.</p>", "; ".join(facts), "; ".join(learning))


def _notices(report: ClosedLoopReport) -> Iterator[str]:
    """What went wrong, by plan or not, and what the loop assumed."""
    failures = [*report.failures, *["interrupted: figures are of what was done until then"] * report.interrupted]
    yield from (fill('<span class="alarm">{}</span>', failure) for failure in failures)
    if report.scaling:
        yield f"{report.bundle} is {report.scaling}"
    for perturbation in report.perturbations:
        onset_s = perturbation["onset_s"]
        when = f"from {onset_s:g} s of closed loop on" if onset_s else "from the start"
        yield f"{perturbation['kind']} {perturbation['value']:g}, {when}: {perturbation['does']}"


def _figures(report: ClosedLoopReport) -> Markup:
    grid = report.task["name"] == "grid"
    headings = ["decoder", "acquired", "success", "time to target", "first touch", "dial-in", "path efficiency"]
    headings += ["Fitts, bit/s", *(["achieved, bit/s"] if grid else []), "offline R2, r"]
    rows = []
    for decoder in report.decoders:
        for name, figures in _blocks(decoder):
            cells = [name, f"{figures.successes} of {figures.trials}", *_cells(figures, grid)]
            rows.append([*cells, _offline(decoder) if figures is decoder.closed_loop else ""])
    return section("Figures", table(headings, rows), fill("<p>{}</p>", INTERVALS))


def _blocks(decoder: DecoderReport) -> Iterator[tuple[str, Figures]]:
    if decoder.before_recalibration is not None:
        yield f"{decoder.decoder}, before recalibration", decoder.before_recalibration
    yield decoder.decoder, decoder.closed_loop


def _cells(figures: Figures, grid: bool) -> Iterator[str]:
    yield _interval(format_estimate(figures.success_rate, percent=True))
    for statistic in (figures.time_to_target_s, figures.first_touch_s, figures.dial_in_s, figures.path_efficiency):
        yield _interval(format_estimate(statistic))
    yield _interval(format_estimate(figures.fitts_bits_per_s))
    if grid:
        yield _interval(format_estimate(figures.achieved_bits_per_s))


def _offline(decoder: DecoderReport) -> str:
    both = (decoder.r_squared, decoder.correlation)
    return "-" if math.isnan(both[0].value) else join((_interval(format_estimate(mean)) for mean in both), ", ")


def _paired(report: ClosedLoopReport) -> Markup:
    rows = [
        [
            f"{comparison.decoder} less {comparison.baseline}",
            f"{comparison.figures.trials}",
            _interval(format_estimate(comparison.figures.success_difference, percent=True, sign=True)),
            _interval(format_estimate(comparison.figures.time_difference_s, sign=True)),
        ]
        for comparison in report.paired
    ]
    headings = ("over the same trials", "trials", "success", "mean time, s")
    return section("Paired", table(headings, rows)) if rows else Markup()


def _sessions(report: ClosedLoopReport) -> Markup:
    rows = [
        [
            f"{decoder.decoder}, seed {session.seed}",
            f"{session.successes} of {session.trials}",
            ", ".join(f"{value:.2f}" for value in session.r_squared or ()) or "-",
            ", ".join(f"{value:.2f}" for value in session.correlation or ()) or "-",
            session.failure or "to its end",
        ]
        for decoder in report.decoders
        for session in decoder.sessions
    ]
    headings = ("session", "acquired", "offline R2 (x, y)", "correlation (x, y)", "ended")
    return details("Session by session", table(headings, rows))


def _real_time(report: ClosedLoopReport) -> Markup:
    """Where the time of a real clock goes, stage by stage."""
    stages = {
        "spikes_ms": "bin's end to counts",
        "decoder_ms": "to velocity",
        "cursor_ms": "to the next intended velocity",
    }
    stages |= {"loop_ms": "whole loop"}
    counted = (
        "steps", "missed_steps", "late_steps", "dropped_steps", "late_inputs", "late_answers", "invalid_answers",
    )  # fmt: skip
    rows = [
        [
            f"{run['decoder']}, seed {run['seed']}",
            *(" / ".join(f"{value:.2f}" for value in run["latency"][stage].values()) for stage in stages),
            *(f"{run['latency'][name]}" for name in counted),
        ]
        for run in report.real_time
        if run["latency"] is not None
    ]
    if not rows:
        return Markup()
    headings = ("session", *stages.values(), *(name.replace("_", " ") for name in counted))
    return section("Latency of the loop", table(headings, rows), Markup("<p>p50 / p99 / longest, ms; bins.</p>"))


def _caption(report: ClosedLoopReport, setup: Setup) -> str:
    caption = f"Of seed {report.seeds[0]}, to the acquisition; a colour a direction." if report.seeds else ""
    if not setup.plan.task.recentres:
        caption += f" The first {DRAWN} trials."
    return f"{caption} Broken, with a cross at its end: a failure."


def _course_caption(report: ClosedLoopReport) -> str:
    caption = "Left, of all sessions; right, of the first: a dot a trial, a cross at the timeout a failure."
    if report.plan["recalibrate_after"]:
        caption += " Hollow, and left of the dotted line: before recalibration."
    if report.perturbations:
        caption += " Broken lines: a perturbation sets in."
    return caption


def _interval(text: str) -> Markup:
    """The interval, in brackets, smaller."""
    value, bracket, rest = text.partition(" (")
    return fill("{} <small>({}</small>", value, rest) if bracket else join([value])
