import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.decoding_scores import correlation, r_squared


@given(st.integers(2, 30), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_r_squared_is_scikit_learns(bins, columns, seed):
    truth, decoded = np.random.default_rng(seed).standard_normal((2, bins, columns))
    expected = sklearn.metrics.r2_score(truth, decoded, multioutput="raw_values")
    np.testing.assert_allclose(r_squared(truth, decoded), expected)


@given(st.integers(3, 30), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_correlation_is_numpys_whatever_the_gain_and_offset(bins, columns, seed):
    truth, decoded = np.random.default_rng(seed).standard_normal((2, bins, columns))
    expected = [np.corrcoef(truth[:, column], decoded[:, column])[0, 1] for column in range(columns)]
    np.testing.assert_allclose(correlation(truth, decoded), expected, atol=1e-9)
    np.testing.assert_allclose(correlation(truth, 5 - 0.1 * decoded), np.negative(expected), atol=1e-9)


def test_a_column_that_never_varies_has_no_score():
    moved, still = np.arange(5.0)[:, np.newaxis], np.full((5, 1), 0.1)
    assert np.isnan(r_squared(still, moved)[0])
    assert np.isnan(correlation(still, moved)[0])
    assert np.isnan(correlation(moved, still)[0])
    assert r_squared(moved, still)[0] < 0


@pytest.mark.parametrize("measure", [r_squared, correlation])
def test_other_shapes_are_refused(measure):
    with pytest.raises(BadInputError, match="decoded kinematics of shape"):
        measure(np.ones((5, 2)), np.ones((4, 2)))
