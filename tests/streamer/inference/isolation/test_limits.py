import math

import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.inference.isolation.limits import DecoderLimits, checked_limits


def test_limits_are_those_given_or_the_default():
    assert checked_limits(None) == DecoderLimits()
    assert checked_limits(DecoderLimits(step_s=math.inf)).step_s == math.inf


@pytest.mark.parametrize("value", [0, -1.0, math.nan, "3", None, True], ids=repr)
@pytest.mark.parametrize("name", ["open_s", "fit_s", "step_s", "slow_s", "memory_mib", "printed_mib"])
def test_a_limit_that_is_no_number_above_0_is_refused(name, value):
    with pytest.raises(BadInputError, match=f"limits: expected {name} above 0, found"):
        DecoderLimits(**{name: value})


@pytest.mark.parametrize("limits", [3, {"step_s": 3}, DecoderLimits])
def test_what_are_no_limits_is_refused(limits):
    with pytest.raises(BadInputError, match=r"limits: expected a spikeloop.DecoderLimits, found"):
        checked_limits(limits)
