import math

import numpy as np
import pytest
from sklearn.metrics import r2_score

from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.falcon_scores import SessionScores, session_scores, variance_weighted_r_squared


@pytest.mark.parametrize("columns", [1, 2, 7])
def test_the_score_is_that_which_the_challenge_asks_scikit_learn_for(random, columns):
    truth = random.standard_normal((200, columns)) * np.arange(1, columns + 1) + 3
    decoded = truth + random.standard_normal((200, columns))
    expected = r2_score(truth, decoded, multioutput="variance_weighted")
    assert variance_weighted_r_squared(truth, decoded) == pytest.approx(expected, rel=1e-12)


def test_columns_count_by_their_variance(random):
    truth = random.standard_normal((500, 2)) * [10, 0.1]
    decoded = truth * [1, 0]
    assert variance_weighted_r_squared(truth, decoded) > 0.999
    assert variance_weighted_r_squared(truth, truth * [0, 1]) < 0.01


def test_what_never_varies_has_no_score_and_shapes_must_fit():
    assert math.isnan(variance_weighted_r_squared(np.ones((5, 2)), np.zeros((5, 2))))
    with pytest.raises(BadInputError, match=r"expected decoded kinematics of shape \(5, 2\), found \(5, 3\)"):
        variance_weighted_r_squared(np.ones((5, 2)), np.ones((5, 3)))


def test_sessions_have_a_mean_and_the_standard_deviation_of_the_challenge():
    found = session_scores([0.2, 0.6, math.nan])
    assert (found.mean, found.sd, found.sessions) == pytest.approx((np.mean([0.2, 0.6]), np.std([0.2, 0.6]), 2))
    assert str(found) == "0.400 (SD 0.200 of 2)"
    assert str(session_scores([0.5])) == "0.500"
    assert str(session_scores([])) == str(session_scores([math.nan])) == "-"
    assert isinstance(session_scores([]), SessionScores)
