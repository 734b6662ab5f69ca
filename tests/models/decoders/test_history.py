import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.models.decoders.history import HISTORY_S, checked_history_s, describe_histories, with_history
from spikeloop.models.decoders.spec import KINDS, parse_decoder
from spikeloop.models.errors import BadInputError

LOOK_BACK = ("ridge", "wiener", "population_vector", "sklearn:linear_model.Ridge")


@pytest.mark.parametrize("text", LOOK_BACK)
@pytest.mark.parametrize(
    ("bin_size_s", "history_s", "bins"),
    [(0.02, 0.2, 10), (0.1, 0.2, 2), (0.06, 0.2, 3), (0.2, 0.2, 1), (0.5, 0.2, 1), (0.1, 0.25, 3), (0.001, 0.2, 200)],
)
def test_a_history_is_the_nearest_number_of_whole_bins_and_one_at_least(text, bin_size_s, history_s, bins):
    assert with_history(parse_decoder(text), history_s, bin_size_s).history_bins == bins


@given(st.floats(0.001, 1.0), st.floats(0.01, 0.9))
def test_no_history_is_more_than_half_a_bin_off_but_of_bins_that_are_wider(bin_size_s, history_s):
    found = with_history(parse_decoder("ridge"), history_s, bin_size_s).history_bins
    assert found is not None
    assert abs(found * bin_size_s - history_s) <= bin_size_s * (0.5 + 1e-9) or (found == 1 and history_s < bin_size_s)


@pytest.mark.parametrize("text", ["ridge:3", "wiener:3", "population_vector:3"])
def test_bins_that_were_asked_for_stay(text):
    assert with_history(parse_decoder(text), 5.0, 0.02) == parse_decoder(text)


@pytest.mark.parametrize("text", ["kalman", "chance", "recurrent", "oracle", "onnx:a.onnx", "python:a.py:Own"])
def test_others_look_at_no_fixed_history(text):
    assert with_history(parse_decoder(text), HISTORY_S, 0.02).history_bins is None
    assert not KINDS[parse_decoder(text).kind].has_history


def test_a_history_of_too_many_bins_is_refused_with_the_longest():
    assert with_history(parse_decoder("ridge"), 1.0, 0.001).history_bins == 1000
    with pytest.raises(BadInputError, match="at most 1000 bins of the decoder, which are 1000 ms, found 2000 ms"):
        with_history(parse_decoder("ridge"), 2.0, 0.001)


@pytest.mark.parametrize("value", [0, -1.0, math.nan, math.inf, "0.2", None])
def test_what_is_no_time_above_0_is_refused(value):
    with pytest.raises(BadInputError, match="--history-ms: expected"):
        checked_history_s(value)


def test_histories_are_said_in_time_and_bins_with_decoders_of_one_history_together():
    histories = {"kalman": None, "ridge": 2, "wiener": 2, "ridge:1": 1}
    assert describe_histories(histories, 0.1) == "ridge, wiener 200 ms (2 bins); ridge:1 100 ms (1 bin)"
    assert describe_histories({"kalman": None}, 0.1) == ""
