"""A brain in a process of its own, over real LSL: the shipped one, and programs in its place that misbehave."""

import math
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pylsl
import pytest

from spikeloop.exporters.bundle import Bundle, read_bundle
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.streamer.closedloop import lsl_brain
from spikeloop.streamer.closedloop.lsl_brain import LslBrain

BIN_S, UNITS = 0.02, 96
STILL = np.zeros(2)

# Obeys, instead of `spikeloop stream`, "--name NAME"; does to each bin what ODD says of its number.
PROGRAM = """
import json, sys, threading, time, numpy as np, pylsl
name = sys.argv[1 + sys.argv.index("--name")]
outlet = pylsl.StreamOutlet(pylsl.StreamInfo(name, "Spikes", 96, 50.0, pylsl.cf_float32, name))
ends = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ends.set()), daemon=True).start()
outlet.wait_for_consumers(20)
start_s, odd = pylsl.local_clock(), ODD
for k in range(10_000):
    if ends.wait(max(0.0, start_s + (k + 1) * 0.02 - pylsl.local_clock())):
        break
    what = odd.get(k, "")
    if what == "dies":
        sys.exit("a last word")
    if what == "falls silent":
        ends.wait()
        break
    if what != "is lost":
        outlet.push_sample(np.full(96, np.nan if what == "is nothing" else k % 200), start_s + (k + 1) * 0.02)
print(json.dumps({"bins": k}))
"""


@pytest.fixture(scope="module")
def m1() -> Bundle:
    return read_bundle("m1-sim")


def odd(**what_of_bin: str) -> str:
    """A program whose bins of these numbers (`_10`) are odd."""
    return PROGRAM.replace("ODD", repr({int(bin_[1:]): what for bin_, what in what_of_bin.items()}))


