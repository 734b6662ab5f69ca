import math
import sys
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeloop.exporters.bundle import load_bundle
from spikeloop.models.decoders.chance import ChanceDecoder
from spikeloop.models.decoders.decoder import DecoderStatus, ReportingDecoder, SeesPosition, decode
from spikeloop.models.decoders.kalman import KalmanDecoder
from spikeloop.models.decoders.population_vector import PopulationVectorDecoder
from spikeloop.models.decoders.ridge import RidgeDecoder
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.measures.decoding_scores import correlation, r_squared
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.streamer.closedloop.experiment.brain import BundlePopulation
from spikeloop.streamer.closedloop.experiment.perturbations import Perturbation
from spikeloop.streamer.closedloop.experiment.plan import Plan
from spikeloop.streamer.closedloop.experiment.session import run_session
from spikeloop.streamer.closedloop.experiment.tasks import CenterOut, Grid, RandomTarget, open_task
from spikeloop.streamer.closedloop.experiment.users import ScriptedUser, UserModel
from tests.support.loop_parts import BIN_S, IDEAL, Mirror, Readout, Tuned, failing, simulated

AT_ONCE = Plan(calibration_s=0.0, trials=8)
QUICK = CenterOut(distance_cm=5.0, hold_s=0.1, pause_s=0.1, timeout_s=1.0)
UNDER_THE_CURSOR = CenterOut(directions=1, distance_cm=1.0, hold_s=0.1, pause_s=0.1, timeout_s=1.0)
NO_WHOLE_BINS = RandomTarget(hold_s=0.09, pause_s=0.05, timeout_s=1.99)
TASKS = (CenterOut(), QUICK, UNDER_THE_CURSOR, NO_WHOLE_BINS, Grid(timeout_s=2.0))


class Watching:
    def __init__(self):
        self.moments = []

    def show(self, moment):
        self.moments.append(moment)


def mirrored(plan, model=IDEAL, watchers=()):
    """A session without a population: the decoder reads the intended velocity off."""
    return run_session(plan, Mirror(), simulated(model, plan.task.extent_cm, seed=plan.seed), Readout(), watchers)


def populated(plan, decoder=None, model=None, brain_seed=0):
    """A session with a Poisson population."""
    user = simulated(model or UserModel(), plan.task.extent_cm, seed=plan.seed)
    return run_session(plan, Tuned(brain_seed), user, decoder or KalmanDecoder())


def block_of(record, name="closed loop"):
    return next(each for each in record.blocks if each.name == name)


def assert_same(one, other):
    """To the bit."""
    assert (one.trials, one.events, one.failure) == (other.trials, other.events, other.failure)
    assert repr(one.offline) == repr(other.offline)
    assert [each.name for each in one.blocks] == [each.name for each in other.blocks]
    for block, same in zip(one.blocks, other.blocks, strict=True):
        for field in fields(block):
            np.testing.assert_array_equal(getattr(block, field.name), getattr(same, field.name))


def assert_consistent(record, plan):
    """Blocks, trials and events tell one story."""
    half = plan.task.extent_cm / 2
    for block in record.blocks:
        arrays = [getattr(block, each.name) for each in fields(block) if each.name != "name"]
        assert len({len(each) for each in arrays}) == 1
        assert not block.counts[~block.arrived].any()
        jumps = block.position - block.start - block.velocity * record.bin_size_s
        if block.name == "calibration":
            np.testing.assert_allclose(jumps, 0, atol=1e-9)
            assert (block.trial == -1).all()
            assert np.isnan(block.target).all()
            continue
        assert np.abs(block.position).max(initial=0) <= half
        inside = (np.abs(block.position) < half).all(axis=1)
        recentred = plan.task.recentres & np.isnan(block.target[:, 0])
        assert not block.position[recentred].any()
        assert not block.velocity[recentred].any()
        np.testing.assert_allclose(jumps[inside & ~recentred], 0, atol=1e-9)
        assert (np.diff(block.trial) >= 0).all()
        assert not block.on_target[np.isnan(block.target[:, 0])].any()
    assert [each.index for each in record.trials] == list(range(len(record.trials)))
    for trial in record.trials:
        assert_told_by_its_block(trial, block_of(record, trial.block), record, plan.task)


def whole_bins(time_s, bin_size_s):
    """So many that the time is over at their end."""
    return math.ceil(round(time_s / bin_size_s, 6))


