from dataclasses import replace

import numpy as np
import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.conditioning import with_conditions, with_phase
from spikeloop.models.recordings.cutting import split_where
from spikeloop.models.recordings.rebinning import rebinned
from spikeloop.models.recordings.recording import Recording


def recorded(random, repeats: int = 1, bins: int = 23) -> Recording:
    counts = random.integers(0, 5, (repeats, bins, 3))
    recording = Recording.from_counts(counts, 0.001)
    return with_conditions(recording, random.standard_normal((repeats, bins, 2)), ("x", "y"))


def test_counts_are_summed_and_conditions_averaged(random):
    recording = replace(recorded(random), starts_s=(1.5,))
    joined = rebinned(recording, 5)
    np.testing.assert_array_equal(joined.counts[0], recording.counts[0, :20].reshape(4, 5, 3).sum(axis=1))
    np.testing.assert_allclose(
        joined.conditions[0], recording.conditions[0, :20].reshape(4, 5, 2).mean(axis=1), rtol=1e-6
    )
    assert (joined.bin_size_s, joined.starts_s) == (pytest.approx(0.005), (1.5,))
    assert joined.history[-1] == "joined each 5 bins of 1 ms"
    assert rebinned(recording, 1) is recording


def test_no_bin_reaches_from_one_trial_into_the_next(random):
    recording = split_where(recorded(random, bins=40), np.isin(np.arange(40), [7, 8, 30], invert=True)[np.newaxis])
    assert recording.lengths == (7, 21, 9)
    joined = rebinned(recording, 3)
    assert joined.lengths == (2, 7, 3)
    for trial, bins in enumerate((2, 7, 3)):
        of_trial = recording.counts[trial, : bins * 3].reshape(bins, 3, 3).sum(axis=1)
        np.testing.assert_array_equal(joined.counts[trial, :bins], of_trial)
        assert not joined.counts[trial, bins:].any()
    assert rebinned(recording, 8).lengths == (2, 1)


def test_fluorescence_is_averaged(random):
    recording = Recording.from_fluorescence(random.uniform(0, 1, (10, 2)), 0.1)
    np.testing.assert_allclose(
        rebinned(recording, 2).counts[0], recording.counts[0].reshape(5, 2, 2).mean(axis=1), rtol=1e-6
    )


@pytest.mark.parametrize(
    ("recording", "factor", "message"),
    [
        (Recording.from_counts(np.ones((5, 2)), 0.1), 6, "repeats of at least 6 bins, found 5"),
        (Recording.from_counts(np.full((5, 2), 200), 0.1), 2, "at most 255 spikes of a unit in a bin, found 400"),
        (with_phase(Recording.from_counts(np.ones((2, 6, 1)), 0.1)), 2, "the condition phase counts bins"),
    ],
)
def test_what_cannot_be_joined_is_refused(recording, factor, message):
    with pytest.raises(BadInputError, match=message):
        rebinned(recording, factor)
