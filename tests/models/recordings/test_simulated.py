import numpy as np
import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.simulated import correlated_groups, packets


def test_the_same_seed_gives_the_same_population_and_another_one_does_not():
    one, same, other = (correlated_groups(windows=20, seed=seed).counts for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    np.testing.assert_array_equal(packets(20, seed=3).recording.counts, packets(20, seed=3).recording.counts)


def test_units_are_correlated_inside_their_groups_only():
    counts = correlated_groups(windows=2000, units=8, group_size=2, spike_probability=0.1, seed=1).counts
    correlation = np.corrcoef(counts.reshape(-1, 8).T) - np.eye(8)
    partner = correlation.argmax(axis=1)
    np.testing.assert_array_equal(partner[partner], np.arange(8))  # partners are mutual
    inside = correlation[np.arange(8), partner]
    correlation[np.arange(8), partner] = 0
    assert inside.min() > 0.1
    assert np.abs(correlation).max() < 0.02


def test_refractoriness_thins_short_intervals_as_far_as_it_reaches():
    trains = correlated_groups(windows=3000, units=2, group_size=1, spike_probability=0.2, refractory_bins=3.0).counts
    free = correlated_groups(windows=3000, units=2, group_size=1, spike_probability=0.2, refractory_bins=0.0).counts

    def conditional_rate(counts: np.ndarray, lag: int) -> float:
        """Probability of a spike `lag` bins after another, over the mean probability."""
        return (counts[:, lag:] & counts[:, :-lag]).mean() / counts.mean(axis=(0, 1)).dot(counts.mean(axis=(0, 1))) * 2

    assert conditional_rate(trains, 1) < 0.4 < 0.9 < conditional_rate(free, 1)
    assert conditional_rate(trains, 1) < conditional_rate(trains, 3) < conditional_rate(trains, 25)


def test_a_windows_start_is_like_its_middle():
    counts = correlated_groups(
        windows=4000, units=2, group_size=1, correlation=0, spike_probability=0.1, refractory_bins=3.0
    ).counts
    rates = counts.mean(axis=(0, 2))
    assert abs(rates[:8].mean() / rates[-64:].mean() - 1) < 0.05


def test_rates_and_correlations_vary_over_groups_as_published():
    counts = correlated_groups(windows=4000, units=16, group_size=2, spike_probability=0.05, refractory_bins=0).counts
    rates = counts.mean(axis=(0, 1))
    assert 0.024 < rates.min() < 0.04 < 0.06 < rates.max() < 0.076


@pytest.mark.parametrize("modes", [1, 2])
def test_packets_are_planted_in_the_recording_in_their_order(modes):
    truth = packets(300, modes=modes, seed=5)
    spikes = truth.recording.counts.astype(bool)
    assert truth.recording.counts.shape == (300, 32, 32)
    assert np.all(spikes[truth.packet_spikes])
    assert spikes.sum() > truth.packet_spikes.sum()  # there is a background
    window, onset, _ = truth.onsets[0]
    planted = truth.packet_spikes[window, onset : onset + 8]
    assert planted.any(axis=1).all()  # one unit a bin, without jitter
    if modes == 1:
        assert not truth.reversed_mode.any()
        per_group = [truth.onsets[(truth.onsets[:, 0] == w) & (truth.onsets[:, 2] == 0), 1] for w in range(300)]
        gaps = np.concatenate([np.diff(np.sort(onsets)) for onsets in per_group])
        assert len(gaps) > 0
        assert gaps.min() > 8
    else:
        assert len(truth.onsets) == 300 * 4
        assert 0.4 < truth.reversed_mode.mean() < 0.6


def test_the_two_modes_use_mirrored_units_in_opposite_order():
    truth = packets(200, modes=2, spike_probability=0.0, seed=2)
    forward, backward = [], []
    for (window, onset, packet), is_reversed in zip(truth.onsets, truth.reversed_mode, strict=True):
        alone = np.sum(truth.onsets[:, 0] == window) == 4
        if packet == 0 and alone:
            sequence = truth.packet_spikes[window, onset : onset + 8]
            others = truth.packet_spikes[window].sum() == 32
            if others and sequence.sum() == 8:
                (backward if is_reversed else forward).append(tuple(sequence.argmax(axis=1)))
    assert len(set(forward)) == 1
    assert len(set(backward)) == 1
    assert not set(forward[0]) & set(backward[0])


def test_jitter_keeps_packets_within_their_bins():
    truth = packets(100, modes=1, jitter_bins=2.0, spike_probability=0.0, seed=1)
    window, bin_, _unit = truth.packet_spikes.nonzero()
    for w, b in zip(window, bin_, strict=True):
        onsets = truth.onsets[truth.onsets[:, 0] == w, 1]
        assert np.any((b >= onsets) & (b < onsets + 8))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: correlated_groups(1, units=5, group_size=2), "fills groups of 2, found 5"),
        (lambda: correlated_groups(1, spike_probability=0.9), "spike_probability: expected a probability"),
        (lambda: correlated_groups(1, correlation=-0.1), "correlation: expected a probability"),
        (lambda: packets(1, modes=3), "1 or 2 modes"),  # type: ignore[arg-type]
        (lambda: packets(1, window_bins=8), "shorter than a window"),
    ],
)
def test_impossible_populations_are_refused(call, message):
    with pytest.raises(BadInputError, match=message):
        call()
