import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spikeloop.models.measures.patterns import PatternComparison, compare_patterns, entropy_bits, pattern_codes

binary = hnp.arrays(
    np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 3), st.integers(1, 3)), elements=st.integers(0, 1)
)


def windows_of(*patterns: int) -> np.ndarray:
    """One unit, four bins; the bits of numbers."""
    return np.array([[[pattern >> bit & 1] for bit in range(4)] for pattern in patterns], np.uint8)


@given(binary)
def test_windows_have_one_code_where_they_are_equal(windows):
    codes = pattern_codes(windows)
    equal = np.array([[np.array_equal(one, other) for other in windows] for one in windows])
    np.testing.assert_array_equal(codes[:, np.newaxis] == codes, equal)


def test_62_cells_have_codes_and_63_have_none():
    assert pattern_codes(np.ones((1, 31, 2), np.uint8)).tolist() == [2**62 - 1]
    with pytest.raises(ValueError, match="expected at most 62 cells of 0 or 1, got 63"):
        pattern_codes(np.ones((1, 21, 3), np.uint8))
    with pytest.raises(ValueError, match="expected at most 62 cells of 0 or 1, got 4 up to 2"):
        pattern_codes(np.full((1, 2, 2), 2, np.uint8))


@given(binary)
def test_entropy_is_scipys(windows):
    _, counts = np.unique(windows.reshape(len(windows), -1), axis=0, return_counts=True)
    assert entropy_bits(windows) == pytest.approx(scipy.stats.entropy(counts, base=2), abs=1e-12)


def test_entropy_of_all_patterns_is_their_bits_and_of_one_is_none():
    assert entropy_bits(windows_of(*range(16))) == 4
    assert entropy_bits(windows_of(7, 7, 7)) == 0
    assert entropy_bits(windows_of(1, 2, 2, 2)) == pytest.approx(2 - 0.75 * np.log2(3))


def test_patterns_are_compared_with_the_truth_and_with_training():
    truth, training, fresh = windows_of(0, 1, 2, 3), windows_of(0, 1), windows_of(2, 0, 1, 9, 15, 15)
    found = compare_patterns(windows_of(0, 0, 3, 9), training, truth, fresh)  # as many fresh ones: 2, 0, 1, 9
    assert found == PatternComparison(
        entropy=1.5, true_entropy=2.0, impossible=0.25, true_impossible=0.25, novel=0.5, true_novel=0.5
    )


def test_a_model_that_knows_its_training_by_heart_gives_nothing_novel(random):
    truth = random.integers(0, 2, (5000, 4, 2)).astype(np.uint8)
    training, fresh = truth[:100], random.integers(0, 2, (200, 4, 2)).astype(np.uint8)
    by_heart = compare_patterns(training[random.integers(100, size=200)], training, truth, fresh)
    assert (by_heart.novel, by_heart.impossible, by_heart.true_impossible) == (0, 0, 0)
    assert by_heart.true_novel > 0.5
    assert by_heart.entropy < by_heart.true_entropy < 8
