import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.streamer.closedloop.experiment.tasks import CenterOut, Grid, Target
from spikeloop.streamer.closedloop.experiment.trials import TrialMachine
from tests.support.loop_parts import BIN_S

EAST = Target((8.0, 0.0), 3.0)
IN, OUT = (8.0, 0.5), (4.0, 0.0)
CELL, OTHER, LIT = (-10.0, -10.0), (-6.0, -10.0), (10.0, 10.0)
QUICK = Grid(hold_s=0.1, timeout_s=2.0)
LIT_CELL = Target(LIT, 4.0)


def run(task, target, positions, bin_size_s=BIN_S):
    """A trial over these positions, one a bin from bin 0 on; and what was shown and stood on after each."""
    machine = TrialMachine(task, target, bin_size_s, index=3)
    states = []
    for bin_, position in enumerate(positions):
        if machine.outcome is not None:
            break
        told = machine.step(bin_, np.array(position, float))
        assert told == [each for each in machine.events if each.bin == bin_]
        states.append((machine.shown, machine.on_target))
    assert {each.trial for each in machine.events} <= {3}
    return machine, states


def story(machine):
    return [(each.bin, each.kind) for each in machine.events]


@pytest.mark.parametrize(("pause_s", "pause_bins"), [(0.5, 25), (0.45, 23), (0.02, 1), (0.0, 1)])
def test_the_target_appears_when_the_pause_is_over(pause_s, pause_bins):
    machine, states = run(CenterOut(pause_s=pause_s), EAST, [OUT] * 40)
    assert story(machine) == [(pause_bins - 1, "target")]
    assert [shown for shown, _ in states] == [None] * (pause_bins - 1) + [EAST] * (40 - pause_bins + 1)


@pytest.mark.parametrize(("hold_s", "hold_bins"), [(0.5, 25), (0.45, 23), (0.14, 7), (0.02, 1), (0.001, 1), (0.0, 0)])
def test_success_is_exactly_a_hold_after_the_entry(hold_s, hold_bins):
    task = CenterOut(pause_s=0.0, hold_s=hold_s)
    machine, _ = run(task, EAST, [OUT] * 10 + [IN] * 100)
    assert story(machine) == [(0, "target"), (10, "enter"), (10 + hold_bins, "success")]
    assert machine.outcome == "success"
    assert machine.shown is None


def test_a_bin_less_than_the_hold_is_not_enough():
    task = CenterOut(pause_s=0.0, hold_s=0.1)
    machine, _ = run(task, EAST, [OUT, *[IN] * 5, OUT, OUT])
    assert story(machine) == [(0, "target"), (1, "enter"), (6, "leave")]


def test_leaving_begins_the_hold_anew():
    task = CenterOut(pause_s=0.0, hold_s=0.1)
    machine, states = run(task, EAST, [OUT, *[IN] * 5, OUT, *[IN] * 20])
    assert story(machine) == [(0, "target"), (1, "enter"), (6, "leave"), (7, "enter"), (12, "success")]
    assert [on for _, on in states] == [False, *[True] * 5, False, *[True] * 5, False]


def test_a_trial_times_out_to_the_bin():
    machine, states = run(CenterOut(pause_s=0.1, timeout_s=2.0), EAST, [OUT] * 200)
    assert story(machine) == [(4, "target"), (104, "timeout")]
    assert states[-2] == (EAST, False)
    assert states[-1] == (None, False)


def test_a_hold_that_is_complete_with_the_timeout_counts():
    task = CenterOut(pause_s=0.0, hold_s=0.1, timeout_s=0.2)
    complete, _ = run(task, EAST, [*[OUT] * 5, *[IN] * 20])
    late, _ = run(task, EAST, [*[OUT] * 6, *[IN] * 20])
    assert story(complete)[-1] == (10, "success")
    assert story(late)[-1] == (10, "timeout")


def test_a_target_that_appears_under_the_cursor_is_held_from_then_on():
    machine, states = run(CenterOut(pause_s=0.1, hold_s=0.1), EAST, [IN] * 50)
    assert story(machine) == [(4, "target"), (9, "success")]
    assert [on for _, on in states] == [False] * 4 + [True] * 5 + [False]
    assert machine.appeared_on


def test_where_the_cursor_stood_when_the_target_appeared_is_remembered():
    task = CenterOut(pause_s=0.1, hold_s=0.1)
    left, _ = run(task, EAST, [*[OUT] * 4, *[IN] * 3, *[OUT] * 5])
    entered, _ = run(task, EAST, [*[IN] * 4, OUT, *[IN] * 20])
    cell, _ = run(QUICK, LIT_CELL, [CELL, *[LIT] * 10])
    assert story(left) == [(4, "target"), (7, "leave")]
    assert left.appeared_on
    assert not entered.appeared_on
    assert not cell.appeared_on


@given(
    bin_size_s=st.sampled_from([0.001, 0.005, 0.01, 0.02, 0.025, 0.03, 0.1]),
    bins=st.tuples(st.integers(1, 30), st.integers(1, 100), st.integers(101, 200)),
    short=st.floats(0, 0.999),
)
def test_times_that_are_no_whole_bins_last_to_the_end_of_their_last_one(bin_size_s, bins, short):
    pause, hold, timeout = bins
    pause_s, hold_s, timeout_s = ((each - short) * bin_size_s for each in bins)
    task = CenterOut(pause_s=pause_s, hold_s=hold_s, timeout_s=timeout_s)
    held, _ = run(task, EAST, [*[OUT] * pause, *[IN] * 200], bin_size_s)
    missed, _ = run(task, EAST, [OUT] * 300, bin_size_s)
    assert story(held) == [(pause - 1, "target"), (pause, "enter"), (pause + hold, "success")]
    assert story(missed) == [(pause - 1, "target"), (pause - 1 + timeout, "timeout")]


