from dataclasses import replace

import numpy as np
import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.streamer.closedloop.comparison import open_loop
from spikeloop.streamer.closedloop.experiment.brain import SubsampledPopulation
from spikeloop.streamer.closedloop.experiment.perturbations import KINDS, Perturbation, parse_perturbation
from spikeloop.streamer.closedloop.experiment.users import ScriptedUser
from spikeloop.streamer.closedloop.setup import check_setup
from tests.support.compared import UNITS, Watch, run, setup_of, tiny
from tests.support.loop_parts import Tuned


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("bundle") / "tiny")


def test_every_decoder_has_the_same_sessions(path):
    watch = Watch()
    runs = run(setup_of(path, sessions=2, trials=4, seed=5), watch)
    expected = [("oracle", 5), ("chance", 5), ("oracle", 6), ("chance", 6)]
    assert watch.sessions == [(each.decoder, each.seed) for each in runs] == expected
    targets = {(each.decoder, each.seed): [trial.target for trial in each.record.trials] for each in runs}
    assert targets["oracle", 5] == targets["chance", 5] != targets["oracle", 6]
    calibrations = [each.record.blocks[0].counts for each in runs]
    np.testing.assert_array_equal(calibrations[0], calibrations[1])
    assert not np.array_equal(calibrations[0], calibrations[2])


def test_a_session_does_not_depend_on_which_others_there_are(path):
    alone, among = run(setup_of(path, ("chance",), seed=6)), run(setup_of(path, sessions=2, seed=5))
    np.testing.assert_array_equal(alone[0].record.blocks[-1].position, among[-1].record.blocks[-1].position)


def test_nothing_follows_an_interrupted_session(path):
    runs = run(setup_of(path, sessions=2), Watch(KeyboardInterrupt(), calls=600))
    assert [each.record.interrupted for each in runs] == [True]


def test_the_smaller_of_two_choices_of_units_is_part_of_the_larger():
    chosen = {}
    for units in (4, 20):
        population = SubsampledPopulation(Tuned(units=32), units, random_stream(3, Purpose.KEPT_UNITS))
        chosen[units] = population.unit_names
        assert len(set(population.unit_names)) == units
    assert set(chosen[4]) < set(chosen[20])
    assert SubsampledPopulation(Tuned(units=32), 4, random_stream(4, Purpose.KEPT_UNITS)).unit_names != chosen[4]


def test_the_units_that_are_left_have_the_counts_that_they_had():
    population, whole = SubsampledPopulation(Tuned(units=32), 5, random_stream(0, Purpose.KEPT_UNITS)), Tuned(units=32)
    places = [whole.unit_names.index(name) for name in population.unit_names]
    assert places == sorted(places)
    for velocity in np.random.default_rng(0).normal(0, 10, (20, 2)):
        np.testing.assert_array_equal(
            population.respond(velocity, np.zeros(2)), whole.respond(velocity, np.zeros(2))[places]
        )


def test_fewer_units_reach_the_decoder(path):
    block = run(setup_of(path, ("kalman",), units=2, trials=2))[0].record.blocks[-1]
    assert block.counts.shape[1] == 2


def test_a_scripted_user_intends_what_is_written(path, tmp_path):
    velocity = np.random.default_rng(0).normal(0, 10, (40, 2))
    np.savez(tmp_path / "script.npz", velocity=velocity)
    runs = run(setup_of(path, user=f"scripted:{tmp_path / 'script.npz'}", trials=2))
    np.testing.assert_array_equal(runs[0].record.blocks[-1].intended_velocity[:40], velocity)
    np.testing.assert_array_equal(
        runs[1].record.blocks[-1].intended_velocity[:40], velocity
    )  # from its beginning again
    with open_loop(setup_of(path, user=f"scripted:{tmp_path / 'script.npz'}"), "chance", 0) as loop:
        assert isinstance(loop.user, ScriptedUser)
    np.savez(tmp_path / "empty.npz", velocity=velocity[:0])
    with pytest.raises(BadInputError, match="expected velocities of one bin at least, found none"):
        run(setup_of(path, user=f"scripted:{tmp_path / 'empty.npz'}"))


@pytest.mark.parametrize(
    ("options", "clock", "message"),
    [
        ({"decoders": ()}, "simulated", "found none"),
        ({"decoders": ("kalman", "kalman")}, "simulated", "different decoders"),
        ({"decoders": ("kalman", "nonsense")}, "simulated", "--decoder: expected"),
        ({"units": 0}, "simulated", f"--units: expected a whole number from 1 to {UNITS}, found 0"),
        ({"units": UNITS + 1}, "simulated", "--units: expected"),
        ({"user": "lsl:mouse"}, "simulated", "--user lsl:mouse: lives in real time.*--clock real"),
        ({"decoders": ("oracle", "lsl:mine")}, "simulated", "--decoder lsl:mine: lives in real time"),
        ({"decoders": ("ridge:3",), "calibration_s": 0}, "simulated", "ridge:3 learns from it"),
        ({"decoders": ("oracle",), "calibration_s": 0, "decoder_bins": 2}, "simulated", "with --decoder-bin"),
        ({"decoders": ("oracle", "lsl:mine"), "units": 3}, "real", "--units: can't reach --decoder lsl:mine"),
        ({"decoders": ("lsl:mine",), "perturbations": "drop:0.5"}, "real", "--perturb drop:0.5: can't reach"),
        ({"decoders": ("lsl:mine",), "perturbations": "loss:0.5@3"}, "real", "--perturb loss:0.5@3: can't reach"),
    ],
)
def test_what_cannot_be_is_told_before_anything_runs(path, options, clock, message):
    if "perturbations" in options:
        options = options | {"perturbations": (parse_perturbation(options["perturbations"]),)}
    with pytest.raises(BadInputError, match=message):
        check_setup(setup_of(path, clock=clock, **options))


def test_a_kind_of_perturbation_that_is_added_says_itself_whether_it_is_of_counts(path, monkeypatch):
    for kind in ("drop", "rotation"):
        monkeypatch.setitem(KINDS, f"another {kind}", replace(KINDS[kind], number=len(KINDS)))
    options = {"decoders": ("lsl:mine",), "calibration_s": 0, "clock": "real"}
    check_setup(setup_of(path, perturbations=(Perturbation("another rotation", 30),), **options))
    with pytest.raises(BadInputError, match="--perturb another drop:1: can't reach"):
        check_setup(setup_of(path, perturbations=(Perturbation("another drop", 1),), **options))


def test_a_decoder_over_lsl_may_have_what_happens_behind_it(path):
    perturbations = tuple(map(parse_perturbation, ("rotation:30", "latency:100")))
    check_setup(setup_of(path, ("lsl:mine",), perturbations=perturbations, calibration_s=0, clock="real"))


@pytest.mark.parametrize(
    ("user", "message"),
    [
        ("nobody", "--user: expected simulated"),
        ("scripted:", "--user: expected simulated"),
        ("scripted:missing.npz", "no such file"),
        ("scripted:{folder}/other.npz", "expected an array velocity, found speed"),
        ("scripted:{folder}/flat.npz", r"shape \(bins, 2\)"),
    ],
)
def test_a_user_that_cannot_be_had_is_told(path, tmp_path, user, message):
    np.savez(tmp_path / "other.npz", speed=np.zeros((3, 2)))
    np.savez(tmp_path / "flat.npz", velocity=np.zeros(6))
    with pytest.raises(BadInputError, match=message):
        run(setup_of(path, user=user.format(folder=tmp_path)))
