"""Decoders over LSL: their rules with an outlet at hand, and whole sessions with processes that misbehave."""

import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pylsl
import pytest

from spikeloop.exporters.bundle import load_bundle
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.streamer.closedloop.experiment.plan import Plan
from spikeloop.streamer.closedloop.experiment.record import SessionRecord
from spikeloop.streamer.closedloop.experiment.session import run_session
from spikeloop.streamer.closedloop.experiment.tasks import CenterOut
from spikeloop.streamer.closedloop.experiment.users import SimulatedUser, UserModel
from spikeloop.streamer.closedloop.real_time import lsl_decoder
from spikeloop.streamer.closedloop.real_time.lsl_brain import LslPopulation
from spikeloop.streamer.closedloop.real_time.lsl_decoder import FASTEST_CM_S, LslDecoder
from spikeloop.streamer.closedloop.real_time.outlets import SessionOutlets
from tests.support.arrived import Arrived
from tests.support.places import SUPPORT

BIN_S = 0.02
COUNTS = np.zeros(4)
EXTERNAL = SUPPORT / "external_decoder.py"
BEFORE = 75  # bins at most that are answered between connecting and the session's first
TASK = CenterOut(timeout_s=60.0, pause_s=0.2, hold_s=0.1)  # where processes are starved, all takes long