def assert_told_by_its_block(trial, block, record, task):
    """A trial's figures, recomputed from the arrays."""
    events = [event for name, event in record.events if event.trial == trial.index]
    assert {name for name, event in record.events if event.trial == trial.index} == {trial.block}
    assert (events[-1].kind, events[-1].bin) == (trial.outcome, trial.ended_bin)
    shown = np.flatnonzero((block.trial == trial.index) & ~np.isnan(block.target[:, 0]))
    appeared = [each.bin for each in events if each.kind == "target"]
    if trial.outcome == "lost":
        assert trial.ended_bin == len(block.position)
    if not appeared:
        assert trial.outcome == "lost"
        assert trial.appeared_bin == trial.ended_bin
        assert trial.from_cm == (0.0, 0.0)
        assert not len(shown)
        return
    assert [trial.appeared_bin] == appeared
    last = min(trial.ended_bin, len(block.position) - 1)
    np.testing.assert_array_equal(shown, np.arange(trial.appeared_bin + 1, last + 1))
    np.testing.assert_array_equal(block.target[shown], np.tile(trial.target.place_cm, (len(shown), 1)))
    assert trial.from_cm == tuple(block.position[trial.appeared_bin])
    bins = range(trial.appeared_bin, last + 1)
    on = [task.region(block.position[each], trial.target) for each in bins]
    wanted = [each is not None and each == task.region(np.array(trial.target.place_cm), trial.target) for each in on]
    assert wanted[: len(shown)] == block.on_target[shown].tolist()
    entered = [bins[at] for at in range(1, len(on)) if wanted[at] and not wanted[at - 1]]
    assert [each.bin for each in events if each.kind == "enter"] == entered
    touched = [trial.appeared_bin] if wanted[0] else entered
    assert trial.touched_bin == (touched[0] if touched else None)
    if trial.outcome == "success":
        acquired = entered[-1] if entered else trial.appeared_bin
        way = block.position[trial.appeared_bin : acquired + 1]
        assert trial.acquired_bin == acquired == trial.ended_bin - whole_bins(task.hold_s, record.bin_size_s)
        assert trial.travelled_cm == pytest.approx(sum(math.hypot(*each) for each in np.diff(way, axis=0)))
        assert trial.advanced_cm == pytest.approx(math.dist(way[0], way[-1]))
        assert trial.advanced_cm <= trial.travelled_cm + 1e-9
    else:
        assert trial.acquired_bin is None
        assert math.isnan(trial.travelled_cm)
        assert math.isnan(trial.advanced_cm)


@pytest.mark.parametrize("name", ["center-out", "random", "grid"])
def test_a_loop_without_noise_and_delay_acquires_every_target(name):
    plan = replace(AT_ONCE, task=open_task(name), trials=24)
    record = mirrored(plan)
    assert [each.outcome for each in record.trials] == ["success"] * 24
    assert [each.index for each in record.trials] == list(range(24))
    assert not record.failure
    assert not record.interrupted
    assert_consistent(record, plan)


def test_without_delay_the_cursor_goes_straight():
    for trial in mirrored(AT_ONCE).trials:
        assert trial.advanced_cm == pytest.approx(trial.travelled_cm)
        assert trial.touched_bin == trial.acquired_bin


def test_the_cursor_waits_in_the_centre_where_the_task_recentres_and_where_it_stands_elsewhere():
    for task in (CenterOut(), RandomTarget()):
        plan = replace(AT_ONCE, task=task)
        record = mirrored(plan, replace(IDEAL, noise_cm_s=3.0))
        block = block_of(record)
        waiting = np.isnan(block.target[:, 0])
        assert waiting.sum() == 8 * 25
        assert block.position[waiting].any() != task.recentres
        for before, trial in zip(record.trials, record.trials[1:], strict=False):
            assert trial.appeared_bin - before.ended_bin == 25


plans = st.builds(
    Plan,
    task=st.sampled_from(TASKS),
    trials=st.integers(1, 5),
    calibration_s=st.sampled_from([0.0, 10.0]),
    recalibrate_after=st.integers(0, 3),
    gain=st.floats(0.2, 3.0),
    smoothing=st.floats(0.0, 0.9),
    perturbations=st.lists(
        st.builds(Perturbation, st.sampled_from(["loss", "drop"]), st.floats(0, 1), st.floats(0, 4))
        | st.builds(Perturbation, st.just("latency"), st.floats(0, 300), st.floats(0, 4))
        | st.builds(Perturbation, st.just("rotation"), st.floats(-180, 180), st.floats(0, 4)),
        max_size=3,
    ).map(tuple),
    seed=st.integers(0, 2**32),
)


