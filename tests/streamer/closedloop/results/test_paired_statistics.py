import math
from dataclasses import astuple

import numpy as np
import pytest
import scipy.stats

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.closedloop.results.paired_statistics import paired_figures
from tests.support.trials_done import BIN_S, TIMEOUT_S, failure, mixed, success


def paired(trials, baseline, timeout_s=TIMEOUT_S):
    return paired_figures([trials], [baseline], BIN_S, timeout_s)


def outcomes(flags):
    return [success() if each else failure() for each in flags]


def test_a_decoder_does_not_differ_from_itself():
    trials = mixed(np.random.default_rng(5))
    found = paired(trials, trials)
    assert found.trials == len(trials)
    for each in (found.time_difference_s, found.bits_difference):
        assert astuple(each) == (0, 0, 0, 1, 0)
    assert (found.success_difference.value, found.success_difference.p_value) == (0, 1)


def test_a_constant_difference_has_no_width():
    times = np.arange(1, 40) * 0.1
    found = paired([success(each + 0.3) for each in times], [success(each) for each in times])
    each = found.time_difference_s
    assert (each.value, each.low, each.high) == pytest.approx((0.3, 0.3, 0.3))
    assert found.success_difference.value == 0


def test_failures_count_as_the_timeout():
    found = paired([success(1.0), failure(2.0, "wrong")], [failure(4.0, "lost"), success(1.0)], timeout_s=8.0)
    assert found.success_difference.value == 0
    assert found.time_difference_s.value == pytest.approx((1 - 8 + 8 - 1) / 2)
    assert paired([failure()] * 3, [success(1.0)] * 3).time_difference_s.value == pytest.approx(5.0)


def test_a_decoder_gains_no_bit_rate_by_trials_that_it_never_began():
    """They have no length; they count as the timeout, in the bit rate too."""
    forfeited = [failure(0.0, "lost")] * 3
    best = [success(1.0)] * 4
    found = paired(best[:1] + forfeited, best).bits_difference
    assert found.value < 0
    assert found.value == paired(best[:1] + [failure(TIMEOUT_S)] * 3, best).bits_difference.value
    assert paired(forfeited, forfeited).bits_difference.value == 0


def test_paired_intervals_are_narrower_where_trials_go_together():
    random = np.random.default_rng(6)
    times = random.uniform(0.5, 5, 100)
    one, other = [success(each + random.uniform(0, 0.4)) for each in times], [success(each) for each in times]
    shuffled = [other[each] for each in random.permutation(len(other))]
    together, apart = (paired(one, each).time_difference_s for each in (other, shuffled))
    assert together.high - together.low < 0.3 * (apart.high - apart.low)
    assert together.low < 0.2 < together.high


@pytest.mark.parametrize("baseline", [[success()], [success(), success(place=(0.0, 8.0))]], ids=["fewer", "elsewhere"])
def test_trials_that_are_no_pairs_are_refused(baseline):
    with pytest.raises(BadInputError, match="same targets"):
        paired([success(), success()], baseline)


def test_times_have_the_paired_t_test():
    random = np.random.default_rng(1)
    one, other = mixed(random, 40), mixed(random, 40)
    seconds = [
        [BIN_S * (each.acquired_bin - each.appeared_bin) if each.acquired_bin else TIMEOUT_S for each in side]
        for side in (one, other)
    ]
    found, expected = paired(one, other).time_difference_s, scipy.stats.ttest_rel(seconds[0], seconds[1])
    assert found.p_value == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))


