import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.condition import (
    Condition,
    conditions_from,
    conditions_of,
    phase_condition,
    phases,
    rest_of,
)

VELOCITY = Condition("velocity x", "cm/s", -2.0, 3.0)


@given(first=st.integers(0, 10**6), bins=st.integers(0, 300), cut=st.integers(0, 300), period=st.integers(1, 250))
def test_phases_go_on_from_any_cut_and_wrap(first, bins, cut, period):
    whole = phases(first, bins, period)
    cut = min(cut, bins)
    parts = [phases(first, cut, period), phases(first + cut, bins - cut, period)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert whole.dtype == np.float32
    assert whole[:, 0].tolist() == [bin_ % period for bin_ in range(first, first + bins)]


@pytest.mark.parametrize("period", [1, 2, 953])
def test_a_phase_condition_spans_its_cycle(period):
    condition = phase_condition(period)
    assert (condition.cyclic, condition.period) == (True, period)
    assert phases(0, 2 * period, period).max() == condition.high


def test_channels_are_described_by_the_range_that_was_seen():
    values = np.array([[[-2.0, 1.0, -5.0]], [[3.0, 4.0, -1.0]]], np.float32)  # (repeats, bins, channels)
    found = conditions_of(values, ("a", "b", "c"), ("cm", "", "N"))
    assert found == (
        Condition("a", "cm", -2.0, 3.0, rest=0.0),
        Condition("b", "", 1.0, 4.0, rest=1.0),  # 0 was never seen
        Condition("c", "N", -5.0, -1.0, rest=-1.0),
    )
    np.testing.assert_array_equal(rest_of(found), [0, 1, -1])
    assert rest_of(()).shape == (0,)


def test_conditions_read_back_from_json_and_pass_over_what_they_do_not_know():
    conditions = (VELOCITY, phase_condition(953))
    entries = json.loads(json.dumps([asdict(each) for each in conditions]))
    assert conditions_from(entries, "here") == conditions
    assert conditions_from([entry | {"colour": "red"} for entry in entries], "here") == conditions


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": "a\x1b[2J"},
        {"name": "a" * 65},
        {"name": 3},
        {"unit": None},
        {"unit": "\n"},
        {"low": "a"},
        {"low": float("nan")},
        {"high": float("inf")},
        {"high": 1e39},  # no float32
        {"high": 10**400},
        {"low": -(10**400)},
        {"rest": 4.0},
        {"low": 4.0},
        {"cyclic": "yes"},
        {"cyclic": True, "low": 0.0, "high": 2.0**24 + 1},
        {"cyclic": True, "low": -3.0, "high": -1.0, "rest": -1.0},
    ],
)
def test_what_is_no_condition_is_refused(change):
    with pytest.raises(BadInputError, match="there: expected a condition's name, unit, low, high and rest, found"):
        conditions_from([asdict(VELOCITY) | change], "there")


def test_a_condition_that_lacks_an_entry_is_refused():
    with pytest.raises(BadInputError, match="there: expected a condition's name"):
        conditions_from([{"name": "velocity"}], "there")
    least = {key: value for key, value in asdict(replace(VELOCITY, rest=0.0)).items() if key not in ("rest", "cyclic")}
    assert conditions_from([least], "there") == (VELOCITY,)
