"""The share of a session that has passed, as a condition."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.conditioning import with_conditions, with_lead
from spikeloop.models.recordings.cutting import split_where
from spikeloop.models.recordings.recording import Recording, from_counts
from spikeloop.models.recordings.repeats import join_recorded
from spikeloop.models.recordings.session_time import SESSION_TIME, with_session_time
from spikeloop.models.recordings.windows import hold_out
from tests.support.unequal import unequal, with_garbage

lengths = st.lists(st.integers(1, 40), min_size=1, max_size=8)


def times(recording: Recording) -> np.ndarray:
    """The session time of each recorded bin, (bins,)."""
    return join_recorded(with_session_time(recording).conditions, recording.lengths)[:, -1]


@given(lengths)
def test_it_rises_evenly_from_0_to_1_over_all_trials(lengths):
    found = times(unequal(lengths))
    bins = sum(lengths)
    np.testing.assert_allclose(found, (np.arange(bins) + 0.5) / bins, rtol=1e-6)


@given(lengths=lengths, pauses=st.lists(st.floats(0, 100), min_size=8, max_size=8))
def test_by_the_clock_of_the_recording_pauses_count(lengths, pauses):
    starts_s = np.cumsum(np.array(pauses[: len(lengths)]) + 0.02 * np.array([0, *lengths[:-1]]))
    recording = replace(unequal(lengths), starts_s=tuple(starts_s.tolist()))
    found = times(recording)
    assert ((found > 0) & (found < 1)).all()
    assert (np.diff(found) > 0).all()
    whole_s = starts_s[-1] + 0.02 * lengths[-1] - starts_s[0]
    firsts = np.cumsum([0, *lengths[:-1]])
    np.testing.assert_allclose(found[firsts], (starts_s - starts_s[0] + 0.01) / whole_s, atol=1e-6)


def test_of_trials_that_all_begin_at_0_the_order_is_the_time():
    recording = unequal([20, 35, 8])
    np.testing.assert_array_equal(times(replace(recording, starts_s=(0.0, 0.0, 0.0))), times(recording))


def test_it_stands_behind_the_recorded_conditions_and_states_unit_range_and_rest():
    recording = with_garbage(unequal([20, 35, 8]))
    timed = with_session_time(recording)
    assert timed.channels == (*recording.channels, SESSION_TIME)
    assert (SESSION_TIME.low, SESSION_TIME.high, SESSION_TIME.rest) == (0, 1, 0.5)
    np.testing.assert_array_equal(timed.conditions[..., :-1], recording.conditions)
    assert (timed.conditions[..., -1][~timed.recorded] == 0).all()
    bare = with_session_time(from_counts(np.eye(5, 2), 0.02))
    assert bare.channels == (SESSION_TIME,)
    np.testing.assert_allclose(bare.conditions[0, :, 0], [0.1, 0.3, 0.5, 0.7, 0.9])


@pytest.mark.parametrize("starts", [None, 100.0])
def test_held_out_bins_keep_the_time_that_they_had_in_the_whole_session(starts):
    recording = from_counts(np.arange(8000)[:, np.newaxis] % 256, 0.02)
    recording = with_session_time(replace(recording, starts_s=None if starts is None else (starts,)))
    parts = [join_recorded(part.conditions, part.lengths)[:, 0] for part in hold_out(recording, 5)]
    assert len(parts[1]) == 1600
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), recording.conditions[0, :, 0])
    assert parts[1].min() < 0.25
    assert parts[1].max() > 0.99


def test_a_lead_and_bins_that_are_left_out_leave_the_time_of_what_remains():
    recording = with_session_time(from_counts(np.ones((100, 1)), 0.02))
    np.testing.assert_allclose(with_lead(recording, 3).conditions[0, :, 0], (np.arange(97) + 3.5) / 100)
    kept = np.arange(100)[np.newaxis] >= 60
    np.testing.assert_allclose(split_where(recording, kept).conditions[0, :, 0], (np.arange(60, 100) + 0.5) / 100)


def test_a_condition_of_its_name_is_not_hidden():
    taken = with_conditions(from_counts(np.ones((9, 1)), 0.02), np.ones((9, 1)), ["session time"])
    with pytest.raises(BadInputError, match="expected conditions of other names, found session time; rename it"):
        with_session_time(taken)