def test_the_difference_of_bit_rates_has_about_the_interval_of_the_bootstrap():
    random = np.random.default_rng(2)
    one, other = mixed(random, 120), mixed(random, 120)
    bits, seconds = (
        np.array([[of(each) for each in side] for side in (one, other)])
        for of in (
            lambda each: math.log2(8 / 3 + 1) if each.outcome == "success" else 0.0,
            lambda each: BIN_S * ((each.acquired_bin or each.ended_bin) - each.appeared_bin),
        )
    )
    rates = [bits[side].sum() / seconds[side].sum() for side in (0, 1)]
    places = random.integers(120, size=(4000, 120))
    drawn = [bits[side][places].sum(axis=1) / seconds[side][places].sum(axis=1) for side in (0, 1)]
    low, high = np.quantile(drawn[0] - drawn[1], [0.025, 0.975])
    found = paired(one, other).bits_difference
    assert found.value == pytest.approx(rates[0] - rates[1])
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.15 * (high - low))


def test_the_interval_of_bit_rates_covers_the_true_difference():
    random, covered = np.random.default_rng(3), []
    truth = [math.log2(8 / 3 + 1) / mean_s for mean_s in (1.5, 2.0)]
    for _ in range(400):
        times = [0.5 + random.exponential(mean_s - 0.5, 24) for mean_s in (1.5, 2.0)]
        one, other = ([success(each) for each in side] for side in times)
        found = paired(one, other).bits_difference
        covered.append(found.low <= truth[0] - truth[1] <= found.high)
    assert 0.91 <= np.mean(covered) <= 0.98


def test_the_interval_of_success_is_certain_of_nothing_where_all_succeed():
    found = paired([success()] * 16, [success()] * 16).success_difference
    assert found.value == 0
    assert found.low < -0.1 < 0.1 < found.high


@pytest.mark.parametrize("shared", [0.0, 0.6])
def test_the_interval_of_success_covers_the_true_difference_and_agrees_with_its_p_value(shared):
    random, covered = np.random.default_rng(1), []
    for _ in range(300):
        luck = random.random((3, 40))
        same = random.random(40) < shared
        one, other = np.where(same, luck[0], luck[1]) < 0.9, np.where(same, luck[0], luck[2]) < 0.7
        found = paired(outcomes(one), outcomes(other)).success_difference
        covered.append(found.low <= 0.2 <= found.high)
        assert found.low > 0 or found.high < 0 or found.p_value >= 0.05
    assert 0.92 <= np.mean(covered) <= 0.99


@pytest.mark.parametrize("pairs", [2, 4, 7])
def test_the_p_value_of_success_is_never_below_the_exact_one(pairs):
    found = paired(outcomes([True] * pairs), outcomes([False] * pairs)).success_difference
    exact = scipy.stats.binomtest(0, pairs).pvalue
    assert found.p_value >= exact
    assert (found.p_value < 0.05) == (pairs > 5)


def test_the_p_value_of_success_is_that_of_mcnemars_exact_test():
    one, other = [True] * 60 + [False] * 20, [True] * 45 + [False] * 15 + [True] * 4 + [False] * 16
    found = paired(outcomes(one), outcomes(other)).success_difference
    assert found.p_value == pytest.approx(scipy.stats.binomtest(4, 19).pvalue)


def test_sessions_that_differ_widen_every_interval():
    fast, slow = [success(0.5)] * 20, [success(2.0)] * 20
    still = [failure()] * 20
    one, other = [fast, slow, still], [slow, slow, slow]
    apart = paired_figures(one, other, BIN_S, TIMEOUT_S)
    together = paired_figures(
        [[session[place] for session in one] for place in range(20)],
        [[session[place] for session in other] for place in range(20)],
        BIN_S, TIMEOUT_S,
    )  # fmt: skip
    for name in ("time_difference_s", "success_difference", "bits_difference"):
        wide, narrow = getattr(apart, name), getattr(together, name)
        assert wide.value == pytest.approx(narrow.value)
        assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


@pytest.mark.parametrize("trials", [0, 1])
def test_one_pair_or_none_has_no_interval(trials):
    found = paired([success(1.0)] * trials, [success(2.0)] * trials)
    for each in (found.time_difference_s, found.success_difference, found.bits_difference):
        assert math.isnan(each.low)
        assert math.isnan(each.high)
        assert math.isnan(each.p_value)
    assert math.isnan(found.time_difference_s.value) == (trials == 0)