class Sender:
    """An outlet in this process, and a decoder that follows it in bins that the test ends."""

    def __init__(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        made: list[Arrived] = []
        monkeypatch.setattr(lsl_decoder, "LslSamples", lambda *given: made.append(Arrived(*given)) or made[-1])
        self.outlet = pylsl.StreamOutlet(pylsl.StreamInfo(name, "Velocity", 2, 0.0, pylsl.cf_double64, name))
        self.population: Any = SimpleNamespace(end_s=0.0, bin_size_s=BIN_S)
        self.decoder = LslDecoder(name, self.population)
        (self.samples,) = made
        self.samples.clock_s = pylsl.local_clock()

    @property
    def now_s(self) -> float:
        return self.samples.clock_s

    def wait_until(self, time_s: float) -> None:
        self.samples.clock_s = max(time_s, self.samples.clock_s)

    def send(self, x: float, y: float, stamp_s: float) -> None:
        self.outlet.push_sample([x, y], stamp_s)
        self.samples.sent += 1

    def step(self, end_s: float) -> tuple[float, float]:
        """A bin ended then."""
        self.wait_until(end_s)
        self.population.end_s = end_s
        x, y = self.decoder.step(COUNTS)
        return float(x), float(y)


@pytest.fixture
def sender(stream_name, monkeypatch) -> Iterator[Sender]:
    sender = Sender(stream_name, monkeypatch)
    with sender.decoder:
        yield sender


@pytest.mark.parametrize("after_s", [0.0, 0.004], ids=["with the counts' stamp", "at its sending"])
def test_an_answer_is_used_at_once_however_it_is_stamped(sender, after_s):
    end_s = sender.now_s
    sender.send(1, 2, end_s + after_s)
    assert sender.step(end_s) == (1, 2)
    assert sender.now_s < end_s + BIN_S / 2
    assert (sender.decoder.status.late_answers, sender.decoder.status.invalid_answers) == (0, 0)


def test_an_answer_to_an_earlier_bin_is_late_but_used_where_it_comes(sender):
    end_s = sender.now_s
    sender.send(1, 2, end_s - BIN_S)
    assert sender.step(end_s) == (1, 2)
    assert sender.now_s >= end_s + BIN_S / 2  # its own was waited for
    assert sender.decoder.status.late_answers == 1


def test_the_last_velocity_holds_for_100_ms_after_the_bin_in_which_it_came(sender):
    end_s = sender.now_s
    sender.send(1, 2, end_s - 1.0)
    assert [sender.step(end_s + off_s) for off_s in (0, 0.08, 0.0999, 0.1001, 0.2)] == [(1, 2)] * 3 + [(0, 0)] * 2
    assert sender.decoder.status.late_answers == 5


def test_before_the_first_answer_the_cursor_stands(sender):
    assert sender.step(sender.now_s) == (0, 0)
    assert sender.decoder.status.late_answers == 1


def test_answers_of_a_calibration_are_no_samples_to_be_ignored(sender):
    end_s = sender.now_s
    sender.send(1, 2, end_s - 60)
    sender.send(3, 4, end_s)
    sender.decoder.fit(np.zeros((10, 4)), np.zeros((10, 2)))
    assert sender.step(end_s) == (0, 0)
    assert (sender.decoder.status.late_answers, sender.decoder.status.invalid_answers) == (1, 0)


def test_bins_that_waited_are_answered_each_by_its_own(sender):
    ends_s = sender.now_s + BIN_S * np.arange(5)
    sender.wait_until(ends_s[-1] + BIN_S)
    for number, end_s in enumerate(ends_s.tolist()):
        sender.send(number, -number, end_s)
    assert [sender.step(end_s) for end_s in ends_s.tolist()] == [(number, -number) for number in range(5)]
    assert sender.decoder.status.late_answers == 0


def test_what_is_no_velocity_is_ignored_and_what_is_too_fast_clipped(sender):
    now_s = sender.now_s
    for x, y, stamp_s in (
        (5, 6, now_s), (np.nan, 0, now_s), (0, -np.inf, now_s), (7, 7, 1.7e9), (7, 7, now_s - 20)
    ):  # fmt: skip
        sender.send(x, y, stamp_s)
    assert sender.step(now_s) == (5, 6)
    assert (sender.decoder.status.late_answers, sender.decoder.status.invalid_answers) == (0, 4)
    sender.send(1e300, -1e6, now_s + BIN_S)
    assert sender.step(now_s + BIN_S) == (FASTEST_CM_S, -FASTEST_CM_S)


def test_a_stamp_of_the_future_is_taken_for_now(sender):
    end_s = sender.now_s
    sender.send(1, 2, end_s + 5)
    assert sender.step(end_s) == (1, 2)
    assert sender.step(end_s + 1) == (0, 0)
    assert sender.decoder.status.late_answers == 1


def test_answers_by_another_clock_end_it_and_are_told(sender, monkeypatch):
    monkeypatch.setattr(lsl_decoder, "SILENT_AFTER_S", 0.2)
    end_s = sender.now_s
    with pytest.raises(FailureError, match="another clock: its stamps are 5. years ahead .* its answers are ignored"):
        for _ in range(1000):
            sender.send(1, 2, 1.8e9)
            end_s += BIN_S
            sender.step(end_s)


def test_fitting_it_does_nothing(sender):
    sender.decoder.fit(np.zeros((10, 4)), np.zeros((10, 2)))
    assert sender.decoder.status.live is True


def test_a_stream_that_is_not_there_is_told_with_those_that_are(sender, monkeypatch):
    monkeypatch.setattr(lsl_decoder, "APPEARS_WITHIN_S", 1.0)
    missing = LslDecoder("nobody", sender.population)
    there = sender.decoder.name
    with (
        pytest.raises(BadInputError, match=f"--decoder: .*'nobody' of 2 numbers.* within 1 s.*'{there}'.*start"),
        missing,
    ):
        pass


@pytest.fixture(scope="module")
def population() -> Iterator[LslPopulation]:
    name = f"test-{uuid.uuid4().hex[:12]}"
    with LslPopulation("m1-sim", load_bundle("m1-sim"), name, seed=0) as population:
        yield population


class Session:
    """Trials with a decoder that is a process, and how long they took."""

    def __init__(self, start, population: LslPopulation, stream: str) -> None:
        self._start, self._brain, self._stream = start, population, stream

    def external(self, manner: str, *standby: str) -> subprocess.Popen[str]:
        script = {"script": EXTERNAL, "stdin": subprocess.PIPE}
        process = self._start(self._brain.name, self._stream, manner, *standby, **script)
        assert process.stdout.readline() == ("standing by\n" if standby else "up\n")
        return process

    def run(self, manner: str, then=lambda process: None, trials: int = 3, task: CenterOut = TASK) -> SessionRecord:
        population = self._brain
        user = SimulatedUser(UserModel(), TASK.extent_cm, BIN_S, random_stream(0, Purpose.USER))
        plan = Plan(task=task, trials=trials, calibration_s=0)
        with SessionOutlets(population.name, BIN_S, lambda: population.end_s) as outlets:
            process = self.external(manner)
            with LslDecoder(self._stream, population) as self.decoder:
                following = threading.Thread(target=then, args=(process,))
                following.start()
                began_s = time.monotonic()
                record = run_session(plan, population, user, self.decoder, [outlets])
                self.lasted_s = time.monotonic() - began_s
                following.join()
        return record


@pytest.fixture
def session(start, population, stream_name) -> Session:
    return Session(start, population, stream_name)


def outcomes(record: SessionRecord) -> list[str]:
    return [each.outcome for each in record.trials]


def bins_of(record: SessionRecord) -> int:
    return sum(len(each.counts) for each in record.blocks)


@pytest.mark.parametrize("manner", ["prompt", "clock"])
def test_a_prompt_decoder_closes_the_loop(session, manner):
    record = session.run(manner)
    assert (outcomes(record), record.failure) == (["success"] * 3, "")
    assert session.decoder.status.late_answers < bins_of(record)
    assert session.decoder.status.invalid_answers == 0
    assert session.lasted_s > bins_of(record) * BIN_S - 0.2


def test_a_late_decoder_is_used_as_it_comes_and_counted(session):
    record = session.run("late")
    assert (outcomes(record), record.failure) == (["success"] * 3, "")
    assert session.decoder.status.late_answers > 0
    assert session.lasted_s > bins_of(record) * BIN_S - 0.2


@pytest.mark.parametrize(("manner", "state"), [("silent", "silent"), ("dies", "gone")])
def test_a_decoder_that_falls_silent_or_dies_loses_its_trial_and_ends_the_session(session, monkeypatch, manner, state):
    monkeypatch.setattr(lsl_decoder, "SILENT_AFTER_S", 1.0)
    record = session.run(manner)
    assert outcomes(record) == ["success", "lost"]
    assert f"found the stream {state} for 1 s" in record.failure
    (block,), lost = record.blocks, record.trials[-1]
    after_s = (len(block.velocity) - lost.appeared_bin) * BIN_S
    assert after_s > 0  # a second since its last answer, which comes before the target where its process is starved
    stands = ~block.velocity[lost.appeared_bin :].any(axis=1)
    assert stands[-1]
    assert np.flatnonzero(~stands)[-1] < len(stands) - 5  # it was told over LSL, and then held for 5 bins


def test_a_decoder_that_dies_and_returns_goes_on(session, monkeypatch):
    spare = session.external("prompt", "standby")

    def take_over(process: subprocess.Popen[str]) -> None:
        process.wait()
        spare.stdin.write("now\n")
        spare.stdin.flush()

    record = session.run("dies", then=take_over)
    assert record.failure == ""
    assert outcomes(record)[0] == outcomes(record)[2] == "success"
    (block,) = record.blocks
    second = block.velocity[record.trials[1].appeared_bin : record.trials[2].appeared_bin]
    assert np.count_nonzero(~second.any(axis=1)) > 10  # it stood meanwhile


def test_nan_now_and_then_is_ignored(session):
    record = session.run("nan")
    assert (outcomes(record), record.failure) == (["success"] * 3, "")
    assert 0 <= session.decoder.status.invalid_answers - bins_of(record) // 2 <= BEFORE
    assert session.decoder.status.late_answers > 0.4 * bins_of(record)  # every second answer is none


def test_where_nothing_but_nan_comes_the_cursor_stands_and_the_trial_times_out(session):
    record = session.run("only-nan", trials=1, task=replace(TASK, timeout_s=2.0))
    assert (outcomes(record), record.failure) == (["timeout"], "")
    assert not record.blocks[0].velocity.any()
    assert session.decoder.status.late_answers == bins_of(record)
    assert 0 <= session.decoder.status.invalid_answers - bins_of(record) <= BEFORE
