from dataclasses import replace
from typing import Any

import pytest

from spikeloop.models.errors import FailureError
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.streamer.closedloop.experiment.forfeits import forfeited_trials
from spikeloop.streamer.closedloop.experiment.plan import Plan
from spikeloop.streamer.closedloop.experiment.session import run_session
from spikeloop.streamer.closedloop.experiment.tasks import CenterOut
from tests.support.loop_parts import Mirror, Readout, failing, simulated

PLAN = Plan(CenterOut(timeout_s=1.0, hold_s=0.1), trials=5, calibration_s=0, seed=3)


def session(part: str, method: str, calls: int, error: BaseException, plan: Plan = PLAN):
    parts: dict[str, Any] = {"population": Mirror(), "user": simulated(), "decoder": Readout()}
    parts[part] = failing(parts[part], method, calls, error)
    return run_session(plan, *parts.values())


@pytest.mark.parametrize("bins", [0, 40, 100])
def test_trials_that_never_began_are_lost_by_a_decoder_that_failed(bins):
    record = session("decoder", "step", bins, FailureError("it broke"))
    assert record.decoder_failed
    forfeited = forfeited_trials(PLAN, record)
    every = (*record.trials, *forfeited)
    assert [trial.index for trial in every] == [0, 1, 2, 3, 4]
    assert tuple(trial.target for trial in every) == tuple(PLAN.task.targets(5, random_stream(3, Purpose.TARGETS)))
    assert {trial.outcome for trial in forfeited} == {"lost"}
    assert {(trial.appeared_bin, trial.ended_bin, trial.acquired_bin) for trial in forfeited} == {(bins, bins, None)}


def test_both_blocks_of_a_session_with_recalibration_are_forfeited():
    plan = replace(PLAN, recalibrate_after=2, calibration_s=10.0)
    for calls, before, after in ((0, 2, 5), (1, 0, 5)):  # fails in the calibration; in the recalibration
        record = session("decoder", "fit", calls, FailureError("it broke"), plan)
        blocks = [trial.block for trial in forfeited_trials(plan, record)]
        assert blocks == ["before recalibration"] * before + ["closed loop"] * after


@pytest.mark.parametrize(
    ("part", "method", "error"),
    [
        ("population", "respond", FailureError("it broke")),
        ("user", "intend", FailureError("it broke")),
        ("decoder", "step", KeyboardInterrupt()),
    ],
)
def test_what_is_no_failure_of_the_decoder_forfeits_nothing(part, method, error):
    record = session(part, method, 40, error)
    assert record.failure
    assert not record.decoder_failed
    assert forfeited_trials(PLAN, record) == ()


def test_a_session_that_ends_well_forfeits_nothing():
    assert forfeited_trials(PLAN, run_session(PLAN, Mirror(), simulated(), Readout())) == ()
