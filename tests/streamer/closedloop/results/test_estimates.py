import math

import pytest

from spikeloop.streamer.closedloop.results.estimates import Estimate, format_estimate


@pytest.mark.parametrize(
    ("estimate", "how", "told"),
    [
        (Estimate(1.423, 1.3, 1.55), {}, "1.42 (1.30-1.55)"),
        (Estimate(0.5, 0.3, 0.7), {"percent": True}, "50 % (30-70)"),
        (Estimate(-0.5, -0.7, 0.1), {"percent": True, "sign": True}, "-50 % (-70 to +10)"),
        (Estimate(0.1, -0.02, 0.21), {"sign": True}, "+0.10 (-0.02 to +0.21)"),
        (Estimate(-0.001, -0.01, 0.0), {"percent": True, "sign": True}, "+0 % (-1 to +0)"),
        (Estimate(2.0, math.nan, math.nan), {}, "2.00"),
        (Estimate(math.nan, math.nan, math.nan), {}, "-"),
    ],
)
def test_estimates_in_words(estimate, how, told):
    assert format_estimate(estimate, **how) == told