@settings(deadline=None, max_examples=25)
@given(plan=plans)
def test_whatever_is_planned_is_recorded_without_contradiction(plan):
    record = mirrored(plan, UserModel())
    names = ["calibration"] * bool(plan.calibration_s) + ["before recalibration"] * bool(plan.recalibrate_after)
    assert [each.name for each in record.blocks] == [*names, "closed loop"]
    assert len(record.trials) == plan.trials + plan.recalibrate_after
    assert_consistent(record, plan)


def test_the_same_seed_gives_the_same_record_to_the_bit():
    plan = Plan(
        task=QUICK,
        trials=6,
        calibration_s=12.0,
        recalibrate_after=4,
        perturbations=tuple(
            Perturbation(*each) for each in (("drift", 5), ("noise", 20), ("loss", 0.1), ("drop", 0.2))
        ),
        seed=5,
    )
    record = populated(plan)
    assert_same(record, populated(plan))
    assert_consistent(record, plan)
    other = populated(replace(plan, seed=6))
    assert [each.target for each in other.trials] != [each.target for each in record.trials]
    assert not np.array_equal(block_of(other, "calibration").velocity, block_of(record, "calibration").velocity)


def test_a_decoder_is_judged_on_the_end_of_the_calibration_that_it_was_not_fitted_on():
    record = populated(Plan(task=QUICK, trials=1, calibration_s=20.0))
    block, fresh = block_of(record, "calibration"), KalmanDecoder()
    fresh.fit(block.counts[:800], block.velocity[:800])
    decoded = decode(fresh, block.counts[800:])
    assert record.offline is not None
    np.testing.assert_array_equal(record.offline.r_squared, r_squared(block.velocity[800:], decoded))
    np.testing.assert_array_equal(record.offline.correlation, correlation(block.velocity[800:], decoded))
    assert min(record.offline.correlation) > 0.5


def test_the_user_follows_the_cursor_in_the_calibration():
    record = mirrored(replace(AT_ONCE, calibration_s=10.0, trials=1))
    block = block_of(record, "calibration")
    assert len(block.counts) == 500
    np.testing.assert_array_equal(block.intended_velocity, block.velocity)
    np.testing.assert_array_equal(block.counts, block.intended_velocity)
    np.testing.assert_allclose(block.position, np.cumsum(block.velocity, axis=0) * BIN_S)


def test_a_live_decoder_is_not_judged():
    decoder = Live()
    record = run_session(replace(AT_ONCE, calibration_s=10.0, trials=1), Mirror(), simulated(), decoder)
    assert record.offline is None
    assert len(decoder.seen) == len(block_of(record).counts)


def test_a_decoder_of_wide_bins_is_shown_their_sums_and_judged_on_them():
    decoder, plan = Readout(), Plan(task=QUICK, trials=2, calibration_s=10.0, decoder_bins=4)
    record = run_session(plan, Tuned(), ScriptedUser(np.zeros((0, 2))), Summing(decoder))
    before, block = block_of(record, "calibration"), block_of(record)
    (counts, kinematics), steps = decoder.fits[0], np.array(decoder.seen)
    np.testing.assert_array_equal(counts, before.counts[:400].reshape(100, 4, -1).sum(axis=1))
    np.testing.assert_allclose(kinematics, before.velocity[:400].reshape(100, 4, 2).mean(axis=1))
    held, runs = 100 // 4, len(block.counts) // 4
    np.testing.assert_array_equal(steps[:held], before.counts[400:].reshape(held, 4, -1).sum(axis=1))
    np.testing.assert_array_equal(steps[held:], block.counts[: 4 * runs].reshape(runs, 4, -1).sum(axis=1))


class Live(Readout, ReportingDecoder):
    """Exists only inside the loop."""

    @property
    def status(self):
        return DecoderStatus(live=True)


class Summing:
    """A readout of two numbers from any number of units."""

    def __init__(self, readout):
        self._readout = readout
        self.fit = readout.fit

    def step(self, counts):
        return self._readout.step(counts)[:2]


def test_gain_and_smoothing_shape_the_decoded_velocity():
    script = 10 * np.random.default_rng(0).standard_normal((200, 2))
    plan = replace(AT_ONCE, task=RandomTarget(extent_cm=400.0, timeout_s=3.0), trials=1, gain=2.0, smoothing=0.8)
    block = block_of(run_session(plan, Mirror(), ScriptedUser(script), Readout()))
    smoothed = np.zeros(2)
    for intended_velocity, velocity in zip(block.intended_velocity, block.velocity, strict=True):
        smoothed = 0.8 * smoothed + 0.2 * 2.0 * intended_velocity
        np.testing.assert_allclose(velocity, smoothed)


