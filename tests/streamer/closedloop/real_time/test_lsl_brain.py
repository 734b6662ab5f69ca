"""A population in a process of its own, over real LSL: the shipped one, and programs in its place that misbehave."""

import math
import os
import signal
import subprocess
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import numpy as np
import pylsl
import pytest

from spikeloop.exporters.bundle import Bundle, load_bundle
from spikeloop.exporters.formats.write import write_recording
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.streamer.capture.verify.verify import verify
from spikeloop.streamer.closedloop.real_time import lsl_brain
from spikeloop.streamer.closedloop.real_time.lsl_brain import LslPopulation
from spikeloop.streamer.closedloop.real_time.lsl_log import LslLog
from spikeloop.streamer.launch import child
from spikeloop.streamer.lsl.segments import Segment
from spikeloop.streamer.lsl.spikes import LslSpikes
from tests.support.compared import CHANNELS, UNITS
from tests.support.tiny import tiny_stream_bundle

SLOW_BIN_S = 0.1  # in which what is sent comes also on a busy machine
STILL = np.zeros(2)

# Obeys, instead of `spikeloop stream`, "--name NAME"; sends as many bins as the file GATE says, and does to each what
# ODD says of its number.
PROGRAM = """
import json, pathlib, sys, threading, numpy as np, pylsl
name = sys.argv[1 + sys.argv.index("--name")]
info = pylsl.StreamInfo(name, "Spikes", 96, 50.0, pylsl.cf_float32, name)
own = info.desc().append_child("spikeloop")
facts = {"version": "0", "bundle": "m1-sim", "sha256": "0" * 64, "seed": "0", "bin_size_s": "0.02", "step_bins": "1"}
for key, value in (facts | {"start_s": "0.0", "condition": "", "latency_bins": "0", "signal": "spikes"}).items():
    own.append_child_value(key, value)
outlet = pylsl.StreamOutlet(info)
ends = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ends.set()), daemon=True).start()
outlet.wait_for_consumers(20)
start_s, odd, gate, k = pylsl.local_clock() - 10, ODD, pathlib.Path(GATE), -1
while not ends.is_set():
    if k + 1 >= int(gate.read_text() or 0):
        ends.wait(0.002)
        continue
    k += 1
    what = odd.get(k, "")
    if what == "dies":
        sys.exit("a last word")
    if what == "falls silent":
        ends.wait()
        break
    if what != "is lost":
        outlet.push_sample(np.full(96, np.nan if what == "is nothing" else k % 200), start_s + (k + 1) * 0.02)
print(json.dumps({"bins": k + 1}))
"""


@pytest.fixture(scope="module")
def m1() -> Bundle:
    return load_bundle("m1-sim")


@pytest.fixture(autouse=True)
def _patient(monkeypatch):
    """A busy machine may let a process stand still for seconds."""
    monkeypatch.setattr(lsl_brain, "SILENT_AFTER_S", 60.0)


class Gate:
    """What the program that stands in for the population is allowed to send."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.open(0)

    def open(self, bins: int) -> None:
        """Let so many bins go, from the first one on."""
        self.path.write_text(str(bins))

    def odd(self, **what_of_bin: str) -> str:
        """A program whose bins of these numbers (`_10`) are odd."""
        numbers = {int(bin_[1:]): what for bin_, what in what_of_bin.items()}
        return PROGRAM.replace("ODD", repr(numbers)).replace("GATE", repr(str(self.path)))


@pytest.fixture
def gate(tmp_path) -> Gate:
    return Gate(tmp_path / "gate")


class Released(LslSpikes):
    """Spikes over LSL of which each round of pulling takes as many as it is told, once they are all there."""

    gate: Gate
    rounds: deque[int]  # bins of the next rounds

    def pull(self) -> tuple[Segment, ...]:
        if not self.rounds:
            return super().pull()
        segments: list[Segment] = []
        wanted, self.rounds[0] = self.rounds[0], 0
        self.gate.open(self.report().bins + wanted)
        while sum(len(segment.counts) for segment in segments) < wanted:
            segments += super().pull()
            time.sleep(0.002)
        if not wanted:
            self.rounds.popleft()  # the round is over
        return tuple(segments)


def respond_for(population: LslPopulation, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Counts (bins, units) and ends (bins,)."""
    seen = [(population.respond(STILL, STILL), population.end_s) for _ in range(bins)]
    return np.array([counts for counts, _ in seen], int), np.array([end_s for _, end_s in seen])


def first_bin(population: LslPopulation, gate: Gate) -> int:
    """The first that is handed out: those that are there when the session begins are from before it."""
    with ThreadPoolExecutor(1) as asking:
        answer = asking.submit(population.respond, STILL, STILL)
        for bins in range(1, 16):
            gate.open(bins)
            if wait([answer], timeout=4).done:
                break
        return int(answer.result()[0])


