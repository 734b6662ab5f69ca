"""Judge a soak whose programs have ended: bins accounted for, schedule kept, nothing grown; all else is a finding."""

from collections.abc import Iterator, Sequence

from tests.soak.books import books
from tests.soak.campaign import Event
from tests.soak.flatness import flatness, thinned
from tests.soak.lab import Lab
from tests.soak.received import Received, received
from tests.soak.roster import INLETS
from tests.soak.schedule import Kept, kept_after
from tests.soak.verdict import Finding, Followed, Verdict

__all__ = ["judged"]

LATE_BINS = 300  # that a monitor may miss at the beginning, before it has connected, and at the end


def judged(lab: Lab, events: Sequence[Event]) -> Verdict:
    """Judge all that the programs of a laboratory left."""
    everything = list(received(lab))
    entries, findings = books(lab, everything, events)
    kept = _kept(everything, events)
    followed = tuple(_followed(lab))
    findings = [
        *(Finding(text) for text in lab.troubles),
        *(Finding(text) for program in lab.programs.values() for text in program.failures()),
        *(Finding(event.failure, event.number) for event in events if event.failure),
        *findings,
        *_off_schedule(kept),
        *_grown(followed),
        *_monitored(lab),
    ]
    return Verdict(tuple(entries), tuple(kept), followed, tuple(findings))


def _kept(everything: Sequence[Received], events: Sequence[Event]) -> list[Kept]:
    """Judge the schedule of the steady stream, of which there is one run."""
    quiet = [(event.number, event.ended_s, event.quiet_until_s) for event in events]
    for each in everything:
        if each.consumer == INLETS["steady"]:
            return kept_after(each.run, each.rows["bin"], each.rows["arrived_s"], quiet)
    return []


def _off_schedule(kept: Sequence[Kept]) -> Iterator[Finding]:
    for each in kept:
        if not each.holds:
            late = f"{each.delay_ms:.1f} ms after the end of its bin"
            yield Finding(f"stream-steady is off its schedule: ratio {each.ratio:.7f}, arrival {late}", each.number)
    if not kept:
        yield Finding("no bin of the steady stream came to its inlet, so the schedule can't be judged")


def _followed(lab: Lab) -> Iterator[Followed]:
    for program in lab.programs.values():
        life = max(program.lives, key=lambda life: len(life.figures))
        found = flatness(life.figures)
        if found is not None:
            yield Followed(program.name, program.ours, found, thinned(life.figures))


def _grown(followed: Sequence[Followed]) -> Iterator[Finding]:
    for each in followed:
        if each.ours and not each.flatness.holds:
            found = each.flatness
            yield Finding(
                f"{each.program} grew by {found.growth_mb_h:.2f} MB an hour, {found.descriptors} descriptors and"
                f" {found.threads} threads"
            )


def _monitored(lab: Lab) -> Iterator[Finding]:
    """Compare what the steady monitor counts with what the stream reports."""
    sent = lab.programs["stream-steady"].life.report.get("bins")
    reception = lab.programs["monitor-steady"].life.report.get("reception")
    if sent is None or reception is None:
        yield Finding("stream-steady or monitor-steady ended without a report")
        return
    counted = sum(reception[key] for key in ("bins", "lost_bins", "invalid_bins", "saturated_bins"))
    if not 0 <= sent - counted <= LATE_BINS:
        yield Finding(f"of {sent} bins of stream-steady, monitor-steady counts {counted} as received or lost")
