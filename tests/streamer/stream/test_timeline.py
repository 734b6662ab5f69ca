import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.streamer.stream.step import beginning, spike_places
from spikeloop.streamer.stream.timeline import Timeline

FIELDS = ("counts", "conditions", "stamps_s", "event_units", "event_stamps_s")
some_counts = hnp.arrays(
    np.uint8, st.tuples(st.integers(1, 30), st.integers(1, 5)), elements=st.sampled_from([0, 0, 0, 1, 2, 255])
)


def timeline() -> Timeline:
    return Timeline(17.3, 0.001, random_stream(1, Purpose.EVENT_TIMES))


def conditions_of(counts: np.ndarray) -> np.ndarray:
    return np.arange(len(counts), dtype=np.float32)[:, np.newaxis]


@given(some_counts, st.integers(1, 40))
def test_steps_hold_what_one_call_for_each_step_gives(counts, step_bins):
    conditions, one_by_one = conditions_of(counts), timeline()
    steps = timeline().steps(1000, counts, conditions, step_bins)
    assert [step.first_bin for step in steps] == list(range(1000, 1000 + len(counts), step_bins))
    for step in steps:
        bins = slice(step.first_bin - 1000, step.first_bin - 1000 + step_bins)
        alone = one_by_one.step(step.first_bin, counts[bins], conditions[bins])
        for field in FIELDS:
            np.testing.assert_array_equal(getattr(step, field), getattr(alone, field))


@given(some_counts, st.integers(1, 40))
def test_each_step_has_its_own_spikes_inside_their_bins(counts, step_bins):
    for step in timeline().steps(0, counts, conditions_of(counts), step_bins):
        ends_s = np.repeat(step.stamps_s, step.counts.sum(axis=1, dtype=int))
        assert np.all((step.event_stamps_s <= ends_s) & (step.event_stamps_s >= ends_s - 0.0010001))
        np.testing.assert_array_equal(
            np.bincount(step.event_units, minlength=counts.shape[1]), step.counts.sum(axis=0, dtype=int)
        )
        assert step.activity == step.counts.sum(dtype=int)


@given(some_counts)
def test_the_places_of_spikes_are_numpys_in_its_order(counts):
    bins, units = np.nonzero(counts)
    expected = bins.repeat(counts[bins, units]), units.repeat(counts[bins, units])
    np.testing.assert_array_equal(spike_places(counts), expected)


@pytest.mark.parametrize("bins", [1, 7, 20, 50])
def test_the_beginning_of_a_step_is_a_shorter_step(random, bins):
    counts = random.integers(0, 3, (20, 4)).astype(np.uint8)
    found = beginning(timeline().step(5, counts, conditions_of(counts)), bins)
    (expected, *_) = timeline().steps(5, counts, conditions_of(counts), bins)
    assert found.first_bin == 5
    for field in FIELDS:
        np.testing.assert_array_equal(getattr(found, field), getattr(expected, field))


def test_fluorescence_has_no_spikes_and_keeps_its_values():
    values = np.full((4, 3), 0.5, np.float32)
    step = timeline().step(0, values, conditions_of(values))  # type: ignore[arg-type]
    assert len(step.event_units) == 0
    assert step.activity == 6.0
    np.testing.assert_array_equal(beginning(step, 3).counts, values[:3])
