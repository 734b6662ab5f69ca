import dataclasses
from functools import partial
from typing import ClassVar

import numpy as np
import pytest

from spikeloop.exporters.bundle import load_bundle
from spikeloop.models.decoders.step_spikes import StepSpikes
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.streamer.closedloop.comparison import run_comparison
from spikeloop.streamer.closedloop.experiment.brain import BundlePopulation, SubsampledPopulation
from spikeloop.streamer.closedloop.experiment.perturbations import parse_perturbation
from spikeloop.streamer.closedloop.experiment.spike_times import SpikeTimer
from tests.support import compared
from tests.support.compared import UNITS, tiny
from tests.support.loop_parts import Tuned

BIN_S = 0.02
setup_of = partial(compared.setup_of, in_process=True)  # where the tests see what a decoder has heard
ONWARDS = np.array([20.0, 0.0])


class Listener:
    """A decoder of spike times that remembers them; it stands still."""

    heard: ClassVar[list] = []

    def fit(self, counts, kinematics):
        self.heard.append("fit")

    def step_events(self, units, times_s, until_s):
        self.heard.append((units, times_s, until_s))
        return np.zeros(2)


class Both(Listener):
    def step(self, counts):
        raise AssertionError("its times are known")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture
def heard(monkeypatch):
    monkeypatch.setattr(Listener, "heard", [])
    return Listener.heard


def timed(timer: SpikeTimer, counts: np.ndarray) -> StepSpikes:
    spikes = timer.next(counts)
    assert spikes is not None
    return spikes


def random():
    return random_stream(0, Purpose.DECODER_EVENT_TIMES)


@pytest.mark.parametrize("kind", [Listener, Both])
def test_a_session_gives_each_spike_the_time_that_its_recording_has(path, heard, kind):
    setup = setup_of(path, {"own": kind}, trials=2, seed=3)
    (run,) = run_comparison(setup, kept=lambda seed: True)
    assert run.record.failure == ""
    assert run.generated is not None
    recorded = run.generated.recording()
    assert recorded.spike_times is not None
    steps = [step for step in heard if step != "fit"]
    held = len(recorded.counts[0]) - len(steps)  # of the calibration, on which it is only fitted
    assert held == 0.8 * 10 / BIN_S
    bins = np.floor(recorded.spike_times.times_s / BIN_S + 1e-9)
    later = bins >= held
    np.testing.assert_array_equal(np.concatenate([units for units, _, _ in steps]), recorded.spike_times.units[later])
    np.testing.assert_array_equal(np.concatenate([times for _, times, _ in steps]), recorded.spike_times.times_s[later])
    np.testing.assert_allclose([until for _, _, until in steps], (held + 1 + np.arange(len(steps))) * BIN_S)


def test_a_wide_bin_of_the_decoder_has_the_spikes_of_all_its_bins(path, heard):
    narrow = setup_of(path, {"own": Listener}, trials=1)
    list(run_comparison(narrow))
    each = [step for step in heard if step != "fit"]
    heard.clear()
    list(run_comparison(setup_of(path, {"own": Listener}, trials=1, decoder_bins=4)))
    wide = [step for step in heard if step != "fit"]
    assert len(wide) == len(each) // 4
    np.testing.assert_array_equal(wide[0][1], np.concatenate([times for _, times, _ in each[:4]]))
    assert wide[0][2] == each[3][2]


def test_units_that_are_left_keep_their_times(path):
    both = []
    for units in (UNITS, 3):
        whole = BundlePopulation(load_bundle(path), seed=5)
        population = SubsampledPopulation(whole, units, random_stream(5, Purpose.KEPT_UNITS))
        timer = SpikeTimer(population, random())
        steps = [timed(timer, population.respond(ONWARDS, np.zeros(2))) for _ in range(40)]
        names = np.array(population.unit_names)
        both.append(
            {(names[unit], time) for step in steps for unit, time in zip(step.units, step.times_s, strict=True)}
        )
    assert both[1] < both[0]
    assert {name for name, _ in both[1]} == {name for name, _ in both[0] if name in set(names)}


def test_counts_that_a_perturbation_changed_keep_what_times_they_can(path):
    population = BundlePopulation(load_bundle(path), seed=5)
    timer = SpikeTimer(population, random())
    for bin in range(60):
        counts = population.respond(ONWARDS, np.zeros(2)).astype(int)
        own = population.latest_spikes
        assert own is not None
        changed = np.where(np.arange(UNITS) % 2, counts + 2, 0)
        spikes = timed(timer, changed)
        np.testing.assert_array_equal(np.bincount(spikes.units, minlength=UNITS), changed)
        assert ((bin * BIN_S <= spikes.times_s) & (spikes.times_s <= spikes.until_s)).all()
        assert (np.diff(spikes.times_s) >= 0).all()
        kept = own.units % 2 == 1
        assert set(own.times_s[kept]) <= set(spikes.times_s)
        assert not set(own.times_s[~kept]) & set(spikes.times_s)


def test_a_bin_that_is_lost_has_no_spikes_and_time_goes_on(path):
    timer = SpikeTimer(Tuned(units=4), random())
    assert timer.next(None) is None
    assert timed(timer, np.array([1, 0, 2, 0])).until_s == 2 * BIN_S


def test_a_session_with_lost_and_added_spikes_runs_to_its_end(path, heard):
    perturbations = tuple(map(parse_perturbation, ("loss:0.5", "noise:20", "drop:0.3")))
    (run,) = run_comparison(setup_of(path, {"own": Listener}, trials=2, perturbations=perturbations, units=4))
    assert run.record.failure == ""
    arrived = sum(block.arrived.sum() for block in run.record.blocks[1:])
    assert sum(step != "fit" for step in heard) == arrived + 0.2 * 10 / BIN_S


def test_whether_somebody_wants_the_times_changes_no_spike(path):
    counts = []
    for decoder in (Listener, "chance"):
        setup = setup_of(path, {"own": decoder}, trials=1)
        (run,) = run_comparison(dataclasses.replace(setup, plan=dataclasses.replace(setup.plan, gain=0.0)))
        counts.append(np.concatenate([block.counts for block in run.record.blocks]))
    np.testing.assert_array_equal(*counts)
