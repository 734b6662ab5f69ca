"""The books of a soak: an account of each run of each stream at each consumer, and what in it nothing explains."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.bundle import load_bundle
from spikeloop.streamer.stream.source import CHUNK_COUNTS, open_source
from tests.soak.accounts import Span, account, excused
from tests.soak.bin_log import Run, checksum
from tests.soak.campaign import Event
from tests.soak.lab import PATIENCE_S, Lab
from tests.soak.program import Life
from tests.soak.received import Received
from tests.soak.roster import BUNDLES, INLETS
from tests.soak.verdict import Entry, Finding

__all__ = ["books", "number_at", "problems_of"]

END_S = 2.0  # before the end of a stream, or of a consumer that was asked to end: bins that are on their way
KILLED_S = 10.0  # before a kill: bins that wait to be written, on however busy a machine
BEFORE_S, AFTER_S = 1.0, 15.0  # around a fault that makes a consumer connect anew


def books(lab: Lab, everything: Sequence[Received], events: Sequence[Event]) -> tuple[list[Entry], list[Finding]]:
    """Account for all that was received.

    Parameters
    ----------
    lab : Lab
    everything : sequence of Received
    events : sequence of Event
        That may explain what is missing.
    """
    entries, findings = [], []
    for kind, name in lab.names.items():
        of_stream = [each for each in everything if each.run.name == name]
        runs = _runs(of_stream)
        lasts = [_last(lab.programs[f"stream-{kind}"].lives, run, of_stream) for run in runs]
        truth = _truth(BUNDLES[kind], lab.seed, 1 + max(lasts, default=-1))
        for each in of_stream:
            number = next(number for number, run in enumerate(runs) if run.is_that_of(each.run))
            last = lasts[number]
            found = account(each.rows["bin"], each.rows["sum"], truth[: last + 1])
            after = last - found.last
            entry = Entry(
                kind, number + 1, each.consumer, each.life.number, found, max(0, found.first), after, each.counted_lost
            )  # fmt: skip
            entries.append(entry)
            sent_s = _sent_s(each.run, last + 1, [one for one in of_stream if one.consumer == INLETS[kind]])
            over_mqtt = each.consumer == f"subscriber-{kind}"
            held = _held_by_broker(lab.programs[f"stream-{kind}"].lives, each.run) if over_mqtt else 0
            findings += problems_of(entry, each.run, each.life, events, sent_s, held)
    return entries, findings


def problems_of(
    entry: Entry,
    run: Run,
    life: Life,
    events: Sequence[Event],
    sent_s: NDArray[np.float64],
    held: float = 0,
) -> list[Finding]:
    """Find what in an account is wrong, and which missing bins no fault explains.

    Parameters
    ----------
    entry : Entry
    run : Run
        Of the stream.
    life : Life
        Of the consumer.
    events : sequence of Event
    sent_s : array of shape (bins of the run,), s
        When each bin was sent, on LSL's clock.
    held : float >= 0
        Bins that a broker may not have read before it died: messages that the stream counts as unconfirmed.
    """
    found, who = entry.account, f"{entry.consumer}, life {entry.life}, run {entry.run} of stream-{entry.stream}"
    times = [(e.began_s - BEFORE_S, e.settled_s + AFTER_S) for e in events if entry.consumer in e.may_lose]
    problems = [
        Finding(f"{who}: {number:,} bins {how}")
        for number, how in (
            (found.doubled, "came twice"),
            (found.disordered, "came out of order"),
            (found.wrong, "have other counts than their seed gives, or stamps at which no bin ends"),
        )
        if number
    ]

    def rest(span: Span, earlier_s: float = 0.0) -> NDArray[np.bool_]:
        wider = [(from_s - earlier_s, until_s) for from_s, until_s in times]
        return ~excused(run.stamps_s(span.numbers), sent_s[span.numbers], wider)

    unread = [span for span in found.missing if rest(span).any() and not rest(span, KILLED_S).any()]
    held_explains = sum(int(rest(span).sum()) for span in unread) <= held
    problems += [
        _missing(who, "in between", run, span, events)
        for span in found.missing
        if rest(span).any() and not (held_explains and span in unread)
    ]
    if entry.before and run.stamp_s(found.first) - max(run.start_s, life.began_s) > PATIENCE_S:
        problems.append(_missing(who, "before its first", run, Span(0, found.first - 1), events))
    tail = Span(found.last + 1, found.last + entry.after)
    ends_s = life.until_s or np.inf
    on_their_way_s = END_S if life.end == "asked" else KILLED_S
    if (
        entry.after
        and sent_s[tail.first] < min(sent_s[tail.last] - END_S, ends_s - on_their_way_s)
        and rest(tail).any()
    ):
        missing = _missing(who, "after its last", run, tail, events)
        problems.append(replace(missing, number=number_at(min(ends_s, run.stamp_s(tail.last)), events)))
    if entry.counted is not None and entry.counted != found.missing_bins:
        problems.append(Finding(f"{who}: {found.missing_bins:,} bins are missing, and it counts {entry.counted:,}"))
    return problems


def number_at(at_s: float, events: Sequence[Event]) -> int | None:
    """Return the number of the latest fault that had begun at a time of LSL's clock."""
    return max((event.number for event in events if event.began_s <= at_s), default=None)


