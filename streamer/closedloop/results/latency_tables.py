"""Where the time of a loop on a real clock goes, stage by stage, for the page; and whether the machine kept up."""

from typing import Any

from spikeloop.exporters.pages.shell import Markup, Section, fill, section, table
from spikeloop.models.significant import significant
from spikeloop.streamer.closedloop.results.report import ClosedLoopReport

__all__ = ["busy_session_words", "latency_section"]

BUSY_SESSION = 0.01  # share of steps that went wrong, from which on a comparison is not one of decoders alone

STAGES = {
    "spikes_ms": "end of the bin to counts",
    "decoder_ms": "counts to velocity",
    "cursor_ms": "velocity to the next intended velocity",
    "loop_ms": "whole loop",
}
COUNTED = (
    "steps", "missed_steps", "late_steps", "dropped_steps", "late_inputs", "late_answers", "invalid_answers",
)  # fmt: skip


def latency_section(report: ClosedLoopReport) -> Section:
    """Make the section; false where no session ran on a real clock.

    Parameters
    ----------
    report : ClosedLoopReport
    """
    timed = [run for run in report.real_time if run["latency"] is not None]
    if not timed:
        return section("Latency of the loop")
    stages = (
        [f"{run['decoder']}, seed {run['seed']}", words, *map(significant, run["latency"][stage].values())]
        for run in timed
        for stage, words in STAGES.items()
    )
    counts = (
        [f"{run['decoder']}, seed {run['seed']}", *(f"{run['latency'][name]}" for name in COUNTED)] for run in timed
    )
    return section(
        "Latency of the loop",
        table(("session", "stage", "half within (ms)", "99 % within (ms)", "longest (ms)"), stages),
        Markup("<h3>Bins counted</h3>"),
        table(("session", *(name.replace("_", " ") for name in COUNTED)), counts),
        *(fill("<p>{}.</p>", words) for words in filter(None, map(busy_session_words, timed))),
    )


def busy_session_words(timed: dict[str, Any]) -> str:
    """Say that the machine was too busy for a session on a real clock, and what to do; empty where it was not."""
    latency = timed["latency"]
    late, missed, dropped = (latency[f"{kind}_steps"] for kind in ("late", "missed", "dropped"))
    if late + missed + dropped <= BUSY_SESSION * latency["steps"]:
        return ""
    return (
        f"{timed['decoder']}, seed {timed['seed']}: the machine was too busy for real time: {late} late, {missed}"
        f" missed and {dropped} dropped steps, beside {latency['steps']} of the closed loop; stop other programs and"
        " repeat it, or compare decoders with --clock simulated, where none is late"
    )
