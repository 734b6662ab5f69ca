import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.closedloop.experiment.tasks import Target
from spikeloop.streamer.closedloop.experiment.users import PUSH_AT, PUSHES, ScriptedUser, UserModel
from tests.support.loop_parts import BIN_S, IDEAL, simulated, view

NORTH_EAST = Target((6.0, 5.0), 3.0)


def moved(model, bins, smoothing_s, gain, target=NORTH_EAST):
    """What a user intends while the cursor smooths and scales it: v = a v + (1 - a) gain intended, p += v bin."""
    user, position, velocity, intended = simulated(model), np.array([-3.0, 1.0]), np.zeros(2), []
    stays = math.exp(-BIN_S / smoothing_s) if smoothing_s else 0.0
    for _ in range(bins):
        intended.append(user.intend(view(position, velocity, target)))
        velocity = stays * velocity + (1 - stays) * gain * intended[-1]
        position = position + velocity * BIN_S
    return np.array(intended), position


@settings(deadline=None)
@given(
    delay=st.integers(0, 20),
    smoothing_s=st.sampled_from([0.0, 1e-4, 0.01, 0.1, 0.5]),
    gain=st.floats(0.2, 3.0),
    damping=st.floats(0.0, 0.9),
)
def test_a_cursor_that_does_as_practised_is_controlled_as_if_there_were_no_visual_delay(
    delay, smoothing_s, gain, damping
):
    model = replace(IDEAL, adapted_smoothing_s=smoothing_s, adapted_gain=gain, damping=damping)
    at_once, _ = moved(model, 60, smoothing_s, gain)
    delayed, _ = moved(replace(model, visual_delay_s=delay * BIN_S), 60, smoothing_s, gain)
    np.testing.assert_allclose(delayed, at_once, atol=1e-9)


def test_a_cursor_that_does_otherwise_is_misjudged_by_a_delay():
    model = replace(IDEAL, adapted_smoothing_s=0.1)
    at_once, _ = moved(model, 60, 0.1, gain=2.0)
    delayed, _ = moved(replace(model, visual_delay_s=0.2), 60, 0.1, gain=2.0)
    assert np.abs(delayed - at_once).max() > 1.0


def test_the_cursor_is_brought_to_the_target():
    _, position = moved(replace(UserModel(), noise_cm_s=0.0), 400, 0.1, 1.0)
    assert np.hypot(*(position - NORTH_EAST.place_cm)) < 0.2


@given(direction=st.floats(0, 2 * np.pi), distance=st.floats(0.01, 30.0), extent_cm=st.floats(10.0, 40.0))
def test_the_push_points_to_the_target_and_grows_with_its_distance(direction, distance, extent_cm):
    way = np.array([np.cos(direction), np.sin(direction)])
    start = np.array([1.0, -2.0])
    model = replace(IDEAL, full_push_cm_s=30.0)
    target = Target((start[0] + distance * way[0], start[1] + distance * way[1]), 3.0)
    pushed = simulated(model, extent_cm).intend(view(start, (0, 0), target))
    np.testing.assert_allclose(pushed, 30.0 * np.interp(distance / extent_cm, PUSH_AT, PUSHES) * way, atol=1e-9)


def test_the_push_is_none_at_the_centre_of_the_target_and_full_from_afar():
    assert not simulated().intend(view(NORTH_EAST.place_cm, (0, 0), NORTH_EAST)).any()
    far = simulated().intend(view((-18.0, 5.0), (0, 0), NORTH_EAST))
    np.testing.assert_allclose(far, [IDEAL.full_push_cm_s, 0.0])
    assert list(PUSHES) == sorted(PUSHES)
    assert list(PUSH_AT) == sorted(set(PUSH_AT))


@given(velocity=st.tuples(st.floats(-40, 40), st.floats(-40, 40)), damping=st.floats(0, 1))
def test_damping_takes_off_its_part_of_the_velocity(velocity, damping):
    free, damped = (
        simulated(replace(IDEAL, damping=each)).intend(view((0, 0), velocity, NORTH_EAST)) for each in (0.0, damping)
    )
    np.testing.assert_allclose(free - damped, damping * np.array(velocity), atol=1e-9)


