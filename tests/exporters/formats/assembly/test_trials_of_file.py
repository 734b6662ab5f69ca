import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.exporters.formats.assembly.assemble import assemble
from spikeloop.exporters.formats.choices import Choices
from spikeloop.exporters.formats.found import Binned, Found, Intervals, Series, SpikeTrains
from spikeloop.models.errors import BadInputError


def numbered(bins: int = 10, **more) -> Found:
    """Counts that say in which bin they are."""
    return Found(Binned(np.arange(bins)[:, np.newaxis].astype(float), starts_s=np.zeros(1)), **more)


def intervals(*ends: tuple[float, float]) -> Intervals:
    return Intervals(*np.array(ends).T)


def test_a_bin_belongs_to_the_trial_that_holds_all_of_it():
    recording = assemble(numbered(trials=intervals((0.05, 0.35), (0.5, 0.7))), Choices(0.1, trials="all"))
    assert recording.counts[..., 0].tolist() == [[1, 2], [5, 6]]
    assert recording.starts_s == pytest.approx((0.1, 0.5))


@given(start=st.floats(0, 9), duration=st.floats(0, 5), begin=st.sampled_from([0.0, 0.3, 100.0]))
def test_no_bin_reaches_beyond_its_trial(start, duration, begin):
    found = Found(
        Binned(np.arange(20)[:, np.newaxis], 1.0, np.array([begin])),
        trials=intervals((begin, begin + 20), (begin + start, begin + start + duration)),
    )
    recording = assemble(found, Choices(trials="all"))
    bins = recording.bins_of_repeats
    inside = [k for k in range(20) if start - 1e-9 <= k and k + 1 <= start + duration + 1e-9]
    assert bins[0] == 20
    assert ([] if recording.repeats == 1 else recording.counts[1, : bins[1], 0].tolist()) == inside


def test_trials_are_cut_where_bins_inside_were_not_recorded():
    counts = np.arange(20.0)[:, np.newaxis]
    counts[8:10] = np.nan
    trials = intervals((0.0, 0.5), (0.6, 1.4), (0.8, 1.0), (1.5, 2.0))
    recording = assemble(Found(Binned(counts), trials=trials), Choices(0.1, trials="all"))
    kept = [recording.counts[i, :bins, 0].tolist() for i, bins in enumerate(recording.bins_of_repeats)]
    assert kept == [[0, 1, 2, 3, 4], [6, 7], [10, 11, 12, 13], [15, 16, 17, 18, 19]]
    assert "left out trials 2: no whole bin of them was recorded" in recording.history


def test_a_stretch_of_time_is_kept_of_counts_with_a_gap():
    counts = np.arange(20.0)[:, np.newaxis]
    counts[8:10] = np.nan
    recording = assemble(Found(Binned(counts)), Choices(0.1, start_s=0.6, stop_s=1.2))
    assert recording.counts[..., 0].tolist() == [[6, 7], [10, 11]]


def test_what_is_left_out_is_said_with_the_files_own_numbers():
    trials = intervals((-5.0, -4.0), (0.1, 0.4), (np.nan, 0.4), (0.5, 0.9), (7.0, 9.0))
    recording = assemble(numbered(trials=trials), Choices(0.1, trials="all"))
    assert recording.counts[..., 0].tolist() == [[1, 2, 3, 0], [5, 6, 7, 8]]
    assert recording.history == (
        "left out trials 2: nothing says when they were",
        "left out trials 0, 4: not inside the recording",
        "cut into 2 trials of the file",
    )
    with pytest.raises(BadInputError, match="none of 2; see inspect .left out trials 0, 4: not inside the recording"):
        assemble(numbered(trials=trials), Choices(0.1, trials="0,4"))
    within = assemble(numbered(trials=trials), Choices(0.1, trials="1-4", start_s=0.45))
    assert "left out trials 1: not between --start and --stop" in within.history


def test_a_trial_that_is_too_short_is_refused_by_its_number_in_the_file():
    spikes = SpikeTrains([np.arange(0.05, 10, 0.1)])
    trials = intervals((np.nan, 1.0), (1.0, 2.0), (3.0, 3.05))
    with pytest.raises(BadInputError, match="found trial 2 from 3 to 3.05 s"):
        assemble(Found(spikes, trials=trials), Choices(0.1, trials="all"))


def test_trials_of_nan_are_left_out_and_said(random):
    counts = random.integers(0, 3, (4, 10, 2)).astype(float)
    counts[1] = np.nan
    recording = assemble(Found(Binned(counts)), Choices(0.1))
    np.testing.assert_array_equal(recording.counts, counts[[0, 2, 3]])
    assert recording.history == ("left out trials 1: nothing was recorded in them",)


def test_conditions_are_cut_with_the_counts():
    series = Series(np.arange(10.0)[:, np.newaxis], None, ("x",), ("",))
    found = numbered(trials=intervals((0.0, 0.3), (0.55, 0.9)), series=(series,))
    recording = assemble(found, Choices(0.1, trials="all"))
    np.testing.assert_array_equal(recording.conditions, recording.counts)
    assert recording.lengths is None


def test_trials_of_which_nothing_was_recorded_are_refused():
    counts = np.ones((3, 10, 2))
    counts[1] = np.nan
    with pytest.raises(BadInputError, match="found no recorded bin in trials 1; choose others with --trials"):
        assemble(Found(Binned(counts)), Choices(0.1, trials="1"))
    with pytest.raises(BadInputError, match="expected counts, found no recorded bin$"):
        assemble(Found(Binned(np.full((3, 10, 2), np.nan))), Choices(0.1))
