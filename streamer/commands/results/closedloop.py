"""What `spikeloop closedloop` prints for people."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from spikeloop.models.significant import significant
from spikeloop.streamer.closedloop.results.difference import describe_paired
from spikeloop.streamer.closedloop.results.estimates import format_estimate
from spikeloop.streamer.closedloop.results.falcon import FalconReport
from spikeloop.streamer.closedloop.results.latency_tables import busy_session_words
from spikeloop.streamer.closedloop.results.pairs import PairedReport, with_the_first
from spikeloop.streamer.closedloop.results.report import ClosedLoopReport
from spikeloop.streamer.closedloop.results.trial_statistics import Figures
from spikeloop.streamer.commands.output import WIDE, print_wrapped

__all__ = ["print_findings"]

NARROW = ["success", "time (s)", "bit/s"]


def print_findings(report: ClosedLoopReport) -> None:
    """The figures as a table, for people."""
    console = Console()
    wide = console.width >= WIDE
    seeds = "-".join(dict.fromkeys(str(seed) for seed in (*report.seeds[:1], *report.seeds[-1:])))
    about = (report.bundle, f"user {report.user}", f"{report.plan['trials']} trials of {report.task['name']}")
    print(f"{', '.join(about)}, seed {seeds}:")
    headings = ["acquired", "success", "time (s)", "first touch", "dial-in", "path", "bit/s"] if wide else NARROW
    table = Table(Column("decoder", overflow="fold"), *headings, "R2", box=None, pad_edge=False)
    for decoder in report.decoders:
        offline = format_estimate(decoder.r_squared if wide else dataclasses.replace(decoder.r_squared, low=math.nan))
        if decoder.before_recalibration is not None:
            table.add_row(Text(f"{decoder.decoder}, at first"), *_row(decoder.before_recalibration, wide), "")
        table.add_row(Text(decoder.decoder), *_row(decoder.closed_loop, wide), offline)
    console.print(table)
    _print_differences(report.paired, console.width)
    if report.histories:
        print(f"history: {report.histories}")
    for warning in report.warnings:
        print_wrapped(f"warning: {warning}", console.width)
    if report.interruption:
        print(report.interruption)
    timeout_s = report.task["timeout_s"]
    print(
        f"95 % intervals; time: to the target, mean of all trials, a failure counts as the timeout of {timeout_s:g} s;"
    )
    print("bit/s: Fitts, failures cost what they took; R2: offline, mean of x and y, on held-out calibration data")
    for row in report.falcon:
        latency = report.normalized_latency.get(row.decoder)
        if row.held_in.sessions or row.held_out.sessions or latency is not None:
            print_wrapped(_falcon_line(row, latency), console.width)
    for row in report.real_time:
        if row["latency"] is not None:
            print_wrapped(_latency_line(row), console.width)
            if busy := busy_session_words(row):
                print_wrapped(busy, console.width)


def _print_differences(paired: Sequence[PairedReport], width: int) -> None:
    """The differences to the first decoder, and where those between the others are."""
    first = with_the_first(paired)
    for row in first:
        print_wrapped(f"{row.decoder} minus {row.baseline}: {describe_paired(row.figures)}", width)
        print_wrapped(row.verdicts["time"].sentence, width, "  ")
    if len(paired) > len(first):
        others = "1 more pair" if len(paired) - len(first) == 1 else f"{len(paired) - len(first)} more pairs"
        print_wrapped(f"{others} of decoders, not with {first[0].baseline}: in --json and --report", width)


def _falcon_line(row: FalconReport, latency: float | None) -> str:
    """A decoder's scores as the FALCON challenge has them."""
    took = "" if latency is None else f", normalized latency {latency:.2g} on this machine"
    return f"FALCON {row.decoder}: R2 held in {row.held_in}, held out {row.held_out}{took}"


def _latency_line(timed: dict[str, Any]) -> str:
    """Where the time of a session on a real clock went."""
    latency = timed["latency"]
    stages = ", ".join(
        f"{stage} {significant(latency[key]['p50'])}/{significant(latency[key]['p99'])}"
        for stage, key in (("spikes", "spikes_ms"), ("decoder", "decoder_ms"), ("cursor", "cursor_ms"))
    )
    return (
        f"{timed['decoder']}, seed {timed['seed']}: loop p50 {significant(latency['loop_ms']['p50'])},"
        f" p99 {significant(latency['loop_ms']['p99'])} ms after the bin's end ({stages}); {latency['steps']} steps,"
        f" {latency['missed_steps']} missed, {latency['late_steps']} late, {latency['dropped_steps']} dropped;"
        f" {latency['late_answers']} late answers, {latency['invalid_answers']} ignored"
    )


def _row(figures: Figures, wide: bool) -> list[str]:
    success, bits = format_estimate(figures.success_rate, percent=True), format_estimate(figures.fitts_bits_per_s)
    time_s = format_estimate(figures.time_with_failures_s)
    if not wide:
        return [success, time_s, bits]
    parts = (figures.first_touch_s, figures.dial_in_s, figures.path_efficiency)
    values = (format_estimate(dataclasses.replace(estimate, low=math.nan)) for estimate in parts)
    return [f"{figures.successes}/{figures.trials}", success, time_s, *values, bits]