def gone(name: str) -> bool:
    return not pylsl.resolve_byprop("name", name, timeout=0.3)


def wait_for_end(pid: int, within_s: float = 60.0) -> None:
    end_s = time.monotonic() + within_s
    while Path(f"/proc/{pid}").exists() and ") Z" not in Path(f"/proc/{pid}/stat").read_text():
        assert time.monotonic() < end_s
        time.sleep(0.05)


def test_each_bin_is_driven_by_its_intention_and_comes_when_it_is_over(stream_name, tmp_path):
    random = np.random.Generator(np.random.Philox(0))
    velocities = random.uniform(-40, 40, (20, 2))
    bundle = tiny_stream_bundle(tmp_path / "slow", UNITS, CHANNELS, bin_size_s=SLOW_BIN_S)
    with LslPopulation(str(tmp_path / "slow"), bundle, stream_name, seed=3) as population:
        assert (population.unit_names, population.bin_size_s) == (bundle.card.unit_names, SLOW_BIN_S)
        conditions = pylsl.StreamInlet(pylsl.resolve_byprop("name", f"{stream_name}-Condition", timeout=60)[0])
        conditions.open_stream(5)
        population.respond(STILL, STILL)
        began_s, ends_s, driven_by, before = population.end_s, [], {}, population.late_inputs
        for velocity in velocities:
            counts = population.respond(velocity, STILL)
            assert counts.shape == (UNITS,)
            assert population.arrived_s > population.end_s
            if population.sent_s < population.end_s - lsl_brain.LATE_INPUT_S:
                driven_by[population.end_s] = velocity
            ends_s.append(population.end_s)
        values, stamps_s = conditions.pull_chunk(timeout=1.0, max_samples=200)
        assert population.missed_steps == population.dropped_steps == 0
        assert population.late_inputs - before == len(velocities) - len(driven_by)
    np.testing.assert_allclose(ends_s, began_s + SLOW_BIN_S * np.arange(1, 21), atol=2e-4)
    assert driven_by  # on a busy machine some come too late
    bins = [np.argmin(np.abs(np.asarray(stamps_s) - end_s)) for end_s in driven_by]
    sent = np.array([STILL, *velocities])
    own = [int(np.flatnonzero((sent == velocity).all(axis=1))[0]) for velocity in driven_by.values()]
    by = [np.flatnonzero(np.isclose(value, sent, rtol=1e-6).all(axis=1)) for value in np.asarray(values)[bins]]
    late = np.array(own) - np.array([int(places[0]) for places in by])  # an earlier one holds until the next comes
    assert late.min() == 0
    assert population.report is not None
    assert population.report["bins"] >= 20
    assert (population.report["seed"], population.report["condition"]["samples"]) == (3, 21)
    assert gone(stream_name)
    assert gone(f"{stream_name}-Intention")


def test_bins_that_wait_are_handed_out_in_turn_and_after_a_long_pause_skipped(m1, stream_name, gate, monkeypatch):
    monkeypatch.setattr(child, "PROGRAM", gate.odd())
    monkeypatch.setattr(lsl_brain, "LslSpikes", Released)
    Released.gate, Released.rounds = gate, deque()
    with LslPopulation("m1-sim", m1, stream_name, seed=0) as population:
        Released.rounds += [12, 1]
        first, _ = respond_for(population, 1)
        assert first[0, 0] == 12  # what was before the session is no part of it
        assert (population.late_steps, population.dropped_steps) == (0, 0)
        Released.rounds += [10]
        second, _ = respond_for(population, 10)
        np.testing.assert_array_equal(np.concatenate([first, second])[:, 0], np.arange(12, 23))
        assert (population.late_steps, population.dropped_steps) == (9, 0)  # all but the last
        Released.rounds += [30, 1]
        third, _ = respond_for(population, 2)
        np.testing.assert_array_equal(third[:, 0], [52, 53])
        assert (population.late_steps, population.dropped_steps, population.missed_steps) == (9, 29, 0)


def test_bins_that_are_lost_or_no_counts_are_missed_and_the_loop_goes_on(m1, stream_name, gate, monkeypatch):
    monkeypatch.setattr(child, "PROGRAM", gate.odd(_20="is lost", _30="is nothing", _31="is lost"))
    with LslPopulation("m1-sim", m1, stream_name, seed=0) as population:
        seen = [first_bin(population, gate)]
        while seen[-1] < 40:
            gate.open(seen[-1] + 5)
            seen.append(int(population.respond(STILL, STILL)[0]))
        assert population.missed_steps == 3
    steps = dict(zip(seen[1:], np.diff(seen).tolist(), strict=True))
    assert {bin_: step for bin_, step in steps.items() if step != 1} == {21: 2, 32: 3}
    assert population.report is not None
    assert population.report["bins"] >= 41


