import math
from dataclasses import astuple, fields

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.streamer.closedloop.results.estimates import Estimate
from spikeloop.streamer.closedloop.results.trial_statistics import figures_of, seconds_to_target
from tests.support.trials_done import BIN_S, TIMEOUT_S, failure, mixed, success


def figures(trials, choices=None, seed=0):
    return figures_of([trials], BIN_S, TIMEOUT_S, np.random.default_rng(seed), choices)


@given(st.integers(1, 500), st.data())
def test_success_has_wilsons_interval(trials, data):
    successes = data.draw(st.integers(0, trials))
    found = figures([success()] * successes + [failure()] * (trials - successes)).success_rate
    expected = scipy.stats.binomtest(successes, trials).proportion_ci(0.95, "wilson")
    assert found.value == successes / trials
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_times_are_those_of_successes():
    found = figures([success(1.0, 0.6), success(2.0, 2.0), failure(6.0, touched_s=0.2)])
    assert (found.trials, found.successes) == (3, 2)
    assert found.time_to_target_s.value == pytest.approx(1.5)
    assert found.first_touch_s.value == pytest.approx(1.3)
    assert found.dial_in_s.value == pytest.approx(0.2)


def test_of_the_mean_time_a_failure_is_the_timeout_whenever_it_ended():
    found = figures([success(1.0), success(2.0), failure(6.0), failure(0.4, "wrong")]).time_with_failures_s
    assert found.value == pytest.approx((1 + 2 + 6 + 6) / 4)
    assert figures([failure(1.0)] * 3).time_with_failures_s == Estimate(6.0, 6.0, 6.0)


def test_touch_and_dial_in_make_up_the_time():
    found = figures(mixed(np.random.default_rng(1)))
    assert found.first_touch_s.value + found.dial_in_s.value == pytest.approx(found.time_to_target_s.value)


def test_efficiency_is_the_mean_of_the_trials_and_leaves_out_those_without_a_way():
    found = figures([success(path_cm=each) for each in ((8.0, 8.0), (16.0, 8.0), (0.0, 0.0))] + [failure()])
    assert found.path_efficiency.value == pytest.approx((1.0 + 0.5) / 2)


def test_fitts_bits_of_successes_by_the_time_of_all():
    bits = math.log2(8 / 3 + 1)
    assert figures([success(0.5)] * 3).fitts_bits_per_s.value == pytest.approx(bits / 0.5)
    assert figures([success(0.5, hold_s=2.0)] * 3).fitts_bits_per_s.value == pytest.approx(bits / 0.5)
    assert figures([success(0.5), failure(5.5)]).fitts_bits_per_s.value == pytest.approx(bits / 6)
    far = [success(1.0, place=(0.0, -9.0)), success(3.0, width=1.0)]
    assert figures(far).fitts_bits_per_s.value == pytest.approx((2 + math.log2(9)) / 4)


def test_achieved_bits_count_wrong_selections_against_right_ones_and_holds_as_time():
    trials = [success(1.0, hold_s=0.5)] * 8 + [failure(2.0, "wrong")] * 2 + [failure(4.0)]
    found = figures(trials, choices=36).achieved_bits_per_s
    assert found.value == pytest.approx(math.log2(35) * (8 - 2) / (8 * 1.5 + 2 * 2.0 + 4.0))
    assert found.low < found.value < found.high


def test_achieved_bits_are_never_negative():
    found = figures([success()] + [failure(1.0, "wrong")] * 9, choices=36).achieved_bits_per_s
    assert (found.value, found.low) == (0.0, 0.0)


def test_nothing_is_achieved_where_nothing_wrong_can_be_selected():
    assert all(map(math.isnan, astuple(figures([success()] * 4).achieved_bits_per_s)))


def test_intervals_are_those_of_another_bootstrap():
    trials = mixed(np.random.default_rng(2), 80)
    found = figures(trials)
    right = np.array([each.outcome == "success" for each in trials])
    times = np.array([(each.acquired_bin or each.ended_bin) - each.appeared_bin for each in trials]) * BIN_S
    bits = right * math.log2(8 / 3 + 1)
    for estimate, over, under in (
        (found.time_to_target_s, times * right, right),
        (found.fitts_bits_per_s, bits, times),
    ):
        other = scipy.stats.bootstrap(
            (over, under * 1.0), lambda over, under, axis: over.sum(axis) / under.sum(axis), paired=True,
            n_resamples=4000, method="percentile", rng=np.random.default_rng(5),
        )  # fmt: skip
        low, high = other.confidence_interval
        assert estimate.value == pytest.approx(over.sum() / under.sum())
        assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=0.15 * (high - low))


def test_more_trials_narrow_every_interval():
    random = np.random.default_rng(3)
    few, many = (figures(mixed(random, trials), choices=36) for trials in (40, 1000))
    for each in fields(few):
        if isinstance(getattr(few, each.name), Estimate):
            widths = [getattr(one, each.name).high - getattr(one, each.name).low for one in (few, many)]
            assert 0 < widths[1] < 0.5 * widths[0]


def test_the_same_random_numbers_give_the_same_intervals():
    trials = mixed(np.random.default_rng(4))
    assert figures(trials, 36) == figures(trials, 36)
    assert figures(trials, 36, seed=1) != figures(trials, 36)


def test_without_trials_there_are_no_figures():
    found = figures([])
    assert found.trials == 0
    assert all(math.isnan(each) for field in astuple(found)[2:] for each in field)


def test_failures_alone_have_no_times_and_give_no_bits():
    found = figures([failure()] * 5)
    assert all(map(math.isnan, astuple(found.time_to_target_s)))
    assert all(map(math.isnan, astuple(found.path_efficiency)))
    assert found.fitts_bits_per_s.value == 0


def test_one_success_has_a_time_but_no_interval():
    found = figures([success(1.0), failure()]).time_to_target_s
    assert found.value == pytest.approx(1.0)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_seconds_to_target_are_counted_from_its_appearance():
    assert seconds_to_target(success(0.5, start=7), BIN_S) == pytest.approx(0.5)
    assert math.isnan(seconds_to_target(failure(), BIN_S))


def test_sessions_that_differ_widen_every_interval_of_several():
    slow, fast = ([success(time_s=time_s) for _ in range(20)] for time_s in (2.0, 0.4))
    alike = figures_of([[*slow[:10], *fast[:10]], [*slow[10:], *fast[10:]]], BIN_S, TIMEOUT_S, np.random.default_rng(0))
    apart = figures_of([slow, fast], BIN_S, TIMEOUT_S, np.random.default_rng(0))
    assert alike.time_to_target_s.value == pytest.approx(apart.time_to_target_s.value)
    width = [each.time_to_target_s.high - each.time_to_target_s.low for each in (alike, apart)]
    assert width[1] > 2 * width[0]
    failed = figures_of([slow, [failure()] * 20], BIN_S, TIMEOUT_S, np.random.default_rng(0)).success_rate
    assert failed.high - failed.low > 2 * (figures([*slow, *[failure()] * 20]).success_rate.high - 0.5)