def test_latency_delays_the_cursor_by_exactly_its_bins():
    script = np.random.default_rng(0).standard_normal((200, 2))
    plan = replace(AT_ONCE, task=RandomTarget(timeout_s=3.0), trials=1, perturbations=(Perturbation("latency", 100),))
    block = block_of(run_session(plan, Mirror(), ScriptedUser(script), Readout()))
    np.testing.assert_array_equal(block.velocity[5:], block.intended_velocity[:-5])
    np.testing.assert_array_equal(block.velocity[:5], block.intended_velocity[[0] * 5])


def test_a_latency_that_begins_later_holds_the_velocity_of_its_onset_until_it_has_come_through():
    script = np.random.default_rng(0).standard_normal((200, 2))
    late = Perturbation("latency", 50, 1.0)
    plan = replace(AT_ONCE, task=RandomTarget(timeout_s=3.0), trials=1, perturbations=(late,))
    block = block_of(run_session(plan, Mirror(), ScriptedUser(script), Readout()))
    np.testing.assert_array_equal(block.velocity[:51], block.intended_velocity[:51])
    np.testing.assert_array_equal(block.velocity[51:53], block.intended_velocity[[50, 50]])
    np.testing.assert_array_equal(block.velocity[53:], block.intended_velocity[50:-3])


def test_velocities_under_way_while_the_cursor_is_held_in_the_centre_are_not_kept_for_later():
    script = np.random.default_rng(0).standard_normal((400, 2))
    plan = replace(AT_ONCE, task=QUICK, trials=4, perturbations=(Perturbation("latency", 100),))
    block = block_of(run_session(plan, Mirror(), ScriptedUser(script), Readout()))
    free = np.flatnonzero(block.velocity.any(axis=1))
    assert len(free) >= 4 * 45
    np.testing.assert_array_equal(block.velocity[free], block.intended_velocity[free - 5])


def test_in_lost_bins_the_cursor_goes_on_and_the_decoder_is_shown_nothing():
    script = np.random.default_rng(0).standard_normal((200, 2))
    plan = replace(AT_ONCE, task=RandomTarget(timeout_s=3.0), trials=1, perturbations=(Perturbation("loss", 0.5),))
    decoder = Readout()
    block = block_of(run_session(plan, Mirror(), ScriptedUser(script), decoder))
    assert 0.3 < block.arrived.mean() < 0.7
    last = np.maximum.accumulate(np.where(block.arrived, np.arange(len(block.arrived)), -1))
    expected = np.where(last[:, np.newaxis] >= 0, block.intended_velocity[last], 0.0)
    np.testing.assert_array_equal(block.velocity, expected)
    np.testing.assert_array_equal(decoder.seen, block.counts[block.arrived])


def test_dropped_units_are_silent_from_the_onset_on():
    plan = Plan(task=QUICK, trials=4, calibration_s=10.0, perturbations=(Perturbation("drop", 0.5, 1.0),))
    record = populated(plan)
    counts = block_of(record).counts
    assert block_of(record, "calibration").counts.any(axis=0).all()
    assert counts[:50].any(axis=0).all()
    assert np.count_nonzero(counts[50:].any(axis=0)) == 16


def test_onsets_are_counted_from_the_start_of_the_first_closed_loop_and_shown():
    watching, late = Watching(), Perturbation("latency", 40.0, 2.0)
    mirrored(
        replace(AT_ONCE, trials=4, recalibrate_after=1, calibration_s=10.0, perturbations=(late,)), IDEAL, [watching]
    )
    looped = [each for each in watching.moments if each.block != "calibration"]
    assert [at for at, each in enumerate(looped) if each.begun] == [100]
    assert looped[100].begun == [late]


def turned_by(degrees):
    """What takes a velocity in the plane to one that is turned counter-clockwise."""
    turn = np.exp(1j * np.radians(degrees))
    return np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])


def mapped(decoder, degrees):
    """Degrees by which a decoder's answer is turned from the intended velocity of a population turned so much."""
    turns = []
    for angle in np.arange(0, 360, 45):
        intended_velocity = turned_by(angle) @ [20.0, 0.0]
        counts = np.tile(Tuned().expected(turned_by(degrees) @ intended_velocity), (200, 1))
        answer = decode(decoder, counts)[-1]  # by then it is steady
        turns.append((answer @ [1, 1j]) * (intended_velocity @ [1, -1j]))
    return np.degrees(np.angle(np.sum(turns)))