def test_a_process_that_ends_is_told_with_its_last_word(m1, stream_name, gate, monkeypatch):
    monkeypatch.setattr(child, "PROGRAM", gate.odd(_10="dies"))
    with LslPopulation("m1-sim", m1, stream_name, seed=0) as population:
        gate.open(20)
        with pytest.raises(FailureError, match=r"population lost: its process ended \(a last word\)"):
            respond_for(population, 20)
    assert population.report is None


def test_a_silent_one_is_told_and_ended(m1, stream_name, gate, monkeypatch):
    monkeypatch.setattr(child, "PROGRAM", gate.odd(_10="falls silent"))
    monkeypatch.setattr(lsl_brain, "SILENT_AFTER_S", 0.5)
    with LslPopulation("m1-sim", m1, stream_name, seed=0) as population:
        gate.open(20)
        with pytest.raises(FailureError, match="expected a bin of .* every 20 ms, found none for 0.5 s"):
            respond_for(population, 20)
    assert population.report is not None
    assert population.report["bins"] <= 11


def test_a_process_that_is_killed_is_told_with_the_signal(m1, stream_name):
    with LslPopulation("m1-sim", m1, stream_name, seed=0) as population:
        respond_for(population, 2)
        os.kill(population._process._process.pid, signal.SIGKILL)
        with pytest.raises(FailureError, match=r"population lost: its process ended \(killed by signal 9\)"):
            respond_for(population, 200)


def test_one_that_does_not_even_end_is_killed(m1, stream_name, gate, monkeypatch):
    monkeypatch.setattr(child, "PROGRAM", gate.odd())
    monkeypatch.setattr(child, "ENDS_WITHIN_S", 0.5)
    with LslPopulation("m1-sim", m1, stream_name, seed=0) as population:
        gate.open(1)
        respond_for(population, 1)
        pid = population._process._process.pid
        os.kill(pid, signal.SIGSTOP)
    assert population.report is None
    wait_for_end(pid)


def test_one_that_does_not_come_up_is_told_with_its_last_word(m1, stream_name):
    with (
        pytest.raises(FailureError, match="did not come up .*no bundle named"),
        LslPopulation("nowhere", m1, stream_name, seed=0),
    ):
        pass
    assert gone(f"{stream_name}-Intention")


@pytest.mark.parametrize("suffix", ["", "-Intention"])
def test_a_name_that_is_taken_is_told(m1, stream_name, suffix):
    taken = pylsl.StreamOutlet(pylsl.StreamInfo(f"{stream_name}{suffix}", "EEG", 1, 0.0, pylsl.cf_float32, stream_name))
    with (
        pytest.raises(BadInputError, match=f"'{stream_name}{suffix}' is already on the network"),
        LslPopulation("m1-sim", m1, stream_name, seed=0),
    ):
        pass
    del taken


def test_it_does_not_outlive_a_session_that_is_killed(start, stream_name, gate):
    program = f"""
from spikeloop.exporters.bundle import load_bundle
from spikeloop.streamer.closedloop.real_time import lsl_brain
from spikeloop.streamer.launch import child
child.PROGRAM = {gate.odd()!r}
population = lsl_brain.LslPopulation("m1-sim", load_bundle("m1-sim"), {stream_name!r}, 0)
population.__enter__()
print(population._process._process.pid, flush=True)
input()
"""
    session = start(program=program, stdin=subprocess.PIPE)
    pid = int(session.stdout.readline())
    session.kill()
    wait_for_end(pid)


def test_before_its_first_bin_it_knows_no_time(m1, stream_name):
    population = LslPopulation("m1-sim", m1, stream_name, seed=0)
    assert all(map(math.isnan, (population.end_s, population.arrived_s, population.sent_s)))


def test_with_a_delay_the_session_begins_with_bin_0_and_all_that_came_can_be_made_again(m1, stream_name, tmp_path):
    log = LslLog(stream_name, m1.card)
    with LslPopulation("m1-sim", m1, stream_name, seed=3, start_delay_s=4.0, log=log) as population:
        for number in range(40):
            population.respond(np.array([10.0, number]), STILL)
    generated = log.generated()
    assert generated is not None
    assert generated.session_bins[0] == generated.bins[0] == 0
    assert generated.provenance.condition == f"lsl:{stream_name}-Intention"
    assert (generated.conditions[-1] != 0).any()
    write_recording(generated.recording(), tmp_path / "session.npz")
    (stream,) = verify(tmp_path / "session.npz", device="cpu").streams
    assert stream.agrees, stream.problems
    assert stream.bins >= 40
