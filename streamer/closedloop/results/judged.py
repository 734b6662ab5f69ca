"""Which trials and bins of a session count in its results."""

from collections.abc import Mapping, Sequence

from spikeloop.streamer.closedloop.comparison import Run
from spikeloop.streamer.closedloop.experiment.record import Block, BlockName, SessionRecord, Trial

__all__ = ["BEFORE", "CLOSED_LOOP", "at_same_places", "block_of", "judged", "judged_of", "paired_trials"]

TrialsByPlace = Mapping[tuple[int, ...], Trial]

CLOSED_LOOP: BlockName = "closed loop"
BEFORE: BlockName = "before recalibration"


def judged(run: Run, block: BlockName = CLOSED_LOOP) -> list[Trial]:
    """The trials of a block, with those that a decoder that failed forfeits, but for the one that Ctrl-C cut off."""
    return judged_of(run.record, block, run.forfeited)


def judged_of(record: SessionRecord, block: BlockName = CLOSED_LOOP, forfeited: Sequence[Trial] = ()) -> list[Trial]:
    """The same of a session's record alone."""
    return [
        trial
        for trial in (*record.trials, *forfeited)
        if trial.block == block and not (record.interrupted and trial.outcome == "lost")
    ]


def block_of(run: Run, name: BlockName = CLOSED_LOOP) -> Block | None:
    """A block of a session; None where its bins were not kept, or it never began."""
    return next((block for block in run.record.blocks if block.name == name), None)


def paired_trials(decoder: str, baseline: str, runs: Sequence[Run]) -> tuple[list[list[Trial]], list[list[Trial]]]:
    """Find the trials that two decoders both had, session by session, in one order."""
    one, other = (
        {(run.seed, trial.index): trial for run in runs if run.decoder == name for trial in judged(run)}
        for name in (decoder, baseline)
    )
    return at_same_places(one, other)


def at_same_places(one: TrialsByPlace, other: TrialsByPlace) -> tuple[list[list[Trial]], list[list[Trial]]]:
    """Find the trials whose place both have, seed by seed, in one order; a place begins with the seed."""
    both = sorted(one.keys() & other.keys())
    by_seed = [[place for place in both if place[0] == seed] for seed in dict.fromkeys(place[0] for place in both)]
    first, second = ([[side[place] for place in places] for places in by_seed] for side in (one, other))
    return first, second
