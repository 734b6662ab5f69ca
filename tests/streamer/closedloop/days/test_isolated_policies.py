"""Policies of one's own, each in a process of its own: what they do, and what becomes of those that misbehave."""

from typing import Any

import pytest

from spikeloop.models.errors import FailureError
from spikeloop.streamer.closedloop.days.closed_loop_days import IncompleteDaysError, closed_loop_days, run_days_setup
from spikeloop.streamer.closedloop.days.policies import parse_policies
from spikeloop.streamer.inference.isolation.limits import DecoderLimits
from tests.support.compared import days_of, tiny

POLICIES = """
import os, time
import numpy as np

class Learns:
    '''Fits the decoder to what the cursor did, and looks at what it then decodes.'''
    warm_up = 2
    def calibrates(self, day):
        return day == 2
    def relearn(self, decoder, block, gain):
        decoder.fit(block.counts, block.velocity)
        decoded = decoder.step(block.counts[0])
        assert decoded.shape == (2,)

class Wraps(Learns):
    def wrap(self, decoder):
        return Slower(decoder)

class Slower:
    def __init__(self, decoder):
        self.decoder = decoder
    def fit(self, counts, kinematics):
        self.decoder.fit(counts, kinematics)
    def step(self, counts):
        return 0.9 * self.decoder.step(counts)

class Exits(Learns):
    def relearn(self, decoder, block, gain):
        os._exit(4)

class ExitsOnDay1(Learns):
    def calibrates(self, day):
        if day == 1:
            os._exit(5)

class Hangs(Learns):
    def relearn(self, decoder, block, gain):
        time.sleep(3600)

class BreaksInStep(Learns):
    def wrap(self, decoder):
        return self
    def fit(self, counts, kinematics): ...
    def step(self, counts):
        return [0.0, float("nan")]

class BadFit(Learns):
    def relearn(self, decoder, block, gain):
        decoder.fit(block.counts[:3], block.velocity)

os.environ.get("EXIT_AT_IMPORT") and os._exit(6)
"""
REASONS = {
    "Exits": (0, "ended its process in relearn, with exit code 4"),
    "ExitsOnDay1": (1, "ended its process in calibrates, with exit code 5"),
    "Hangs": (0, "hung: relearn gave no answer within 5 s"),
    "BreaksInStep": (0, "expected step to give finite numbers of shape (2,), found [0.0, nan]"),
    "BadFit": (0, "expected counts (bins, units) and kinematics (bins, columns) of as many bins"),
}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> str:
    file = tmp_path_factory.mktemp("own") / "own.py"
    file.write_text(POLICIES)
    return f"python:{file}"


def trials_of(result: Any, course: str) -> list[Any]:
    return [run.record.trials for run in result.runs if run.course == course]


def test_in_its_own_process_a_policy_does_what_it_does_in_this_one(path, own):
    policies = (f"{own}:Learns", f"{own}:Wraps")
    apart, here = (
        run_days_setup(days_of(path, ("kalman",), policies, trials=2, in_process=in_process))
        for in_process in (False, True)
    )
    for policy in policies:
        assert trials_of(apart, f"kalman, {policy}") == trials_of(here, f"kalman, {policy}")
        calibrated = [run.calibrated for run in apart.runs if run.course == f"kalman, {policy}"]
        assert calibrated == [True, False, True]  # day 0 always is
    assert trials_of(apart, f"kalman, {own}:Learns") != trials_of(apart, f"kalman, {own}:Wraps")


def test_a_policy_that_misbehaves_ends_its_own_course_with_the_reason(path, own):
    policies = ("none", *(f"{own}:{name}" for name in REASONS))
    limits = DecoderLimits(fit_s=5.0)
    with pytest.raises(IncompleteDaysError) as failed:
        run_days_setup(days_of(path, ("kalman",), policies, 2, limits=limits))
    result = failed.value.result
    for name, (day, reason) in REASONS.items():
        (course,) = [course for course in result.report.courses if course.course == f"kalman, {own}:{name}"]
        (failure,) = course.failures
        assert failure.startswith(f"seed 0, day {day}: ")
        assert reason in failure
        assert len(course.days) == 2
        assert course.days[1].success_rate.value == 0.0
    alone = run_days_setup(days_of(path, ("kalman",), ("none", f"{own}:Learns"), 2))  # of as many warm-up trials
    assert trials_of(result, "kalman, none") == trials_of(alone, "kalman, none")


def test_a_policy_that_can_not_be_loaded_is_refused_before_any_day(path, own, monkeypatch):
    monkeypatch.setenv("EXIT_AT_IMPORT", "1")
    with pytest.raises(FailureError, match=r"--policy python:.*:Learns: ended its process in open, with exit code 6"):
        closed_loop_days("kalman", bundle=path, days=2, policies=[f"{own}:Learns"], trials=1, calibration_s=10)


def test_a_class_that_another_process_finds_runs_there_and_any_other_here():
    class Local:
        def relearn(self, decoder, block, gain): ...

    (there, here) = (spec.make() for spec in parse_policies([Elsewhere, Local]))
    try:
        assert (type(there).__name__, type(here).__name__) == ("IsolatedPolicy", "OwnPolicy")
    finally:
        there.close()


class Elsewhere:
    warm_up = 3

    def relearn(self, decoder, block, gain): ...


@pytest.mark.parametrize("found", [True, 2.0, -1, 10**6, "3", lambda self: 3])
def test_warm_up_that_is_no_number_of_trials_is_refused(found):
    wrong = type("Wrong", (), {"warm_up": found, "relearn": lambda self, decoder, block, gain: None})
    with pytest.raises(Exception, match="--policy Wrong: expected warm_up, a whole number of trials from 0 to 10000"):
        parse_policies([wrong])