def test_a_trial_can_be_given_up_at_any_time():
    for bins in (0, 3, 30):
        machine, _ = run(CenterOut(), EAST, [OUT] * bins)
        machine.give_up(bins)
        assert machine.outcome == "lost"
        assert machine.shown is None
        assert story(machine)[-1] == (bins, "lost")


def test_staying_on_a_wrong_cell_selects_it():
    machine, _ = run(QUICK, LIT_CELL, [CELL, CELL, *[OTHER] * 20])
    assert story(machine) == [(0, "target"), (7, "wrong")]
    assert machine.outcome == "wrong"


def test_the_cell_under_the_cursor_when_a_target_appears_is_not_selected_until_it_was_left():
    machine, _ = run(QUICK, LIT_CELL, [*[CELL] * 30, OTHER, *[CELL] * 20])
    assert story(machine) == [(0, "target"), (36, "wrong")]


def test_the_cell_under_the_cursor_is_selected_where_it_is_lit():
    machine, _ = run(QUICK, LIT_CELL, [LIT] * 20)
    assert story(machine) == [(0, "target"), (5, "success")]


def test_crossing_cells_selects_none_of_them():
    machine, _ = run(QUICK, LIT_CELL, [*[CELL] * 5, *[OTHER] * 5, *[CELL] * 5, *[OTHER] * 5, *[LIT] * 6])
    assert story(machine) == [(0, "target"), (20, "enter"), (25, "success")]


def told_by_the_rules(on, wanted, pause, hold, timeout):
    """What happens when the cursor stands on these regions, one a bin, by the task's description."""
    appears = pause - 1
    events = [(appears, "target")]
    for bin_ in range(appears + 1, len(on)):
        if on[bin_ - 1] == wanted != on[bin_]:
            events.append((bin_, "leave"))
        if on[bin_ - 1] != wanted == on[bin_]:
            events.append((bin_, "enter"))
        since = bin_ - hold
        stood = since >= appears and len(set(on[since : bin_ + 1])) == 1 and on[bin_] is not None
        fresh = on[bin_] == wanted or any(each != on[appears] for each in on[appears : bin_ + 1])
        if stood and fresh:
            return [*events, (bin_, "success" if on[bin_] == wanted else "wrong")]
        if bin_ == appears + timeout:
            return [*events, (bin_, "timeout")]
    return events


walks = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 9)), min_size=1, max_size=12).map(
    lambda stays: [place for place, bins in stays for _ in range(bins)]
)


@given(walk=walks, pause=st.integers(1, 4), hold=st.integers(1, 6), timeout=st.integers(1, 40))
def test_any_walk_over_a_grid_is_told_by_the_rules(walk, pause, hold, timeout):
    task = Grid(hold_s=hold * BIN_S, timeout_s=timeout * BIN_S, pause_s=pause * BIN_S)
    walk = [0] * pause + walk
    machine, _ = run(task, LIT_CELL, [(CELL, OTHER, LIT)[each] for each in walk])
    assert story(machine) == told_by_the_rules(walk, 2, pause, hold, timeout)


@given(walk=walks, pause=st.integers(1, 4), hold=st.integers(1, 6), timeout=st.integers(1, 40))
def test_any_walk_in_and_out_of_a_disc_is_told_by_the_rules(walk, pause, hold, timeout):
    task = CenterOut(hold_s=hold * BIN_S, timeout_s=timeout * BIN_S, pause_s=pause * BIN_S)
    walk = [0] * pause + walk
    machine, states = run(task, EAST, [(OUT, IN, IN)[each] for each in walk])
    on = ["target" if each else None for each in walk]
    assert story(machine) == told_by_the_rules(on, "target", pause, hold, timeout)
    assert [each for _, each in states] == [
        shown is not None and here is not None for (shown, _), here in zip(states, on, strict=False)
    ]


def clicked(positions, at):
    """A trial of a grid by click, over these positions, one a bin, with a click at a place after the last."""
    machine = TrialMachine(QUICK, LIT_CELL, BIN_S, index=3, by_click=True)
    for bin_, position in enumerate(positions):
        machine.step(bin_, np.array(position, float))
    return machine, [each.kind for each in machine.click(len(positions) - 1, np.array(at, float))]


def test_a_click_selects_what_is_at_its_place_and_staying_selects_nothing():
    assert clicked([OTHER] * 50, LIT)[1] == ["success"]
    assert clicked([LIT] * 50, OTHER)[1] == ["wrong"]
    machine, _ = clicked([LIT] * 50, LIT)
    assert (machine.outcome, machine.shown) == ("success", None)


def test_a_click_before_the_target_appears_or_where_holding_selects_does_nothing():
    assert clicked([], LIT)[1] == []
    machine, _ = run(QUICK, LIT_CELL, [OTHER, LIT])
    assert machine.click(1, np.array(LIT)) == []
    assert machine.outcome is None


def test_a_trial_that_is_not_clicked_times_out():
    machine, _ = clicked([OTHER] * 101, LIT)
    assert machine.outcome == "timeout"
