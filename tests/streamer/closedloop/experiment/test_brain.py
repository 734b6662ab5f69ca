from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.exporters.bundle import Bundle, load_bundle
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.condition import Condition
from spikeloop.streamer.closedloop.experiment.brain import BundlePopulation, VelocityEncoding
from tests.support.tiny import tiny_stream_bundle

VELOCITY = (Condition("velocity x", "cm/s", -60.0, 58.0), Condition("velocity y", "cm/s", -60.0, 60.0))
FOREIGN_VELOCITY = (Condition("velocity x", "a.u./s", -70.0, 90.0), Condition("velocity y", "px/s", -20.0, 20.0))
FOREIGN_POSITION = (
    Condition("position x", "a.u.", 10.0, 40.0, rest=10.0),
    Condition("position y", "a.u.", -12.0, 12.0),
)
POSITION = (Condition("position x", "cm", -9.0, 9.0), Condition("position y", "cm", -9.0, 9.0))
FORCE = Condition("force", "N", 1.0, 3.0, rest=1.5)
WITHIN = st.floats(-20, 20)


@pytest.fixture(scope="module")
def any_bundle(tmp_path_factory):
    return tiny_stream_bundle(tmp_path_factory.mktemp("population") / "tiny", channels=VELOCITY)


@pytest.fixture(scope="module")
def driven_by(any_bundle):
    """The intended velocity of a bundle that is driven by these channels."""
    return lambda *channels: VelocityEncoding(with_card(any_bundle, conditions=tuple(map(asdict, channels))))


def with_card(bundle: Bundle, **changes) -> Bundle:
    return replace(bundle, card=replace(bundle.card, **changes))


@given(x=WITHIN, y=WITHIN)
def test_a_velocity_in_cm_a_second_is_taken_as_it_is(driven_by, x, y):
    found = driven_by(*VELOCITY).conditions(np.array([x, y]), np.array([5.0, 5.0]))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [x, y], rtol=1e-6, atol=1e-6)


@given(x=WITHIN, y=WITHIN)
def test_a_velocity_of_unknown_unit_is_scaled_so_that_its_range_is_that_of_fast_reaches(driven_by, x, y):
    found = driven_by(*FOREIGN_VELOCITY).conditions(np.array([x, y]), np.zeros(2))
    np.testing.assert_allclose(found, [x * 80 / 50, y * 20 / 50], rtol=1e-6, atol=1e-6)


@given(x=WITHIN, y=WITHIN)
def test_positions_in_cm_are_where_the_cursor_is(driven_by, x, y):
    found = driven_by(*POSITION, *VELOCITY).conditions(np.array([x, y]), np.array([x / 2, y / 3]))
    np.testing.assert_allclose(found, [x / 2, y / 3, x, y], rtol=1e-6, atol=1e-6)


def test_positions_of_unknown_unit_rest_wherever_the_cursor_is(driven_by):
    intended_velocity = driven_by(*FOREIGN_POSITION, *FOREIGN_VELOCITY)
    rest = [channel.rest for channel in FOREIGN_POSITION]
    for place in ((0, 0), (12, 0), (0, -12)):
        found = intended_velocity.conditions(np.array([10.0, -5.0]), np.array(place))
        np.testing.assert_allclose(found, [*rest, 16, -2])


def test_other_channels_rest_and_channels_come_in_any_order(driven_by):
    found = driven_by(VELOCITY[1], FORCE, VELOCITY[0]).conditions(np.array([3.0, 4.0]), np.ones(2))
    np.testing.assert_allclose(found, [4.0, 1.5, 3.0])


def test_a_velocity_at_rest_is_zero_whatever_its_channels_rest(driven_by):
    odd = Condition("velocity x", "cm/s", 2.0, 50.0, rest=2.0)
    np.testing.assert_array_equal(driven_by(odd, VELOCITY[1]).conditions(np.array([10.0, 0.0]), np.zeros(2)), [10, 0])


def test_what_is_far_beyond_the_range_is_clipped(driven_by):
    found = driven_by(*VELOCITY).conditions(np.array([500.0, -500.0]), np.zeros(2))
    np.testing.assert_allclose(found, [58 + 59, -60 - 60])


@pytest.mark.parametrize(
    ("channels", "listed"),
    [
        ((), "nothing"),
        (POSITION, "'position x', 'position y'"),
        (VELOCITY[:1], "'velocity x'"),
        ((FORCE, VELOCITY[1]), "'force', 'velocity y'"),
    ],
)
def test_a_bundle_without_a_velocity_is_refused_with_what_drives_it(driven_by, channels, listed):
    with pytest.raises(BadInputError, match=f"tiny: expected a bundle driven by.*found one driven by {listed}; choose"):
        driven_by(*channels)


def test_a_bundle_of_fluorescence_is_refused(any_bundle):
    light = with_card(any_bundle, count_distribution="fluorescence")
    with pytest.raises(BadInputError, match="tiny: expected a bundle of spikes, found one of fluorescence"):
        BundlePopulation(light, 0, "cpu")


def test_a_bundle_answers_bin_by_bin_and_the_same_to_the_same_seed(any_bundle):
    walk = 30 * np.random.default_rng(1).standard_normal((40, 2))

    def answers(seed):
        population = BundlePopulation(any_bundle, seed, "cpu")
        assert population.unit_names == any_bundle.card.unit_names
        assert population.bin_size_s == any_bundle.card.bin_size_s
        return np.array([population.respond(each, np.zeros(2)) for each in walk])

    first = answers(0)
    assert first.shape == (40, 4)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, answers(0))
    assert not np.array_equal(first, answers(1))


@pytest.mark.parametrize("name", ["m1-sim", "m1_jango"])
def test_the_shipped_motor_cortices_are_tuned_to_the_intention(name):
    loaded = load_bundle(name)

    def mean_counts(velocity):
        population = BundlePopulation(loaded, 0, "cpu")
        return np.mean([population.respond(np.array(velocity), np.zeros(2)) for _ in range(150)], axis=0)

    east, east_again, west = (mean_counts(each) for each in ((30.0, 0.0), (30.0, 0.0), (-30.0, 0.0)))
    np.testing.assert_array_equal(east, east_again)
    assert np.abs(east - west).mean() > 0.1
