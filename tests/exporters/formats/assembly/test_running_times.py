import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.exporters.formats.assembly.running_times import trials_by_times


@given(seed=st.integers(0, 999), trials=st.integers(2, 8), spikes=st.integers(8, 40))
def test_times_of_one_clock_are_told_from_those_of_each_trial(seed, trials, spikes):
    random = np.random.default_rng(seed)
    within, trial = random.uniform(0, 2, trials * spikes), np.repeat(np.arange(trials), spikes)
    order = random.permutation(trials)
    on_one_clock = within + 2 * order[trial]
    found = trials_by_times([on_one_clock], [trial], trials, 0.1)
    assert found is not None
    for number in range(trials):
        times = on_one_clock[trial == number]
        assert found.starts_s[number] <= times.min() + 1e-6
        assert times.max() < found.stops_s[number] + 1e-6
        assert found.stops_s[number] - found.starts_s[number] <= np.ptp(times) + 0.2 + 1e-6
    assert trials_by_times([within], [trial], trials, 0.1) is None


def test_so_few_spikes_that_lie_apart_by_chance_are_no_evidence():
    times = np.array([0.1, 0.2, 0.5, 0.6])
    assert trials_by_times([times], [np.array([0, 0, 1, 1])], 2, 0.1) is None
    assert trials_by_times([times], [np.array([0, 1, 2, 3])], 4, 0.1) is None


def test_nothing_says_when_a_trial_without_spikes_was():
    found = trials_by_times([np.arange(40.0)], [np.repeat([0, 2], 20)], 3, 1.0)
    assert found is not None
    assert np.isnan(found.starts_s).tolist() == [False, True, False]
