import numpy as np
import pytest

from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.trial_ids import trials_of_ids


@pytest.mark.parametrize(
    ("ids", "trial", "trials", "told"),
    [
        ([0, 1, 1, 3], [0, 1, 1, 3], 4, "0 to 3 are trials 0 to 3, of which 1 has no spike"),
        ([2, 0, 1], [2, 0, 1], 3, ""),
        ([1.0, 4.0, 2.0], [0, 3, 1], 4, "1 to 4 are trials 0 to 3, of which 1 has no spike"),
        ([7, 900, 7, 40], [0, 2, 0, 1], 3, "7 to 900 are trials 0 to 2, in this order"),
        (["left", "right", "left"], [0, 1, 0], 2, "left to right are trials 0 to 1, in this order"),
        ([0, 2**62], [0, 1], 2, f"0 to {2**62} are trials 0 to 1, in this order"),
        ([0.5, 0.25], [1, 0], 2, "0.25 to 0.5 are trials 0 to 1, in this order"),
    ],
)
def test_numbers_keep_their_place_and_labels_are_sorted(ids, trial, trials, told):
    found, number, said = trials_of_ids(np.array(ids))
    assert (found.tolist(), number, said) == (trial, trials, told)


def test_a_recording_of_spike_times_keeps_trials_without_spikes():
    recording = Recording.from_spike_times([0.1, 0.2, 0.3], [1, 1, 1], 0.1, trials=[0, 1, 3])
    assert recording.counts.sum(axis=(1, 2)).tolist() == [1, 1, 0, 1]
