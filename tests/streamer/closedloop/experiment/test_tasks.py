from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.closedloop.experiment.tasks import TASKS, CenterOut, Grid, RandomTarget, Target, open_task
from tests.support.bad_values import NO_NUMBER, NO_WHOLE_NUMBER

EAST = Target((8.0, 0.0), 3.0)
SEEDS = st.integers(0, 2**32)


def drawn(task, trials, seed=0):
    return task.targets(trials, np.random.default_rng(seed))


def places_of(targets):
    return np.array([each.place_cm for each in targets])


@given(directions=st.integers(1, 12), trials=st.integers(1, 40), seed=SEEDS)
def test_center_out_gives_every_direction_once_a_round_and_as_far(directions, trials, seed):
    task = CenterOut(directions=directions, distance_cm=7.0, radius_cm=1.0)
    targets = drawn(task, trials, seed)
    places = places_of(targets)
    assert len(targets) == trials
    np.testing.assert_allclose(np.hypot(*places.T), 7.0)
    assert {each.width_cm for each in targets} == {2.0}
    which = np.arctan2(places[:, 1], places[:, 0]) / (2 * np.pi / directions)
    np.testing.assert_allclose(which, np.round(which), atol=1e-9)
    for first in range(0, trials, directions):
        of_round = np.round(which[first : first + directions]).astype(int) % directions
        assert len(set(of_round)) == len(of_round)


@given(trials=st.integers(1, 30), seed=SEEDS, nearest=st.floats(0, 10.5))
def test_random_targets_lie_in_the_workspace_and_not_too_near_to_the_one_before(trials, seed, nearest):
    places = places_of(drawn(RandomTarget(nearest_cm=nearest), trials, seed))
    assert np.abs(places).max() <= 12.0 - 1.5
    assert np.hypot(*np.diff(places, axis=0, prepend=[[0, 0]]).T).min() >= nearest


@pytest.mark.parametrize("task", [RandomTarget(nearest_cm=10.6), RandomTarget(radius_cm=12.5)])
def test_random_targets_that_may_find_no_room_are_refused(task):
    with pytest.raises(BadInputError, match="half the workspace less a radius.*lower nearest_cm"):
        drawn(task, 5)


@given(cells=st.integers(2, 8), trials=st.integers(1, 30), seed=SEEDS)
def test_the_grid_lights_whole_cells_and_never_the_same_twice_running(cells, trials, seed):
    task = Grid(cells=cells)
    targets = drawn(task, trials, seed)
    side = 24.0 / cells
    corners = (places_of(targets) + 12.0) / side - 0.5
    np.testing.assert_allclose(corners, np.round(corners), atol=1e-9)
    assert {0 <= each <= cells - 1 for each in np.round(corners).ravel()} == {True}
    assert {each.width_cm for each in targets} == {side}
    assert len(targets) == trials == len(list(groupby(targets)))


def test_the_grid_lights_every_cell_in_the_long_run():
    assert {each.place_cm for each in drawn(Grid(cells=3), 300)} == {(x, y) for x in (-8, 0, 8) for y in (-8, 0, 8)}


@given(x=st.floats(-12, 12), y=st.floats(-12, 12))
def test_every_place_in_the_workspace_is_on_the_one_cell_that_it_is_nearest_to(x, y):
    task, place = Grid(), np.array([x, y])
    centres = np.array([(east, north) for east in range(-10, 12, 4) for north in range(-10, 12, 4)], float)
    away = np.abs(centres - place).max(axis=1)
    on = [task.region(place, EAST) == task.region(centre, EAST) for centre in centres]
    assert sum(on) == 1
    assert away[np.argmax(on)] <= 2.0 + 1e-9


def test_a_disc_ends_at_its_radius():
    task = CenterOut()
    assert task.region(np.array([9.5, 0.0]), EAST) is not None
    assert task.region(np.array([8.0, -1.5]), EAST) is not None
    assert task.region(np.array([9.5 + 1e-9, 0.0]), EAST) is None


@pytest.mark.parametrize("name", TASKS)
def test_the_same_seed_gives_the_same_targets_and_another_gives_others(name):
    task = open_task(name)
    assert task.name == name
    assert drawn(task, 40, 5) == drawn(task, 40, 5) != drawn(task, 40, 6)


def test_only_where_wrong_ones_can_be_selected_targets_are_choices():
    assert len(set(drawn(Grid(), 1500))) == Grid().choices == 36
    assert CenterOut().choices is RandomTarget().choices is None


def test_an_unknown_task_is_refused_with_those_there_are():
    with pytest.raises(BadInputError, match="center-out, random, grid, webgrid; found 'centre-out'"):
        open_task("centre-out")


@pytest.mark.parametrize(
    ("task", "name", "values"),
    [
        (CenterOut, "directions", NO_WHOLE_NUMBER),
        (CenterOut, "distance_cm", [*NO_NUMBER, 0.0, -1.0, float("nan"), float("inf")]),
        (RandomTarget, "radius_cm", [*NO_NUMBER, 0.0]),
        (RandomTarget, "nearest_cm", [*NO_NUMBER, -1.0]),
        (Grid, "cells", [*NO_WHOLE_NUMBER, 1, 0]),
        (Grid, "hold_s", [*NO_NUMBER, -0.1]),
        (Grid, "timeout_s", [*NO_NUMBER, 0]),
    ],
)
def test_a_task_of_no_sense_is_refused(task, name, values):
    for value in values:
        with pytest.raises(BadInputError, match=f"{name}: expected"):
            task(**{name: value})
