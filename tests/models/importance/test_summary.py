"""Summaries of importance maps, against loops over spikes."""

from collections import defaultdict

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spikeloop.models.importance import summary as importance_summary
from spikeloop.models.importance.summary import ImportanceSums, agreement, importance_sums, summarise_importance

LAGS = 4


@st.composite
def windows_and_maps(draw):
    shape = draw(st.tuples(st.integers(1, 6), st.integers(3, 9), st.integers(1, 5)))
    windows = draw(hnp.arrays(np.uint8, shape, elements=st.sampled_from([0, 0, 0, 1, 3])))
    maps = draw(hnp.arrays(np.float64, shape, elements=st.integers(0, 16).map(float)))
    return windows, maps * (windows > 0)


def spikes_of(windows):
    return [tuple(place) for place in np.argwhere(windows > 0).tolist()]


@given(both=windows_and_maps())
@settings(max_examples=60, deadline=None)
def test_units_and_lags_are_means_over_spikes(both):
    windows, maps = both
    found = summarise_importance(importance_sums(maps, windows, LAGS))
    of_unit, of_lag, of_own = (defaultdict(list) for _ in range(3))
    for window, bin_, unit in spikes_of(windows):
        of_unit[unit].append(maps[window, bin_, unit])
        for _, earlier, other in (spike for spike in spikes_of(windows) if spike[0] == window):
            lag = bin_ - earlier
            if 0 <= lag < LAGS and other != unit:
                of_lag[lag].append(maps[window, bin_, unit])
            elif 0 < lag < LAGS:
                of_own[lag].append(maps[window, bin_, unit])

    def means(of, number):
        return [np.mean(of[at]) if of[at] else np.nan for at in range(number)]

    units = windows.shape[2]
    np.testing.assert_allclose(found.importance, means(of_unit, units))
    np.testing.assert_array_equal(found.spikes, [len(of_unit[unit]) for unit in range(units)])
    np.testing.assert_allclose(found.window_importance, maps.sum(axis=1).mean(axis=0))
    for values, of in ((found.lag_importance, of_lag), (found.own_lag_importance, of_own)):
        np.testing.assert_allclose(values, means(of, LAGS))


