"""Where the time of a loop on a real clock goes, stage by stage, as a part of the page."""

from spikeloop.exporters.pages.shell import Markup, Section, section, table
from spikeloop.streamer.closedloop.results.report import ClosedLoopReport

__all__ = ["latency_section"]

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
        [f"{run['decoder']}, seed {run['seed']}", words, *(f"{value:.2f}" for value in run["latency"][stage].values())]
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
    )