@pytest.mark.parametrize("degrees", [-40.0, 60.0])
def test_recalibration_takes_a_rotation_of_the_map_back(degrees):
    at_once = replace(UserModel(), visual_delay_s=0.0, reaction_s=0.0)  # who always aims straight at the target
    plan = Plan(trials=1, calibration_s=60.0, perturbations=(Perturbation("rotation", degrees),))
    before, after = RidgeDecoder(), RidgeDecoder()
    populated(plan, before, at_once)
    populated(replace(plan, recalibrate_after=12), after, at_once)
    assert mapped(before, degrees) == pytest.approx(degrees, abs=6.0)
    assert mapped(after, degrees) == pytest.approx(0.0, abs=10.0)


def test_after_a_large_rotation_recalibration_regains_success():
    record = populated(
        Plan(trials=8, calibration_s=60.0, recalibrate_after=8, perturbations=(Perturbation("rotation", 60.0),))
    )
    successes = [each.block for each in record.trials if each.outcome == "success"]
    assert successes.count("before recalibration") <= 2
    assert successes.count("closed loop") == 8


@pytest.mark.parametrize("gain", [0.5, 1.0, 2.0])
def test_the_decoder_learns_anew_from_what_was_meant_wherever_counts_arrived_and_a_target_was_shown(gain):
    decoder = Readout()
    loss = Perturbation("loss", 0.2)
    plan = replace(AT_ONCE, recalibrate_after=4, trials=1, gain=gain, perturbations=(loss,))
    record = run_session(plan, Mirror(), simulated(replace(IDEAL, noise_cm_s=3.0)), decoder)
    block, (counts, taught) = block_of(record, "before recalibration"), decoder.fits[0]
    known = block.arrived & ~np.isnan(block.target[:, 0])
    np.testing.assert_array_equal(counts, block.counts[known])
    away = block.target[known] - block.start[known]
    off = ~block.on_target[known]
    assert not taught[~off].any()
    np.testing.assert_allclose(np.cross(np.pad(taught, ((0, 0), (0, 1))), np.pad(away, ((0, 0), (0, 1)))), 0, atol=1e-9)
    np.testing.assert_allclose(np.hypot(*taught[off].T), np.hypot(*counts[off].T))  # whatever the gain
    assert ((taught * away).sum(axis=1)[off] >= 0).all()


def test_what_is_learned_anew_comes_to_the_same_loop_whatever_the_gain():
    taught = []
    for gain in (0.25, 1.0, 4.0):
        decoder = Scaled(1 / gain)
        plan = replace(AT_ONCE, recalibrate_after=4, trials=1, gain=gain)
        run_session(plan, Mirror(), simulated(replace(IDEAL, noise_cm_s=3.0)), decoder)
        taught.append(gain * decoder.fits[0][1])
    np.testing.assert_allclose(taught[0], taught[1], atol=1e-9)
    np.testing.assert_allclose(taught[2], taught[1], atol=1e-9)


class Scaled(Readout):
    """A readout of as much of the counts."""

    def __init__(self, share):
        super().__init__()
        self._share = share

    def step(self, counts):
        return self._share * super().step(counts)


def test_a_target_is_told_from_the_bin_on_that_begins_with_it():
    watching = Watching()
    record = mirrored(replace(AT_ONCE, trials=3), UserModel(), [watching])
    block = block_of(record)
    at_the_end = [each.view.target.place_cm if each.view.target else (np.nan,) * 2 for each in watching.moments]
    np.testing.assert_array_equal(block.target[1:], at_the_end[:-1])
    assert np.isnan(block.target[0]).all()
    for trial in record.trials:
        assert np.isnan(block.target[trial.appeared_bin]).all()
        np.testing.assert_array_equal(block.target[trial.appeared_bin + 1], trial.target.place_cm)
        np.testing.assert_array_equal(block.target[trial.ended_bin], trial.target.place_cm)
        assert block.on_target[trial.ended_bin]
        assert not block.on_target[trial.acquired_bin]


def test_a_target_under_the_cursor_is_touched_when_it_appears():
    still, west, east = [0.0, 0.0], [-50.0, 0.0], [50.0, 0.0]
    held, returned, gone = (
        run_session(replace(AT_ONCE, task=UNDER_THE_CURSOR, trials=1), Mirror(), ScriptedUser(np.array(way)), Readout())
        for way in ([still], [*[still] * 5, *[west] * 4, *[east] * 5], [*[still] * 5, west, west])
    )
    for record, outcome, acquired in ((held, "success", 4), (returned, "success", 12), (gone, "timeout", None)):
        (trial,) = record.trials
        assert (trial.outcome, trial.appeared_bin, trial.touched_bin) == (outcome, 4, 4)
        assert trial.acquired_bin == acquired
        assert_consistent(record, replace(AT_ONCE, task=UNDER_THE_CURSOR))


