"""The FALCON challenge's scores on the page of a closed loop."""

from spikeloop.exporters.pages.shell import Section, fill, section, table
from spikeloop.streamer.closedloop.results.report import ClosedLoopReport

__all__ = ["falcon_section"]

WHAT = (
    "R² with columns weighted by their variance, on the held-out end of each session's calibration block: mean and"
    " standard deviation over sessions. Held in are sessions that the decoder learned from, held out those of a decoder"
    " that had learned before (Karpowicz et al. 2024)."
)
LATENCY = " Normalized latency is compute time over neural time, on this machine."


def falcon_section(report: ClosedLoopReport) -> Section:
    """The scores of each decoder; the latency, which is of the machine, on a real clock only."""
    real = report.clock == "real"
    rows = [
        [row.decoder, str(row.held_in), str(row.held_out)]
        + ([f"{report.normalized_latency.get(row.decoder, float('nan')):.2g}"] if real else [])
        for row in report.falcon
        if row.held_in.sessions or row.held_out.sessions
    ]
    headings = ["decoder", "R², held in", "R², held out", *(["normalized latency"] if real else [])]
    if not rows:
        return section("FALCON")
    return section("FALCON", table(headings, rows), fill("<p class='note'>{}</p>", WHAT + LATENCY * real))
