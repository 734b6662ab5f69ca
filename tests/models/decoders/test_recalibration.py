import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.models.decoders.recalibration import intended_velocity
from spikeloop.models.errors import BadInputError


@given(st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_it_points_to_the_target_at_the_speed_that_was(bins, seed):
    velocity, position, target = np.random.default_rng(seed).normal(0, 10, (3, bins, 2))
    found = intended_velocity(velocity, position, target, np.zeros(bins, bool))
    np.testing.assert_allclose(np.hypot(*found.T), np.hypot(*velocity.T))
    way = target - position
    np.testing.assert_allclose(found[:, 0] * way[:, 1], found[:, 1] * way[:, 0], atol=1e-9)
    assert (np.sum(found * way, axis=1) >= 0).all()


def test_a_straight_one_stays_and_a_turned_one_is_turned_back():
    here, target = np.zeros((2, 2)), np.array([[4.0, 0.0], [4.0, 0.0]])
    found = intended_velocity(np.array([[3.0, 0.0], [0.0, -3.0]]), here, target, np.zeros(2, bool))
    np.testing.assert_allclose(found, [[3, 0], [3, 0]])


def test_on_the_target_and_at_its_very_centre_nothing_is_meant():
    velocity, position = np.ones((2, 2)), np.array([[0.5, 0.0], [2.0, 2.0]])
    found = intended_velocity(velocity, position, np.array([[0.0, 0.0], [2.0, 2.0]]), np.array([True, False]))
    np.testing.assert_array_equal(found, np.zeros((2, 2)))


def test_arrays_that_do_not_fit_and_bins_without_a_target_are_refused():
    some, off = np.ones((3, 2)), np.zeros(3, bool)
    for arrays in ((some[1:], some, some, off), (some, some, some[:, :1], off), (some, some, some, off[1:])):
        with pytest.raises(BadInputError, match="expected velocity, position and target of shape"):
            intended_velocity(*arrays)
    with pytest.raises(BadInputError, match="leave bins without a target out"):
        intended_velocity(some, some, np.full((3, 2), np.nan), off)