def test_watchers_are_shown_every_bin_and_every_event_in_order():
    watchers = Watching(), Watching()
    record = mirrored(replace(AT_ONCE, calibration_s=10.0, recalibrate_after=2, trials=3), UserModel(), watchers)
    first, second = watchers
    assert first.moments == second.moments
    assert [(each.block, each.bin) for each in first.moments] == [
        (block.name, bin_) for block in record.blocks for bin_ in range(len(block.position))
    ]
    told = [(each.block, event) for each in first.moments for event in each.events]
    assert tuple(told) == record.events
    assert all(event.bin == each.bin for each in first.moments for event in each.events)
    looped = [each for each in first.moments if each.block == "closed loop"]
    block = block_of(record)
    np.testing.assert_array_equal([each.view.position_cm for each in looped], block.position)
    np.testing.assert_array_equal([each.intended_velocity for each in looped], block.intended_velocity)
    assert all(each.passed for each in first.moments)


@pytest.mark.parametrize("bins", [0, 3, 40])
def test_watchers_are_shown_a_lost_trial_last_in_the_bin_that_did_not_pass(bins):
    watching, broken = Watching(), failing(Readout(), "step", bins, FailureError("the wire broke"))
    record = run_session(AT_ONCE, Mirror(), simulated(UserModel()), broken, [watching])
    *before, last = watching.moments
    assert [each.bin for each in before] == list(range(len(block_of(record).position))) == list(range(bins))
    assert all(each.passed for each in before)
    assert (last.passed, last.block, last.bin) == (False, "closed loop", bins)
    assert [(each.bin, each.trial, each.kind) for each in last.events] == [(bins, len(record.trials) - 1, "lost")]
    assert tuple((each.block, event) for each in watching.moments for event in each.events) == record.events


def test_a_watcher_that_fails_over_a_lost_trial_takes_nothing_from_the_record():
    error = BadInputError("full")
    watching = failing(Watching(), "show", 40, error)
    record = run_session(AT_ONCE, Mirror(), simulated(), Readout(), [watching])
    assert record.failure == "full"
    assert record.trials[-1].outcome == "lost"
    assert_consistent(record, AT_ONCE)


def test_a_scripted_user_ends_a_session_too():
    record = run_session(replace(AT_ONCE, task=QUICK), Mirror(), ScriptedUser(np.zeros((0, 2))), Readout())
    assert {each.outcome for each in record.trials} == {"timeout"}


FAILURES = [
    (FailureError("the wire broke"), "the wire broke", False),
    (BadInputError("expected other counts"), "expected other counts", False),
    (KeyboardInterrupt(), "interrupted", True),
]


@pytest.mark.parametrize(("error", "told", "interrupted"), FAILURES)
@pytest.mark.parametrize("part", ["respond", "intend", "step"])
@pytest.mark.parametrize("bins", [0, 3, 40, 61])
def test_a_failure_loses_the_trial_under_way_and_ends_the_session_with_its_record(part, bins, error, told, interrupted):
    plan = replace(AT_ONCE, task=QUICK)
    parts: list[Any] = [Mirror(), simulated(UserModel()), Readout()]
    at = ("respond", "intend", "step").index(part)
    parts[at] = failing(parts[at], part, bins, error)
    record = run_session(plan, *parts)
    assert record.failure == told
    assert record.interrupted == interrupted
    assert len(block_of(record).position) == bins
    assert [each.outcome == "lost" for each in record.trials] == [False] * (len(record.trials) - 1) + [True]
    assert record.trials[-1].ended_bin == bins
    assert_consistent(record, plan)


@pytest.mark.parametrize(("error", "told", "interrupted"), FAILURES)
def test_a_failure_in_the_calibration_ends_the_session_before_any_trial(error, told, interrupted):
    plan = replace(AT_ONCE, calibration_s=10.0)
    by_fit = f"calibration: {told}" if isinstance(error, BadInputError) else told
    for parts, bins, failure in (
        ((failing(Mirror(), "respond", 200, error), simulated(), Readout()), 200, told),
        ((Mirror(), failing(simulated(), "follow", 200, error), Readout()), 200, told),
        ((Mirror(), simulated(), failing(Readout(), "fit", 0, error)), 500, by_fit),
        ((Mirror(), simulated(), failing(Readout(), "step", 0, error)), 500, told),  # as it is judged
    ):
        record = run_session(plan, *parts)
        assert (record.failure, record.interrupted) == (failure, interrupted)
        assert record.trials == record.events == ()
        assert [each.name for each in record.blocks] == ["calibration"]
        assert len(record.blocks[0].position) == bins
        assert record.offline is None
        assert_consistent(record, plan)


