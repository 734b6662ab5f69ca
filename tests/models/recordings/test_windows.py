"""Windows of repeats of unequal length: inside what was recorded, and of all of it about equally often."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.cutting import part_of
from spikeloop.models.recordings.recording import Recording, from_counts
from spikeloop.models.recordings.windows import (
    count_short,
    cut_conditions,
    cut_windows,
    hold_out,
    holds_out_repeats,
    long_enough,
    random_blocks,
    random_window_count,
    random_windows,
    stretches_held_out,
)
from tests.support.unequal import unequal, with_garbage

unequal_lengths = st.lists(st.integers(1, 60), min_size=2, max_size=30).filter(lambda found: len(set(found)) > 1)


def stamped(lengths) -> Recording:
    """Each bin's counts are its repeat, its number and 1; behind the end of a repeat they are 255."""
    repeats, bins = len(lengths), max(lengths)
    stamp = np.stack(np.broadcast_arrays(np.arange(repeats)[:, None], np.arange(bins), 1), axis=2)
    return with_garbage(replace(from_counts(stamp, 0.02), lengths=tuple(lengths)))


@given(lengths=unequal_lengths, window=st.integers(1, 12))
def test_windows_are_those_of_the_repeats_one_by_one(lengths, window):
    recording = unequal(lengths)
    if window > max(lengths):
        with pytest.raises(BadInputError, match="expected repeats of at least"):
            cut_windows(recording, window)
        return
    alone = [part_of(recording, slice(i, i + 1)) for i in range(len(lengths)) if lengths[i] >= window]
    garbage = with_garbage(recording)
    np.testing.assert_array_equal(
        cut_windows(garbage, window), np.concatenate([cut_windows(one, window) for one in alone])
    )
    np.testing.assert_array_equal(
        cut_conditions(garbage, window), np.concatenate([cut_conditions(one, window) for one in alone])
    )
    assert count_short(recording, window) == len(lengths) - len(alone)
    assert long_enough(recording, window).repeats == len(alone)


@given(lengths=unequal_lengths, window=st.integers(1, 12), seed=st.integers(0, 99))
def test_random_windows_run_on_inside_one_repeat(lengths, window, seed):
    recording = stamped(lengths)
    random = np.random.Generator(np.random.Philox(seed))
    if window > max(lengths):
        with pytest.raises(BadInputError, match="expected repeats of at least"):
            random_windows(recording, window, random)
        return
    blocks = random_blocks(recording, window, random)
    for block in blocks:
        assert len(np.unique(block[..., 0])) == 1  # the repeat
        assert (np.diff(block[..., 1].astype(int), axis=1) == 1).all()
        assert (block[..., 2] == 1).all()
    assert sum(map(len, blocks)) == random_window_count(recording, window) == len(cut_windows(recording, window))
    again = random_windows(recording, window, np.random.Generator(np.random.Philox(seed)))
    np.testing.assert_array_equal(again[:, 0], np.concatenate(blocks))


@pytest.mark.parametrize("lengths", [[32, 63, 64, 100, 31, 250], [40] * 10 + [79] * 10, [250, 100, 45, 20]])
def test_bins_of_short_and_long_repeats_are_drawn_about_alike(lengths, random):
    recording, covered = stamped(lengths), np.zeros((len(lengths), max(lengths)))
    for _ in range(3000):
        drawn = np.concatenate(random_blocks(recording, 32, random))
        np.add.at(covered, (drawn[..., 0].ravel(), drawn[..., 1].ravel()), 1)
    usual = [covered[i, :bins].mean() for i, bins in enumerate(lengths) if bins >= 32]
    np.testing.assert_allclose(usual, np.mean(usual), rtol=0.1)
    assert covered[[bins < 32 for bins in lengths]].sum() == 0


@given(lengths=st.lists(st.integers(30, 60), min_size=5, max_size=30).filter(lambda found: len(set(found)) > 1))
def test_every_nth_repeat_is_held_out_of_trials_of_alike_lengths(lengths):
    recording = unequal(lengths)
    training, held_out = hold_out(recording, 5)
    held = [number % 5 == 4 for number in range(len(lengths))]
    assert held_out.bins_of_repeats.tolist() == [bins for bins, out in zip(lengths, held, strict=True) if out]
    assert training.recorded_bins + held_out.recorded_bins == recording.recorded_bins


@pytest.mark.parametrize("lengths", [[100, 40, 3], [1000, 30, 30, 50, 20, 900], [50, 50, 50, 50, 1000]])
def test_of_few_or_very_uneven_repeats_the_last_part_of_each_is_held_out(lengths):
    recording = unequal(lengths)
    assert not holds_out_repeats(recording, 5)
    training, held_out = hold_out(with_garbage(recording), 5)
    assert training.bins_of_repeats.tolist() == [bins - bins // 5 for bins in lengths]
    assert held_out.bins_of_repeats.tolist() == [bins // 5 for bins in lengths if bins >= 5]
    longest = int(np.argmax(lengths))
    np.testing.assert_array_equal(
        held_out.counts[longest if lengths[0] >= 5 else 0, : lengths[longest] // 5],
        recording.counts[longest, lengths[longest] - lengths[longest] // 5 : lengths[longest]],
    )


@given(bins=st.integers(5, 9000), every=st.integers(2, 10), stretches=st.integers(1, 6))
def test_of_a_continuous_recording_parts_spread_over_time_are_held_out(bins, every, stretches):
    assume(bins >= every)
    recording = from_counts(np.stack(np.divmod(np.arange(bins), 100), axis=1), 0.02)
    training, held_out = hold_out(recording, every, stretches)
    assert training.recorded_bins + held_out.recorded_bins == bins
    parts = held_out.repeats
    assert parts == stretches_held_out(recording, every, stretches) <= stretches
    assert parts == 1 or held_out.bins_of_repeats.min() >= 256
    assert held_out.recorded_bins == pytest.approx(bins / every, abs=parts)
    firsts = held_out.counts[:, 0] @ np.array([100, 1])
    np.testing.assert_allclose(firsts, (np.arange(parts) + 1 - 1 / every) * bins / parts, atol=2)


def test_repeats_too_short_to_hold_out_a_part_are_refused():
    with pytest.raises(BadInputError, match="expected at least 5 bins, to hold out one in 5, found 4"):
        hold_out(unequal([4, 3]), 5)
