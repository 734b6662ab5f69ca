"""What `spikeloop closedloop` found, for people, and what happened in every bin, for programs."""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from spikeloop.exporters.whole_file import whole_file
from spikeloop.streamer.closedloop.comparison import Run, Setup
from spikeloop.streamer.closedloop.figures import Figures
from spikeloop.streamer.closedloop.report import ClosedLoopReport, tell
from spikeloop.streamer.commands.output import WIDE

__all__ = ["print_findings", "save_blocks"]

NARROW = ["success", "time (s)", "bit/s"]


def print_findings(report: ClosedLoopReport) -> None:
    """The figures as a table, for people."""
    console = Console()
    wide = console.width >= WIDE
    seeds = "-".join(dict.fromkeys(str(each) for each in (*report.seeds[:1], *report.seeds[-1:])))
    told = (report.bundle, f"user {report.user}", f"{report.plan['trials']} trials of {report.task['name']}")
    print(f"{', '.join(told)}, seed {seeds}:")
    headings = ["acquired", "success", "time (s)", "first touch", "dial-in", "path", "bit/s"] if wide else NARROW
    table = Table(Column("decoder", overflow="fold"), *headings, "R2", box=None, pad_edge=False)
    for decoder in report.decoders:
        offline = tell(decoder.r_squared if wide else dataclasses.replace(decoder.r_squared, low=math.nan))
        if decoder.before_recalibration is not None:
            table.add_row(Text(f"{decoder.decoder}, at first"), *_row(decoder.before_recalibration, wide), "")
        table.add_row(Text(decoder.decoder), *_row(decoder.closed_loop, wide), offline)
    console.print(table)
    for each in report.paired:
        success = tell(each.figures.success_difference, percent=True, sign=True)
        time_s = tell(each.figures.time_difference_s, sign=True)
        print(f"{each.decoder} less {each.baseline}: success {success}, mean time {time_s} s")
    print("95 % intervals; bit/s: Fitts, failures cost what they took; R2: offline, on held-out calibration data")
    for each in report.real_time:
        if each["latency"] is not None:
            print(_latency_line(each))


def _latency_line(timed: dict[str, Any]) -> str:
    """Where the time of a session on a real clock went."""
    latency = timed["latency"]
    stages = ", ".join(
        f"{stage} {latency[key]['p50']:.1f}/{latency[key]['p99']:.1f}"
        for stage, key in (("spikes", "spikes_ms"), ("decoder", "decoder_ms"), ("cursor", "cursor_ms"))
    )
    return (
        f"{timed['decoder']}, seed {timed['seed']}: loop p50 {latency['loop_ms']['p50']:.1f}, p99"
        f" {latency['loop_ms']['p99']:.1f} ms after the bin's end ({stages}); {latency['steps']} steps,"
        f" {latency['missed']} missed, {latency['behind']} behind, {latency['late']} late, {latency['invalid']} ignored"
    )


def _row(figures: Figures, wide: bool) -> list[str]:
    success, bits = tell(figures.success_rate, percent=True), tell(figures.fitts_bits_per_s)
    time_s = tell(figures.time_to_target_s)
    if not wide:
        return [success, time_s, bits]
    parts = (figures.first_touch_s, figures.dial_in_s, figures.path_efficiency)
    values = (tell(dataclasses.replace(each, low=math.nan)) for each in parts)
    return [f"{figures.successes}/{figures.trials}", success, time_s, *values, bits]


def save_blocks(path: Path, setup: Setup, runs: Sequence[Run]) -> None:
    """Write every block's arrays, named DECODER'S PLACE-SEED/BLOCK/ARRAY, and what each trial came to.

    Raises
    ------
    FailureError
        If the disk refuses.
    """
    arrays: dict[str, np.ndarray] = {
        "decoders": np.array(setup.decoders),
        "seeds": np.array(setup.seeds),
        "bin_size_s": np.array(setup.loaded.card.bin_size_s),
    }
    for run in runs:
        session = f"{setup.decoders.index(run.decoder)}-{run.seed}"
        for block in run.record.blocks:
            fields = {key: value for key, value in vars(block).items() if key != "name"}
            fields["outcome"] = np.array([each.outcome for each in run.record.trials if each.block == block.name], str)
            arrays |= {f"{session}/{block.name}/{key}": value for key, value in fields.items()}
    with whole_file(path) as file:
        np.savez_compressed(file, **arrays)  # pyright: ignore[reportArgumentType]
