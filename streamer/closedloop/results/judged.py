"""Which trials and bins of a session count in its results."""

from collections.abc import Sequence

from spikeloop.streamer.closedloop.comparison import Run
from spikeloop.streamer.closedloop.experiment.record import Block, BlockName, Trial

__all__ = ["BEFORE", "CLOSED_LOOP", "block_of", "judged", "paired_trials"]

CLOSED_LOOP: BlockName = "closed loop"
BEFORE: BlockName = "before recalibration"


def judged(run: Run, block: BlockName = CLOSED_LOOP) -> list[Trial]:
    """The trials of a block, with those that a decoder that failed forfeits, but for the one that Ctrl-C cut off."""
    return [
        trial
        for trial in (*run.record.trials, *run.forfeited)
        if trial.block == block and not (run.record.interrupted and trial.outcome == "lost")
    ]


def block_of(run: Run, name: BlockName = CLOSED_LOOP) -> Block | None:
    """A block of a session; None where its bins were not kept, or it never began."""
    return next((block for block in run.record.blocks if block.name == name), None)


def paired_trials(decoder: str, baseline: str, runs: Sequence[Run]) -> tuple[list[list[Trial]], list[list[Trial]]]:
    """Find the trials that two decoders both had, session by session, in one order."""
    by_place = {
        name: {(run.seed, trial.index): trial for run in runs if run.decoder == name for trial in judged(run)}
        for name in (decoder, baseline)
    }
    both = sorted(by_place[decoder].keys() & by_place[baseline].keys())
    sessions = [[place for place in both if place[0] == seed] for seed in dict.fromkeys(seed for seed, _ in both)]
    one, other = ([[by_place[name][place] for place in places] for places in sessions] for name in (decoder, baseline))
    return one, other