def _missing(who: str, where: str, run: Run, span: Span, events: Sequence[Event]) -> Finding:
    begin_s = run.stamp_s(span.first)
    return Finding(
        f"{who}: {span.bins:,} bins {where} are missing, {begin_s - run.start_s:.2f} s after the run's start, and no"
        " fault explains it",
        number_at(begin_s, events),
    )


def _runs(of_stream: Sequence[Received]) -> list[Run]:
    """Return each run once, in the order of time."""
    runs: list[Run] = []
    for each in sorted(of_stream, key=lambda each: each.run.start_s):
        if not runs or not runs[-1].is_that_of(each.run):
            runs.append(each.run)
    return runs


def _last(lives: Sequence[Life], run: Run, of_stream: Sequence[Received]) -> int:
    """Return the number of the last bin of a run: that its stream reports, or that anybody received."""
    of_run = [each.rows["bin"].max(initial=-1) for each in of_stream if each.run.is_that_of(run)]
    reported = [life.report.get("bins", 0) - 1 for life in lives if _is_of(life, run)]
    return int(max([*of_run, *reported]))


def _sent_s(run: Run, bins: int, at_inlet: Sequence[Received]) -> NDArray[np.float64]:
    """Return when the bins of a run were sent: when they came to our inlet, or where they did not, when they ended."""
    sent_s = run.stamps_s(np.arange(bins))
    for each in at_inlet:
        if each.run.is_that_of(run):
            rows = each.rows[(each.rows["bin"] >= 0) & (each.rows["bin"] < bins)]
            sent_s[rows["bin"]] = np.maximum(sent_s[rows["bin"]], rows["arrived_s"])
    return sent_s


def _held_by_broker(lives: Sequence[Life], run: Run) -> float:
    """Return the messages of a run that no broker confirmed, as its stream counts; any number where it was killed."""
    report = next((life.report for life in lives if _is_of(life, run) and life.report), None)
    return np.inf if report is None else report["mqtt"]["unconfirmed"]


def _is_of(life: Life, run: Run) -> bool:
    """Whether a run of a stream was sent in this life of its program."""
    return life.began_s < run.start_s and (life.ended_s is None or run.start_s < life.ended_s)


def _truth(bundle: str, seed: int, bins: int) -> NDArray[np.uint32]:
    """Return the checksums of the bins that a bundle gives for a seed, which are the same in every run."""
    loaded = load_bundle(bundle)
    source, at_once = open_source(loaded, seed, "cpu"), max(1, CHUNK_COUNTS // len(loaded.card.unit_names))
    sums = [checksum(counts) for first in range(0, bins, at_once) for counts in source.next(min(at_once, bins - first))]
    return np.array(sums, np.uint32)