@given(both=windows_and_maps(), word_bins=st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_patterns_are_words_that_occur(both, word_bins):
    windows, maps = both
    expected = defaultdict(list)
    for window in range(len(windows)):
        for first in range(windows.shape[1] - word_bins + 1):
            word = spikes_of(windows[[window], first : first + word_bins])
            if len(word) >= 2 and word[0][1] == 0:
                cells = tuple((bin_, unit) for _, bin_, unit in word)
                expected[cells].append(maps[window, first : first + word_bins].sum() / len(word))
    found = summarise_importance(importance_sums(maps, windows, LAGS, word_bins), patterns=10**6).patterns
    assert {each.spikes: each.occurrences for each in found} == {cells: len(each) for cells, each in expected.items()}
    for pattern in found:
        assert pattern.importance == pytest.approx(np.mean(expected[pattern.spikes]))
    occurrences = [pattern.occurrences for pattern in found]
    assert occurrences == sorted(occurrences, reverse=True)


def leaves(sums: ImportanceSums):
    return [sums.windows, *(each for of in (sums.units, sums.lags, sums.own_lags) for each in vars(of).values())]


@given(both=windows_and_maps(), cut=st.integers(0, 6), word_bins=st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_sums_of_segments_add_up(both, cut, word_bins):
    windows, maps = both
    whole = importance_sums(maps, windows, LAGS, word_bins)
    segments = [importance_sums(maps[part], windows[part], LAGS, word_bins) for part in (slice(cut), slice(cut, None))]
    added = segments[0] + segments[1]
    assert added.words == whole.words
    for one, other in zip(leaves(added), leaves(whole), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture
def correlated(random):
    """Many windows whose spikes are alike within each, (windows, bins, units) and their maps."""
    rate = random.random((4000, 1, 1)) * 0.4
    windows = (random.random((4000, 16, 3)) < rate).astype(np.uint8)
    return windows, windows * (5 * rate + random.random(windows.shape))


def test_standard_errors_are_the_spread_of_summaries_of_fresh_windows(correlated):
    windows, maps = correlated
    parts = [
        summarise_importance(importance_sums(maps[part], windows[part], LAGS))
        for part in np.arange(4000).reshape(100, 40)
    ]
    for mean, error in (
        ("importance", "importance_error"),
        ("window_importance", "window_error"),
        ("lag_importance", "lag_error"),
        ("own_lag_importance", "own_lag_error"),
    ):
        seen = np.array([getattr(each, mean) for each in parts]).std(axis=0, ddof=1)
        told = np.sqrt(np.mean([getattr(each, error) ** 2 for each in parts], axis=0))
        np.testing.assert_allclose(told, seen, rtol=0.25)


def test_one_window_has_no_standard_error_and_silence_no_mean():
    windows = np.zeros((1, 8, 2), np.uint8)
    windows[0, 3, 0] = 1
    found = summarise_importance(importance_sums(windows * 2.0, windows))
    np.testing.assert_array_equal(found.importance, [2, np.nan])
    np.testing.assert_array_equal(found.window_importance, [2, 0])
    assert np.isnan(found.importance_error).all()
    assert np.isnan(found.window_error).all()
    assert found.patterns == ()
    none = summarise_importance(importance_sums(windows[:0] * 1.0, windows[:0]))
    assert np.isnan(none.window_importance).all()
    assert summarise_importance(importance_sums(windows * 2.0, windows, lags=0)).lag_importance.shape == (0,)


def test_rare_words_are_forgotten(random, monkeypatch):
    monkeypatch.setattr(importance_summary, "MOST_WORDS", 8)
    common = np.array([1, 1] + [0] * 30, np.uint8)
    windows = (random.random((60, 20, 32)) < 0.2).astype(np.uint8)
    windows[:, ::4] = common
    total = importance_sums(windows[:10] * 1.0, windows[:10])
    for first in range(10, 60, 10):
        total = total + importance_sums(windows[first : first + 10] * 1.0, windows[first : first + 10])
    assert len(total.words) <= 16
    commonest, *_ = summarise_importance(total).patterns
    assert (commonest.spikes, commonest.occurrences, commonest.importance) == (((0, 0), (0, 1)), 300, 1.0)


@pytest.mark.parametrize(
    ("maps", "lags", "word_bins"), [((2, 8, 3), 4, 1), ((2, 8, 2), -1, 1), ((2, 8, 2), 4, 0), ((2, 8, 2), 4, 9)]
)
def test_what_does_not_fit_is_refused(maps, lags, word_bins):
    with pytest.raises(ValueError, match="expected maps and windows of one shape"):
        importance_sums(np.zeros(maps), np.zeros((2, 8, 2), np.uint8), lags, word_bins)


def test_sums_of_other_shapes_do_not_add_up():
    windows = np.zeros((2, 8, 2), np.uint8)
    one = importance_sums(windows * 1.0, windows, 3)
    for other in (
        importance_sums(windows * 1.0, windows, 4),
        importance_sums(windows * 1.0, windows, 3, word_bins=2),
        importance_sums(windows[..., :1] * 1.0, windows[..., :1], 3),
    ):
        with pytest.raises(ValueError, match="expected sums of 2 units, 3 lags and words of 1 bins"):
            _ = one + other


def test_agreement_is_that_of_spikes(random):
    windows = random.integers(0, 3, (5, 12, 4)).astype(np.uint8)
    maps = random.random(windows.shape).round(1)
    others = maps**2 + 0.2 * random.random(windows.shape)
    found, spikes = agreement(maps, others, windows), windows > 0
    expected: float = scipy.stats.spearmanr(maps[spikes], others[spikes]).statistic  # type: ignore[union-attr]
    assert found.rank_correlation == pytest.approx(expected)
    assert found.correlation == pytest.approx(np.corrcoef(maps[spikes], others[spikes])[0, 1])
    assert found.spikes == spikes.sum()
    assert np.isnan(agreement(maps, np.ones_like(maps), windows).rank_correlation)
    assert np.isnan(agreement(maps, maps, np.zeros_like(windows)).correlation)