def respond_for(brain: LslBrain, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Counts (bins, units) and ends (bins,)."""
    seen = [(brain.respond(STILL, STILL), brain.end_s) for _ in range(bins)]
    return np.array([counts for counts, _ in seen], int), np.array([end_s for _, end_s in seen])


def gone(name: str) -> bool:
    return not pylsl.resolve_byprop("name", name, timeout=0.3)


def wait_for_end(pid: int, within_s: float = 10.0) -> None:
    end_s = time.monotonic() + within_s
    while Path(f"/proc/{pid}").exists() and ") Z" not in Path(f"/proc/{pid}/stat").read_text():
        assert time.monotonic() < end_s
        time.sleep(0.05)


def test_each_bin_is_driven_by_its_intention_and_comes_when_it_is_over(m1, stream_name):
    random = np.random.Generator(np.random.Philox(0))
    velocities = random.uniform(-40, 40, (60, 2))
    with LslBrain("m1-sim", m1, stream_name, 24.0, seed=3) as brain:
        assert (brain.unit_names, brain.bin_size_s) == (m1.card.unit_names, BIN_S)
        conditions = pylsl.StreamInlet(pylsl.resolve_byprop("name", f"{stream_name}-Condition", timeout=5)[0])
        conditions.open_stream(5)
        brain.respond(STILL, STILL)
        began_s, ends_s, driven_by = brain.end_s, [], {}
        for velocity in velocities:
            counts = brain.respond(velocity, STILL)
            assert counts.shape == (UNITS,)
            assert brain.arrived_s > brain.end_s
            if brain.sent_s < brain.end_s - lsl_brain.UNTIMELY_S:
                driven_by[brain.end_s] = velocity
            ends_s.append(brain.end_s)
        values, stamps_s = conditions.pull_chunk(timeout=1.0, max_samples=200)
        assert brain.missed == brain.skipped == 0
        assert brain.untimely == len(velocities) - len(driven_by)
    np.testing.assert_allclose(ends_s, began_s + BIN_S * np.arange(1, 61), atol=2e-4)
    assert len(driven_by) > 50
    for end_s, velocity in driven_by.items():
        bin_ = np.argmin(np.abs(np.asarray(stamps_s) - end_s))
        np.testing.assert_allclose(np.asarray(values)[bin_], velocity, rtol=1e-6)
    assert brain.report is not None
    assert brain.report["bins"] >= 60
    assert (brain.report["seed"], brain.report["condition"]["samples"]) == (3, 61)
    assert gone(stream_name)
    assert gone(f"{stream_name}-Intention")


def test_bins_that_wait_are_handed_out_in_turn_and_after_a_long_pause_skipped(m1, stream_name, monkeypatch):
    monkeypatch.setattr(lsl_brain, "PROGRAM", odd())
    with LslBrain("m1-sim", m1, stream_name, 24.0, seed=0) as brain:
        time.sleep(0.3)
        first, _ = respond_for(brain, 5)
        assert first[0, 0] >= 10  # what was before the session is no part of it
        assert (brain.behind, brain.skipped) == (0, 0)
        time.sleep(0.21)
        began_s = time.monotonic()
        second, _ = respond_for(brain, 10)
        assert time.monotonic() - began_s < 0.05
        np.testing.assert_array_equal(np.diff(np.concatenate([first, second])[:, 0]), 1)
        assert 7 <= brain.behind <= 10
        behind = brain.behind
        time.sleep(0.7)
        third, ends_s = respond_for(brain, 10)
        assert pylsl.local_clock() - ends_s[-1] < 2 * BIN_S
        assert brain.skipped == third[0, 0] - second[-1, 0] - 1 >= 30
        assert brain.behind == behind
        assert brain.missed == 0


def test_bins_that_are_lost_or_no_counts_are_missed_and_the_loop_goes_on(m1, stream_name, monkeypatch):
    monkeypatch.setattr(lsl_brain, "PROGRAM", odd(_100="is lost", _110="is nothing", _111="is lost"))
    with LslBrain("m1-sim", m1, stream_name, 24.0, seed=0) as brain:
        counts, _ = respond_for(brain, 1)
        while counts[-1, 0] < 120:
            counts = np.concatenate([counts, respond_for(brain, 1)[0]])
        assert brain.missed == 3
    steps = dict(zip(counts[1:, 0].tolist(), np.diff(counts[:, 0]).tolist(), strict=True))
    assert {bin_: step for bin_, step in steps.items() if step != 1} == {101: 2, 112: 3}
    assert brain.report == {"bins": pytest.approx(120, abs=20)}


def test_a_process_that_ends_is_told_with_its_last_word(m1, stream_name, monkeypatch):
    monkeypatch.setattr(lsl_brain, "PROGRAM", odd(_100="dies"))
    with LslBrain("m1-sim", m1, stream_name, 24.0, seed=0) as brain:
        with pytest.raises(FailureError, match=r"brain lost: its process ended \(a last word\)"):
            respond_for(brain, 200)
        assert brain.end_s + 1 > pylsl.local_clock()
    assert brain.report is None


def test_a_silent_one_is_told_and_ended(m1, stream_name, monkeypatch):
    monkeypatch.setattr(lsl_brain, "PROGRAM", odd(_100="falls silent"))
    monkeypatch.setattr(lsl_brain, "SILENT_AFTER_S", 0.5)
    with LslBrain("m1-sim", m1, stream_name, 24.0, seed=0) as brain:
        with pytest.raises(FailureError, match="expected a bin of .* every 20 ms, found none for 0.5 s"):
            respond_for(brain, 200)
        assert 0.4 < pylsl.local_clock() - brain.end_s < 1.5
    assert brain.report == {"bins": 100}


def test_a_process_that_is_killed_is_told_with_the_signal(m1, stream_name):
    with LslBrain("m1-sim", m1, stream_name, 24.0, seed=0) as brain:
        respond_for(brain, 2)
        os.kill(brain._process._process.pid, signal.SIGKILL)
        with pytest.raises(FailureError, match=r"brain lost: its process ended \(killed by signal 9\)"):
            respond_for(brain, 200)


def test_one_that_does_not_even_end_is_killed(m1, stream_name, monkeypatch):
    monkeypatch.setattr(lsl_brain, "PROGRAM", odd())
    monkeypatch.setattr(lsl_brain, "ENDS_WITHIN_S", 0.5)
    with LslBrain("m1-sim", m1, stream_name, 24.0, seed=0) as brain:
        respond_for(brain, 2)
        pid = brain._process._process.pid
        os.kill(pid, signal.SIGSTOP)
        left_s = time.monotonic()
    assert time.monotonic() - left_s < 2
    assert brain.report is None
    wait_for_end(pid)


def test_one_that_does_not_come_up_is_told_with_its_last_word(m1, stream_name):
    with (
        pytest.raises(FailureError, match="did not come up .*no bundle named"),
        LslBrain("nowhere", m1, stream_name, 24.0, seed=0),
    ):
        pass
    assert gone(f"{stream_name}-Intention")


@pytest.mark.parametrize("suffix", ["", "-Intention"])
def test_a_name_that_is_taken_is_told(m1, stream_name, suffix):
    taken = pylsl.StreamOutlet(pylsl.StreamInfo(f"{stream_name}{suffix}", "EEG", 1, 0.0, pylsl.cf_float32, stream_name))
    with (
        pytest.raises(BadInputError, match=f"'{stream_name}{suffix}' is already on the network"),
        LslBrain("m1-sim", m1, stream_name, 24.0, seed=0),
    ):
        pass
    del taken


def test_it_does_not_outlive_a_session_that_is_killed(start, stream_name):
    program = f"""
from spikeloop.exporters.bundle import read_bundle
from spikeloop.streamer.closedloop import lsl_brain
lsl_brain.PROGRAM = {odd()!r}
brain = lsl_brain.LslBrain("m1-sim", read_bundle("m1-sim"), {stream_name!r}, 24.0, 0)
brain.__enter__()
print(brain._process._process.pid, flush=True)
input()
"""
    session = start(program=program, stdin=subprocess.PIPE)
    pid = int(session.stdout.readline())
    session.kill()
    wait_for_end(pid)


def test_before_its_first_bin_it_knows_no_time(m1, stream_name):
    brain = LslBrain("m1-sim", m1, stream_name, 24.0, seed=0)
    assert all(map(math.isnan, (brain.end_s, brain.arrived_s, brain.sent_s)))
