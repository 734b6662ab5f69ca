"""A comparison of decoders as one self-contained page: differences, a replay of trials, pictures, and figures."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from spikeloop.exporters.pages.origin import Origin, made_by
from spikeloop.exporters.pages.shell import (
    Markup,
    Section,
    details,
    figures,
    fill,
    item_list,
    join,
    page,
    section,
    table,
)
from spikeloop.models.whole_file import whole_file
from spikeloop.streamer.closedloop.comparison import Run
from spikeloop.streamer.closedloop.results.difference import MEASURES
from spikeloop.streamer.closedloop.results.estimates import format_estimate
from spikeloop.streamer.closedloop.results.falcon_tables import falcon_section
from spikeloop.streamer.closedloop.results.latency_tables import latency_section
from spikeloop.streamer.closedloop.results.pairs import PairedReport, with_the_first
from spikeloop.streamer.closedloop.results.plots import DRAWN, draw_differences, draw_times, draw_trajectories
from spikeloop.streamer.closedloop.results.replay import replay, replay_script
from spikeloop.streamer.closedloop.results.report import ClosedLoopReport, DecoderReport
from spikeloop.streamer.closedloop.results.trial_statistics import Figures
from spikeloop.streamer.closedloop.setup import Setup

__all__ = ["write_page"]

DEFINITIONS = (
    ("success", "share of trials in which the target was held as long as asked; with Wilson's interval"),
    ("time", "from the target's appearance to the entry from which it was held, mean of all trials; a failure counts as"
     " the timeout, here and in the paired differences"),
    ("of successes", "the same without failures. First touch and dial-in are its parts before and after the first entry"
     " (Gilja et al. 2012)"),
    ("path efficiency", "of successes, the straight line over the cursor's path to the acquisition"),
    ("Fitts", "log2(D / W + 1) bits of every success (MacKenzie 1992), D to the target's centre and W its width, by"
     " the time of all trials without holds; failures cost what they took"),
    ("achieved", "of the grid: log2(N - 1) max(right - wrong, 0) bits by the time of all trials, with holds"
     " (Nuyujukian et al. 2015)"),
    ("offline", "R² and correlation r of decoded with shown velocity on the last fifth of the calibration block,"
     " mean of both axes; the decoder is fitted on what is before"),
    ("paired", "differences over the same targets of the same seeds, with Student's t interval over pairs of trials,"
     " moderated by how much sessions differ (Smyth 2004); of success at least Newcombe's (1998). p is corrected by"
     " Holm's method (1979) over all pairs of decoders, each measure by itself; below 0.05 it decides the verdict"),
    ("more pairs", "of trials, with which a difference as large as the one found would be found in 4 of 5 repetitions"),
)  # fmt: skip

INTERVALS = (
    "With 95 % intervals: by bootstrap over sessions and the trials of each, of success at least Wilson's;"
    " offline by Student's t over sessions."
)


def write_page(
    path: Path, report: ClosedLoopReport, setup: Setup, runs: Sequence[Run], *, written: datetime | None = None
) -> None:
    """Write the page, whole or not at all; the same comparison on a simulated clock gives the same page.

    Parameters
    ----------
    path : Path
        File that is replaced; folders on the way to it are made.
    report : ClosedLoopReport
    setup : Setup, of the comparison
    runs : sequence of Run
        What the report is of; those of the first seed with their blocks, which are drawn.
    written : datetime, default None
        Local time, which the page says.

    Raises
    ------
    FailureError
        If Matplotlib is not installed, or the disk refuses.
    """
    decoders = ", ".join(setup.decoders)
    drawn = [run for run in runs if run.seed == runs[0].seed] if runs else []
    played = replay(setup, drawn)
    content = page(
        f"{decoders} in a closed loop",
        figures(_success(report)),
        section("Notices", item_list(_notices(report))),
        _paired(report, setup, runs),
        section("Replay", played),
        section("Trajectories", fill("<p>{}</p>", _caption(report, setup)), draw_trajectories(setup, drawn)),
        section("Times", draw_times(setup, runs)),
        _figures(report),
        falcon_section(report),
        latency_section(report),
        section("What the figures are", item_list(fill("<strong>{}</strong>: {}.", *entry) for entry in DEFINITIONS)),
        made_by(Origin(report.command, _seeds(report), written), _facts(report)),
        kind="closed loop",
        heading=fill("{} <small>in a closed loop</small>", decoders),
        lead=_lead(report),
        script=replay_script() if played else "",
    )
    with whole_file(path) as file:
        file.write(content)


def _lead(report: ClosedLoopReport) -> str:
    """How the first decoder did, and each of the others against it."""
    if not report.decoders:
        return "No trial was done."
    first = report.decoders[0]
    found = first.closed_loop
    said = [f"{first.decoder} acquired {found.successes} of {found.trials} targets"]
    if not math.isnan(found.time_with_failures_s.value):
        said[0] += f", in {found.time_with_failures_s.value:.2f} s on average, failures as the timeout"
    said += [str(paired.verdicts["time"]) for paired in with_the_first(report.paired)]
    return f"{'. '.join(said)}."


def _success(report: ClosedLoopReport) -> Iterator[tuple[str, str]]:
    for decoder in report.decoders:
        found = decoder.closed_loop
        if not math.isnan(found.success_rate.value):
            shown = f"{100 * found.success_rate.value:.0f} %, {found.time_with_failures_s.value:.2f} s"
            yield shown, f"{decoder.decoder}: success, time"


def _facts(report: ClosedLoopReport) -> Iterator[tuple[str, str]]:
    """What was run."""
    plan, task, ms = report.plan, report.task, 1000 * report.bin_size_s
    units = f"{report.used_units} of {report.units}" if report.used_units < report.units else f"{report.units}"
    yield "bundle", f"{report.bundle}, SHA-256 {report.sha256}"
    yield "population", f"{units} units, {ms:g} ms bins"
    yield (
        "task",
        f"{task['name']}: {plan['trials']} trials, {task['hold_s']:g} s hold, {task['timeout_s']:g} s timeout",
    )
    yield "user", f"{report.user}, {report.clock} clock"
    learning = [f"{plan['calibration_s']:g} s of calibration" if plan["calibration_s"] else "no calibration"]
    if plan["recalibrate_after"]:
        learning.append(f"recalibration after {plan['recalibrate_after']} trials")
    learning += [f"gain {plan['gain']:g}, smoothing {plan['smoothing']:g}"]
    learning += [f"the decoder takes {plan['decoder_bins']} bins as one"] if plan["decoder_bins"] > 1 else []
    yield "decoders", ", ".join(learning)
    if report.histories:
        yield "history", report.histories
    late = [f"{name} {bins}" for name, bins in report.designed_latency_bins.items() if bins]
    if late:
        yield "delays by design, in bins", ", ".join(late)


def _seeds(report: ClosedLoopReport) -> str:
    if not report.seeds:
        return ""
    return f"{report.seeds[0]}" if len(report.seeds) == 1 else f"{report.seeds[0]} to {report.seeds[-1]}"


def _notices(report: ClosedLoopReport) -> Iterator[str]:
    """What went wrong, by plan or not, and what the loop assumed."""
    failures = [*report.failures, *["interrupted: figures are of what was done until then"] * report.interrupted]
    yield from (fill('<span class="alarm">{}</span>', failure) for failure in failures)
    yield from (fill('<span class="alarm">{}</span>', warning) for warning in report.warnings)
    for perturbation in report.perturbations:
        onset_s = perturbation["onset_s"]
        when = f"from {onset_s:g} s of closed loop on" if onset_s else "from the start"
        yield f"{perturbation['kind']} {perturbation['value']:g}, {when}: {perturbation['does']}"


def _figures(report: ClosedLoopReport) -> Section:
    grid = report.task["name"] == "grid"
    headings = ["decoder", "acquired", "success", "time (s)", "of successes (s)", "touch + dial-in (s)"]
    headings += ["path efficiency", "Fitts, bit/s", *(["achieved, bit/s"] if grid else []), "offline R²", "offline r"]
    rows = []
    for decoder in report.decoders:
        for name, found in _blocks(decoder):
            cells = [name, f"{found.successes} of {found.trials}", *_cells(found, grid)]
            rows.append([*cells, *(_offline(decoder) if found is decoder.closed_loop else ("", ""))])
    return section(
        "Figures",
        table(headings, rows),
        _failures(report),
        fill("<p class='note'>{}</p>", INTERVALS),
        _sessions(report),
    )


def _failures(report: ClosedLoopReport) -> Markup:
    """How failures count: the same in every table."""
    said = "In the time, a failure counts as the timeout of {:g} s; in the bit rate, as the time that it took."
    return fill(f"<p class='note'>{said}</p>", report.task["timeout_s"])


def _blocks(decoder: DecoderReport) -> Iterator[tuple[str, Figures]]:
    if decoder.before_recalibration is not None:
        yield f"{decoder.decoder}, before recalibration", decoder.before_recalibration
    yield decoder.decoder, decoder.closed_loop


def _cells(figures: Figures, grid: bool) -> Iterator[str]:
    yield _interval(format_estimate(figures.success_rate, percent=True))
    for statistic in (figures.time_with_failures_s, figures.time_to_target_s):
        yield _interval(format_estimate(statistic))
    touch, dial_in = (replace(part, low=math.nan) for part in (figures.first_touch_s, figures.dial_in_s))
    yield f"{format_estimate(touch)} + {format_estimate(dial_in)}" if figures.successes else "-"
    yield _interval(format_estimate(figures.path_efficiency))
    yield _interval(format_estimate(figures.fitts_bits_per_s))
    if grid:
        yield _interval(format_estimate(figures.achieved_bits_per_s))


def _offline(decoder: DecoderReport) -> Iterator[Markup]:
    yield from (_interval(format_estimate(mean)) for mean in (decoder.r_squared, decoder.correlation))


def _paired(report: ClosedLoopReport, setup: Setup, runs: Sequence[Run]) -> Section:
    """Differences over the same targets of the same seeds: in sentences, as a picture and as figures."""
    if not report.paired:
        return section("Paired differences")
    sentences = item_list(
        fill(
            "<strong>{}</strong>: {}.", f"{paired.decoder} against {paired.baseline}", paired.verdicts["time"].sentence
        )
        for paired in with_the_first(report.paired)
    )
    pictures = draw_differences(setup, runs, with_the_first(report.paired))
    headings = ("over the same trials", "pairs", "measure", "difference", "p, corrected", "more pairs", "verdict")
    rows = [row for paired in report.paired for row in _differences(paired)]
    return section("Paired differences", sentences, pictures, table(headings, rows), _failures(report))


def _differences(paired: PairedReport) -> Iterator[list[Markup | str]]:
    """A row for each measure."""
    figures = paired.figures
    found = (
        ("time (s)", format_estimate(figures.time_difference_s, sign=True)),
        ("success", format_estimate(figures.success_difference, percent=True, sign=True)),
        ("Fitts, bit/s", format_estimate(figures.bits_difference, sign=True)),
    )
    for measure, (title, difference) in zip(MEASURES, found, strict=True):
        verdict = paired.verdicts[measure]
        p_value, more = verdict.corrected_p_value, verdict.trials_needed - verdict.trials
        yield [
            f"{paired.decoder} minus {paired.baseline}",
            f"{figures.trials}",
            title,
            _interval(difference),
            "-" if math.isnan(p_value) else f"{p_value:.3f}" if p_value >= 0.001 else "< 0.001",
            f"{more:.0f}" if verdict.verdict == "no difference found" and 0 < more < math.inf else "-",
            verdict.verdict,
        ]


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
    headings = ("session", "acquired", "offline R² (x, y)", "offline r (x, y)", "ended")
    return details("Session by session", table(headings, rows))


def _caption(report: ClosedLoopReport, setup: Setup) -> str:
    caption = f"Of seed {report.seeds[0]}, to the acquisition; a colour a direction." if report.seeds else ""
    if not setup.plan.task.recentres:
        caption += f" The first {DRAWN} trials."
    return f"{caption} Broken, with a cross at its end: a failure."


def _interval(text: str) -> Markup:
    """The interval, in brackets, smaller."""
    value, bracket, rest = text.partition(" (")
    return fill("{} <small>({}</small>", value, rest) if bracket else join([value])
