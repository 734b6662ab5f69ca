"""Trials that a decoder forfeits because it failed before they began."""

from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.streamer.closedloop.experiment.plan import Plan
from spikeloop.streamer.closedloop.experiment.record import BlockName, SessionRecord, Trial

__all__ = ["forfeited_trials"]


def forfeited_trials(plan: Plan, record: SessionRecord) -> tuple[Trial, ...]:
    """Return the trials of a plan that never began, each as lost, where the session's decoder failed.

    So a decoder that fails early gains nothing by it. A session that something else ended has none.

    Parameters
    ----------
    plan : Plan
        Of the session, with its seed.
    record : SessionRecord

    Returns
    -------
    tuple of Trial
        Without length: at the end of what there is of their block.
    """
    if not record.decoder_failed:
        return ()
    targets = plan.task.targets(plan.recalibrate_after + plan.trials, random_stream(plan.seed, Purpose.TARGETS))
    bins = {block.name: len(block.counts) for block in record.blocks}
    begun, trials = {trial.index for trial in record.trials}, []
    for index, target in enumerate(targets):
        block: BlockName = "before recalibration" if index < plan.recalibrate_after else "closed loop"
        if index not in begun:
            end = bins.get(block, 0)
            trials.append(Trial(block, index, target, "lost", (0.0, 0.0), appeared_bin=end, ended_bin=end))
    return tuple(trials)