def test_a_recalibration_from_too_little_fails_the_session_and_keeps_its_record():
    plan = replace(AT_ONCE, task=QUICK, recalibrate_after=1, perturbations=(Perturbation("loss", 1.0),))
    record = populated(plan, Untrained())
    assert record.failure.startswith("recalibration: expected")
    assert [each.outcome for each in record.trials] == ["timeout"]
    assert_consistent(record, plan)


class Untrained(KalmanDecoder):
    def step(self, counts):
        return np.zeros(2)


class StoppedAt:
    """Ctrl-C at a line of the loop's own code, counted from the first answer of the population on."""

    FILES = ("session.py", "cursor_loop.py", "record.py", "trials.py", "tasks.py")

    def __init__(self, line):
        self._left, self.passed, self.until_last_answer = line, 0, 0

    def respond(self, velocity_cm_s, position_cm):
        if not self.passed:
            self._watch()
        self.until_last_answer = self.passed
        return velocity_cm_s.copy()

    unit_names, bin_size_s = Mirror.unit_names, BIN_S

    def _watch(self):
        frame = sys._getframe(2)
        while frame is not None:
            if self._trace(frame, "call", None):
                frame.f_trace = self._trace
            frame = frame.f_back
        sys.settrace(self._trace)

    def _trace(self, frame, event, argument):
        path = frame.f_code.co_filename
        if "closedloop" not in path or not path.endswith(self.FILES) or frame.f_code.co_name == "run_session":
            return None
        if event == "line":
            self.passed += 1
            if self.passed == self._left:
                sys.settrace(None)
                raise KeyboardInterrupt
        return self._trace


@pytest.fixture
def traced():
    """Whatever traces this test is put back."""
    before = sys.gettrace()
    yield
    sys.settrace(before)


def test_ctrl_c_at_any_line_leaves_a_record_without_contradiction(traced):
    plan = replace(AT_ONCE, task=replace(QUICK, pause_s=0.06, hold_s=0.06, distance_cm=3.0), trials=2)
    whole = StoppedAt(-1)
    run_session(plan, whole, simulated(), Readout())
    sys.settrace(None)
    assert whole.until_last_answer > 900
    for line in range(1, whole.until_last_answer, 13):
        stopped = StoppedAt(line)
        record = run_session(plan, stopped, simulated(), Readout())
        assert record.interrupted, line
        (block,) = record.blocks
        assert {len(getattr(block, each.name)) for each in fields(block)[1:]} == {len(block.position)}
        for _, event in record.events:
            assert event.bin <= len(block.position)
        assert all(each.outcome in ("success", "lost") for each in record.trials)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"trials": 0}, "expected 1 trial or more.*found 0, 0 and 0"),
        ({"recalibrate_after": -1}, "found 8, -1 and 0"),
        ({"seed": -1}, "found 8, 0 and -1"),
        ({"calibration_s": 9.9}, "--calibration: expected 0 or 10 to 36000 s, found 9.9"),
        ({"calibration_s": -20.0}, "--calibration: expected 0 or 10 to 36000 s"),
        ({"calibration_s": math.nan}, "--calibration: expected 0 or 10 to 36000 s"),
        ({"calibration_s": math.inf}, "--calibration: expected 0 or 10 to 36000 s"),
        ({"calibration_s": 10.0, "decoder_bins": 100}, "--calibration: expected 0 or 40 to 36000 s, found 10"),
        ({"decoder_bins": 0}, "--decoder-bin: expected 20 to 3000 ms, found 0"),
        ({"decoder_bins": 151}, "--decoder-bin: expected 20 to 3000 ms, found 3020"),
        ({"gain": -1.0}, "expected a gain of 0 or more"),
        ({"gain": 0.0, "recalibrate_after": 1}, "--gain: expected more than 0 with --recalibrate, found 0"),
        ({"smoothing": 1.0}, "smoothing from 0 to below 1"),
        ({"task": RandomTarget(nearest_cm=20.0)}, "lower nearest_cm"),
        ({"perturbations": (Perturbation("gravity", 1.0),)}, "--perturb: expected"),
    ],
)
def test_a_plan_that_can_not_be_carried_out_is_refused_before_anything_happens(changes, told):
    with pytest.raises(BadInputError, match=told):
        run_session(
            replace(AT_ONCE, **changes), failing(Mirror(), "respond", 0, AssertionError), simulated(), Readout()
        )


