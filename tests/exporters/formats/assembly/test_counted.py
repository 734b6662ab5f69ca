import numpy as np
import pytest

from spikeloop.exporters.formats.assembly.assemble import assemble
from spikeloop.exporters.formats.choices import Choices
from spikeloop.exporters.formats.found import Found, Intervals, SpikeTrains
from spikeloop.models.errors import BadInputError


def in_trials(**more) -> SpikeTrains:
    """Two units in four trials, of which the last has no spike, and of unit 0 the last two have none."""
    trains = [np.array([0.01, 0.03]), np.array([0.011, 0.021, 0.031])]
    return SpikeTrains(trains, [np.array([0, 1]), np.array([0, 2, 1])], 0.0, 0.04, **more)


@pytest.mark.parametrize("units", [None, "0", "1", "0-1"])
def test_trials_without_spikes_are_there_whichever_units_are_chosen(units):
    assert assemble(Found(in_trials(trials=4)), Choices(0.02, units=units)).repeats == 4
    assert assemble(Found(in_trials()), Choices(0.02, units=units)).repeats == 3


def test_chosen_trials_are_counted_in_the_order_asked_for():
    everything = assemble(Found(in_trials(trials=4)), Choices(0.02))
    for asked, numbers in (("2", [2]), ("3,0", [3, 0]), ("1,1,0", [1, 1, 0]), ("all", range(4))):
        chosen = assemble(Found(in_trials(trials=4)), Choices(0.02, trials=asked))
        np.testing.assert_array_equal(chosen.counts, everything.counts[list(numbers)])


def session() -> Found:
    """A unit that fires every 0.1 s in three trials of a second, 10 s apart."""
    times = np.concatenate([begin + np.arange(10) * 0.1 + 0.05 for begin in (0, 10, 20)])
    trials = Intervals(np.array([0.0, 10.0, 20.0]), np.array([1.0, 11.0, 21.0]))
    return Found(SpikeTrains([times], [np.repeat(np.arange(3), 10)]), trials=trials)


def test_start_and_stop_clip_trials_that_have_times_of_their_own():
    recording = assemble(session(), Choices(0.1, start_s=10.5, stop_s=20.3))
    assert recording.lengths == (5, 3)
    assert recording.starts_s == (10.5, 20.0)
    assert recording.counts.sum() == 8
    assert "left out trials 0: not between --start and --stop" in recording.history
    with pytest.raises(BadInputError, match="--start, --stop: expected times in a trial"):
        assemble(session(), Choices(0.1, start_s=5.0, stop_s=6.0))


def test_start_and_stop_clip_each_trial_where_their_clocks_begin_anew():
    times = np.tile(np.arange(10) * 0.1 + 0.05, 2)
    trials = Intervals(np.zeros(2), np.ones(2))
    found = Found(SpikeTrains([times], [np.repeat([0, 1], 10)]), trials=trials)
    recording = assemble(found, Choices(0.1, start_s=0.2, stop_s=0.6))
    assert recording.counts[..., 0].tolist() == [[1, 1, 1, 1]] * 2


def test_trials_that_times_give_are_the_same_for_all_units(random):
    times = np.concatenate([np.sort(random.uniform(begin, begin + 2, 40)) for begin in (0, 50, 100)])
    trial, unit = np.repeat([2, 0, 1], 40), random.integers(0, 20, 120)
    found = Found(SpikeTrains([times[unit == i] for i in range(20)], [trial[unit == i] for i in range(20)]))
    everything, one = (assemble(found, Choices(0.1, units=units)) for units in (None, "3"))
    assert (one.lengths, one.starts_s) == (everything.lengths, everything.starts_s)
    np.testing.assert_array_equal(one.counts[..., 0], everything.counts[..., 3])
    np.testing.assert_allclose(everything.starts_s or (), [50, 100, 0], atol=1)
