from dataclasses import replace

import numpy as np
import pytest

from spikeloop.exporters.bundle import load_bundle
from spikeloop.models.errors import BadInputError
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.streamer.closedloop.days.drift import SILENT, draw_drift
from spikeloop.streamer.closedloop.days.population import DIRECTIONS, DriftingPopulation
from spikeloop.streamer.closedloop.days.profiles import PROFILES
from spikeloop.streamer.closedloop.experiment.brain import BundlePopulation
from tests.support.compared import UNITS, tiny
from tests.support.tiny import tiny_bundle

BINS, SEED, HERE = 400, 7, np.zeros(2)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return load_bundle(tiny(tmp_path_factory.mktemp("bundle") / "tiny"))


@pytest.fixture
def day(bundle):
    """The day 0 of a population, on which nothing has changed."""
    return draw_drift(PROFILES["steady"], UNITS, 1, random_stream(0, Purpose.DRIFT_OVER_DAYS))[0]


@pytest.fixture(scope="module")
def velocities():
    return 20 * np.random.default_rng(1).standard_normal((BINS, 2))


def given(bundle, state, velocities, seed=SEED):
    population = DriftingPopulation(bundle)
    population.begin_day(state, seed)
    return np.array([population.respond(velocity, HERE) for velocity in velocities])


def as_it_is(bundle, velocities):
    population = BundlePopulation(bundle, SEED)
    return np.array([population.respond(velocity, HERE) for velocity in velocities])


def test_on_a_day_without_change_it_is_the_bundles_population(bundle, day, velocities):
    np.testing.assert_array_equal(given(bundle, day, velocities), as_it_is(bundle, velocities))


@pytest.mark.parametrize("steps", [1, 3, -2, 9])
def test_a_turned_unit_answers_as_the_model_does_to_a_velocity_turned_the_other_way(bundle, day, velocities, steps):
    turn = steps * 2 * np.pi / DIRECTIONS
    back = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    turned = np.zeros(UNITS, bool)
    turned[[1, 4]] = True
    counts = given(bundle, replace(day, turn_rad=np.where(turned, turn, 0.0)), velocities)
    straight, other = as_it_is(bundle, velocities), as_it_is(bundle, velocities @ back.T)
    np.testing.assert_array_equal(counts[:, ~turned], straight[:, ~turned])
    np.testing.assert_array_equal(counts[:, turned], other[:, turned])


def test_a_unit_between_two_directions_has_spikes_of_both(bundle, day, velocities):
    step = 2 * np.pi / DIRECTIONS
    low, high, between = (
        given(bundle, replace(day, turn_rad=np.full(UNITS, turn)), velocities) for turn in (0.0, step, 0.25 * step)
    )
    differ = low != high
    np.testing.assert_array_equal(between[~differ], low[~differ])
    assert np.mean(between[differ] == high[differ]) == pytest.approx(0.25, abs=0.15)


def test_channels_record_the_units_of_the_day_and_silent_ones_nothing(bundle, day, velocities):
    unit = np.array([SILENT, 5, 2, 3, 0, 1])
    counts, whole = given(bundle, replace(day, unit=unit), velocities), as_it_is(bundle, velocities)
    assert not counts[:, 0].any()
    np.testing.assert_array_equal(counts[:, 1:], whole[:, unit[1:]])


def test_gains_and_noise_change_mean_counts_as_they_say(bundle, day, velocities):
    gain = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 3.0])
    scaled, whole = given(bundle, replace(day, gain=gain), velocities), as_it_is(bundle, velocities)
    np.testing.assert_array_equal(scaled[:, [0, 2, 4, 5]], whole[:, [0, 2, 4, 5]] * [0, 1, 2, 3])
    np.testing.assert_allclose(scaled.sum(axis=0), gain * whole.sum(axis=0), rtol=0.15)
    noisy = given(bundle, replace(day, noise_hz=np.full(UNITS, 25.0)), velocities) - whole
    assert (noisy >= 0).all()
    assert noisy.mean() == pytest.approx(25.0 * 0.02, rel=0.1)


def test_a_day_begins_anew_with_its_seed(bundle, day, velocities):
    drift = draw_drift(PROFILES["units"], UNITS, 9, random_stream(0, Purpose.DRIFT_OVER_DAYS))[-1]
    population = DriftingPopulation(bundle)
    runs = []
    for seed in (3, 4, 3):
        population.begin_day(drift, seed)
        runs.append(np.array([population.respond(velocity, HERE) for velocity in velocities[:50]]))
    np.testing.assert_array_equal(runs[0], runs[2])
    assert (runs[0] != runs[1]).any()


def test_a_bundle_that_no_velocity_drives_is_refused(tmp_path):
    with pytest.raises(BadInputError, match="velocity x"):
        DriftingPopulation(tiny_bundle(tmp_path / "windows"))