def test_the_shortest_calibration_that_is_allowed_suffices_for_the_widest_bins():
    plan = replace(AT_ONCE, trials=1, calibration_s=60.0, decoder_bins=150)
    record = populated(plan, ChanceDecoder(random_stream(0, Purpose.CHANCE_DECODER)))
    assert record.offline is not None
    assert np.isfinite([record.offline.r_squared, record.offline.correlation]).all()


def test_a_decoder_that_was_never_fitted_loses_the_first_trial_and_the_record_says_why():
    record = populated(AT_ONCE)
    assert "expected a fit before the first step" in record.failure
    assert not record.interrupted
    assert [each.outcome for each in record.trials] == ["lost"]
    assert_consistent(record, AT_ONCE)


@pytest.mark.long
@pytest.mark.slow
def test_decoders_of_a_simulated_cortex_rank_as_in_the_field():
    kalman, population_vector, chance = (
        [on_m1_sim(make(seed), plan) for seed, plan in enumerate(plans)]
        for make, plans in (
            (lambda seed: KalmanDecoder(), [Plan(trials=8, calibration_s=40.0, seed=seed) for seed in range(2)]),
            (
                lambda seed: PopulationVectorDecoder(),
                [Plan(trials=8, calibration_s=40.0, seed=seed) for seed in range(2)],
            ),
            (
                lambda seed: ChanceDecoder(random_stream(seed, Purpose.CHANCE_DECODER)),
                [Plan(trials=4, calibration_s=10.0)],
            ),
        )
    )
    assert min(successes for successes, _ in kalman) >= 7
    assert chance[0][0] <= 1
    mean_s = [np.mean([seconds for _, seconds in each]) for each in (kalman, population_vector)]
    assert mean_s[0] < mean_s[1]


def on_m1_sim(decoder, plan):
    """Successes, and mean time to the target in s, failures with all of theirs."""
    population = BundlePopulation(load_bundle("m1-sim"), plan.seed, "cpu")
    record = run_session(plan, population, simulated(UserModel(), seed=plan.seed), decoder)
    assert_consistent(record, plan)
    ended = [each.acquired_bin or each.ended_bin for each in record.trials]
    took = np.subtract(ended, [each.appeared_bin for each in record.trials]) * record.bin_size_s
    return sum(each.outcome == "success" for each in record.trials), took.mean()


class Seeing(SeesPosition):
    """Takes the counts for the velocity; remembers where the cursor was."""

    def __init__(self):
        self.seen, self.trained = [], []

    def see(self, position_cm):
        self.seen.append(position_cm.copy())

    def see_training(self, position_cm):
        self.trained.append(position_cm)

    def fit(self, counts, kinematics): ...

    def step(self, counts):
        return counts.astype(np.float64)


@pytest.mark.parametrize("bins", [1, 2])
def test_a_decoder_that_sees_the_position_is_shown_it_at_the_beginning_of_each_bin(bins):
    plan = Plan(task=QUICK, trials=3, calibration_s=10.0, recalibrate_after=2, decoder_bins=bins)
    decoder = Seeing()
    record = run_session(plan, Mirror(), simulated(extent_cm=plan.task.extent_cm), decoder)
    calibration, *loops = record.blocks
    held = math.ceil(0.8 * len(calibration.counts))
    np.testing.assert_array_equal(decoder.trained[0], calibration.start[:held])
    shown = np.isfinite(loops[0].target).all(axis=1)
    np.testing.assert_array_equal(decoder.trained[1], loops[0].start[shown])
    offline = calibration.start[held : held + (len(calibration.counts) - held) // bins * bins : bins]
    np.testing.assert_array_equal(decoder.seen, np.concatenate([offline, loops[0].start, loops[1].start]))


def test_a_population_is_modulated_less_while_its_user_watches_as_the_plan_says():
    plan = Plan(task=QUICK, trials=1, calibration_s=10.0, observation_gain=0.4)
    record = run_session(plan, Mirror(), simulated(extent_cm=plan.task.extent_cm), Readout())
    calibration, loop = record.blocks
    np.testing.assert_allclose(calibration.counts, 0.4 * calibration.intended_velocity)
    np.testing.assert_array_equal(loop.counts, loop.intended_velocity)