@pytest.mark.parametrize("bins", [0, 1, 10])
def test_the_user_turns_to_a_target_and_from_it_a_reaction_later(bins):
    user = simulated(replace(IDEAL, reaction_s=bins * BIN_S))
    shown = [*[None] * 5, *[NORTH_EAST] * 30, *[None] * 30]
    pushes = [user.intend(view((0, 0), (0, 0), target)).any() for target in shown]
    assert pushes == [False] * (5 + bins) + [True] * 30 + [False] * (30 - bins)


def test_a_target_that_is_there_from_the_first_moment_takes_a_reaction_too():
    user = simulated(replace(IDEAL, reaction_s=3 * BIN_S))
    pushes = [user.intend(view((0, 0), (0, 0), NORTH_EAST)).any() for _ in range(6)]
    assert pushes == [False] * 3 + [True] * 3


def test_without_a_target_nothing_but_noise_is_intended():
    assert not simulated(replace(IDEAL, damping=0.5)).intend(view((3, 3), (20, 20))).any()


@pytest.mark.parametrize("time_s", [0.0, 0.15])
def test_execution_noise_has_its_deviation_and_time_constant(time_s):
    user = simulated(replace(IDEAL, noise_cm_s=2.0, noise_time_s=time_s))
    noise = np.array([user.intend(view()) for _ in range(20_000)])
    stays = math.exp(-BIN_S / time_s) if time_s else 0.0
    np.testing.assert_allclose(noise.std(axis=0), 2.0, rtol=0.05)
    np.testing.assert_allclose(noise.mean(axis=0), 0.0, atol=0.2)
    for lag in (1, 5):
        correlation = (noise[lag:] * noise[:-lag]).mean(axis=0) / 4.0
        np.testing.assert_allclose(correlation, stays**lag, atol=0.06)
    np.testing.assert_allclose(np.corrcoef(noise.T), np.eye(2), atol=0.06)


def test_noise_is_there_from_the_first_moment():
    first = [simulated(replace(IDEAL, noise_cm_s=2.0), seed=each).intend(view()) for each in range(500)]
    np.testing.assert_allclose(np.std(first, axis=0), 2.0, rtol=0.1)


def test_the_same_seed_gives_the_same_user():
    runs = [
        [simulated(UserModel(), seed=seed).intend(view((0, 0), (0, 0), NORTH_EAST)) for _ in range(20)]
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])


def test_a_cursor_that_moves_by_itself_is_followed_with_the_same_noise():
    velocity = np.array([7.0, -3.0])
    np.testing.assert_array_equal(simulated().follow(velocity), velocity)
    noisy = replace(IDEAL, noise_cm_s=2.0)
    np.testing.assert_allclose(simulated(noisy).follow(velocity) - velocity, simulated(noisy).intend(view()))


def test_a_script_is_replayed_whatever_is_shown_and_then_rests():
    script = np.array([[1, 2], [3, 4]])
    user = ScriptedUser(script)
    np.testing.assert_array_equal(user.follow(np.array([9.0, 9.0])), [9, 9])
    intended = [user.intend(view((each, 0), (5, 5), NORTH_EAST)) for each in range(4)]
    np.testing.assert_array_equal(intended, [[1, 2], [3, 4], [0, 0], [0, 0]])
    assert {each.dtype for each in intended} == {np.dtype(np.float64)}


@pytest.mark.parametrize(
    "script",
    [
        np.zeros(2),
        np.zeros((5, 3)),
        np.zeros((5, 2, 1)),
        np.full((5, 2), np.nan),
        np.array([[0.0, np.inf]]),
        np.zeros((5, 2), complex),
        np.array([["a", "b"]]),
    ],
)
def test_a_script_of_anything_else_is_refused(script):
    with pytest.raises(BadInputError, match=r"--user: expected finite velocities in cm/s of shape \(bins, 2\), found"):
        ScriptedUser(script)
