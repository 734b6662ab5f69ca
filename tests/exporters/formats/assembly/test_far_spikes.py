import numpy as np
import pytest

from spikeloop.exporters.formats.assembly.far_spikes import refuse_far_spikes
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.spike_times import Trials, range_of


def test_one_spike_years_after_the_others_is_told(random):
    trains = [np.append(random.uniform(0, 100, 500), 3e7), random.uniform(0, 100, 500)]
    with pytest.raises(BadInputError, match="2 of 1000 parts of 0 to 3e.07 s; is the file damaged.*--stop"):
        refuse_far_spikes(trains, range_of(trains, 0.01, 0.0, None, "x"), 0.01, "x")


def test_a_long_recording_full_of_spikes_is_accepted(random):
    trains = [random.uniform(0, 5e4, 5000)] * 2
    trials = Trials(np.array([0.0]), np.array([50_000_000]))
    refuse_far_spikes(trains, trials, 0.001, "x")
    with pytest.raises(BadInputError, match="is the file damaged"):  # of which most is empty
        refuse_far_spikes([train / 1e4 for train in trains], trials, 0.001, "x")


def test_samples_taken_for_seconds_are_told(random):
    trains = [random.integers(0, 36_000_000, 5000).astype(np.uint64) for _ in range(4)]
    with pytest.raises(BadInputError, match="every 100 s of a unit.*--time-unit '30000 Hz'.*--start and --stop"):
        refuse_far_spikes(trains, range_of(trains, 0.02, 0.0, None, "x"), 0.02, "x")


def test_trials_that_no_memory_holds_are_told(random):
    trains = [random.uniform(0, 1e5, 50_000)] * 300
    trials = Trials(np.linspace(0.0, 1e5, 1000), np.append(np.full(999, 10), 1_000_000))
    with pytest.raises(BadInputError, match="1000 trials of up to 1000000 bins.*--stop.*--time-unit"):
        refuse_far_spikes(trains, trials, 0.001, "x")
