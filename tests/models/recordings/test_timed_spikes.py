from dataclasses import replace

import numpy as np
import pytest

from spikeloop.models.recordings.cutting import part_of, split_where
from spikeloop.models.recordings.rebinning import rebinned
from spikeloop.models.recordings.recording import Recording, from_counts
from spikeloop.models.recordings.spike_times import Trials
from spikeloop.models.recordings.timed_spikes import SpikeTimes, fits_counts, of_units, spikes_by_unit
from tests.support.generated import with_own_times


@pytest.fixture
def recording(random):
    return with_own_times(from_counts(random.integers(0, 4, (3, 20, 4)), 0.02), random)


def _counted_again(recording: Recording) -> np.ndarray:
    """Count the own times in the recording's bins, by the reader of spike times."""
    assert recording.spike_times is not None
    assert recording.starts_s is not None
    starts, stops = np.array(recording.starts_s), recording.bins_of_repeats * recording.bin_size_s
    trains = spikes_by_unit(recording.spike_times, recording.units)
    trials = Trials.between(starts, starts + stops, recording.bin_size_s, "again")
    return Recording.from_trains(trains, recording.bin_size_s, trials).counts


@pytest.mark.parametrize(
    "cut",
    [
        lambda whole: part_of(whole, slice(1, 3)),
        lambda whole: part_of(whole, np.array([2, 0])),
        lambda whole: part_of(whole, bins=slice(3, 11)),
        lambda whole: split_where(whole, np.arange(20) % 7 != np.array([[2], [3], [6]])),
        lambda whole: part_of(split_where(whole, np.arange(20) != np.array([[2], [3], [6]])), bins=slice(1, 9)),
        lambda whole: rebinned(whole, 3),
    ],
)
def test_the_own_times_of_a_part_are_those_of_its_counts(cut, recording):
    part = cut(recording)
    assert fits_counts(part.spike_times, part.counts)
    np.testing.assert_array_equal(_counted_again(part), part.counts)


def test_times_that_are_not_those_of_the_counts_do_not_fit(recording):
    times, counts = recording.spike_times, recording.counts
    assert fits_counts(times, counts)
    other = times.units.copy()
    other[0] = (other[0] + 1) % 4
    for wrong in (
        SpikeTimes(other, times.times_s),
        SpikeTimes(times.units[1:], times.times_s[1:]),
        SpikeTimes(times.units, times.times_s[1:]),
        SpikeTimes(np.where(times.units == 3, 4, times.units), times.times_s),
        SpikeTimes(times.units, np.where(np.arange(len(other)) == 5, np.nan, times.times_s)),
    ):
        assert not fits_counts(wrong, counts)


def test_units_are_chosen_and_numbered_anew(recording):
    chosen = of_units(recording.spike_times, np.array([3, 1]), 4)
    assert fits_counts(chosen, recording.counts[..., [3, 1]])


def test_neo_gets_the_own_times(recording):
    block = replace(recording, name="own").to_neo()
    trains = spikes_by_unit(recording.spike_times, recording.units)
    for number, train in enumerate(trains):
        found = np.concatenate([segment.spiketrains[number].magnitude for segment in block.segments])
        np.testing.assert_array_equal(found, train)
