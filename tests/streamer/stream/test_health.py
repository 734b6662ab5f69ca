import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.streamer.stream.health import Durations, Health


@given(st.lists(st.floats(2e-6, 900), min_size=1, max_size=200), st.sampled_from([0.5, 0.9, 0.99]))
def test_quantiles_are_numpys_to_a_percent(durations, quantile):
    collected = Durations()
    for each in durations:
        collected.add(each)
    exact = np.quantile(durations, quantile, method="inverted_cdf")
    assert collected.quantile_s(quantile) == pytest.approx(exact, rel=0.0101)
    assert collected.longest_s == max(durations)


def test_extremes_and_nothing_at_all():
    durations = Durations()
    assert math.isnan(durations.quantile_s(0.5))
    durations.add(0.0)
    assert durations.quantile_s(0.5) == 0.0
    durations.add(1e9)
    assert durations.longest_s == 1e9


def test_the_report_adds_up():
    cpu_s = iter([0.0, 10.0, 10.5])
    health = Health(bin_size_s=0.01, units=2, cpu_s=lambda: next(cpu_s))
    health.start(100.0)
    health.step(2, 3.0, due_s=100.02, pushed_s=100.021)  # 1 ms late
    health.step(2, 3.0, due_s=100.04, pushed_s=100.065)  # later than a step is long
    health.step(2, 3.0, due_s=100.06, pushed_s=100.066)
    report = health.report()
    assert (report.bins, report.steps, report.late_steps) == (6, 3, 1)
    assert report.ratio == pytest.approx(0.06 / 0.066)
    assert report.lateness_ms["max"] == pytest.approx(25)
    assert report.lateness_ms["p50"] == pytest.approx(6, rel=0.01)
    assert report.cpu_cores == pytest.approx(0.5 / 0.066)
    assert report.mean_rate_hz == pytest.approx(9 / 2 / 0.06)
    assert math.isnan(report.inference_ms["p50"])


def test_before_the_first_step_nothing_is_claimed():
    report = Health(0.01, 2).report()
    assert report.bins == 0
    assert math.isnan(report.ratio)
    assert math.isnan(report.lateness_ms["max"])
