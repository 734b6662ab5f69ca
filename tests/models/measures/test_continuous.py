import elephant.statistics
import numpy as np
import pytest
import scipy.signal
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.continuous import (
    MEASURES,
    continuous_similarity,
    population_count_divergence,
    split_half_floors,
)
from spikeloop.models.measures.intervals import interval_moments
from spikeloop.models.measures.seams import seam_covariance_ratio

windows = hnp.arrays(
    np.uint8, st.tuples(st.integers(1, 4), st.integers(1, 12), st.integers(1, 4)), elements=st.integers(0, 4)
)


def common_drive(random, bins, units=6, memory=0.8, depth=0.5):
    """Counts (bins, units), Poisson about a slow common rate."""
    drive = np.asarray(scipy.signal.lfilter([np.sqrt(1 - memory**2)], [1, -memory], random.standard_normal(bins)))
    return random.poisson(np.exp(depth * drive)[:, np.newaxis], (bins, units)).astype(np.uint8)


@given(windows)
def test_intervals_are_those_of_spikes_spread_over_their_bins(counts):
    mean, deviation, number = interval_moments(counts)
    for unit in range(counts.shape[2]):
        intervals = []
        for window in counts[:, :, unit]:
            times = [place + (k + 0.5) / n for place, n in enumerate(window) for k in range(n)]
            intervals += list(elephant.statistics.isi(times))
        assert number[unit] == len(intervals)
        assert mean[unit] == pytest.approx(np.mean(intervals) if intervals else 0)
        assert deviation[unit] == pytest.approx(np.std(intervals) if intervals else 0, abs=1e-12)


def test_divergence_is_nought_of_itself_and_near_the_truth_of_poisson_populations(random):
    one, other = (random.poisson(rate, (200_000, 1)) for rate in (20.0, 23.0))
    assert population_count_divergence(one, one) == 0
    truth = 20 * np.log(20 / 23) + 23 - 20  # KL of two Poisson distributions
    assert population_count_divergence(one, other) == pytest.approx(truth, rel=0.05)


@given(windows, windows)
def test_divergence_is_finite_and_not_negative(one, other):
    assert 0 <= population_count_divergence(one, other) + 1e-12 < np.inf


def test_divergence_does_not_grow_with_how_far_a_model_strays(random):
    real = random.poisson(20, (1000, 1))
    assert population_count_divergence(real, real + 1000) == population_count_divergence(real, real + 100_000) > 3


def test_more_of_the_same_is_at_the_floor_and_independent_units_at_the_ceiling(random):
    held_out = common_drive(random, 16_000)
    judged = continuous_similarity(common_drive(random, 50_000), held_out, 0.05, random)
    rows = {row.statistic: row for row in judged.rows}
    assert list(rows) == list(MEASURES)
    for name in ("population_count_divergence", "correlation", "interval_sd_s", "fano_factor", "lag_1_autocorrelation"):
        assert 0.3 < rows[name].ratio < 3
    assert judged.skipped_units == 0
    assert judged.population_variance_ratio == pytest.approx(1, abs=0.15)
    alone = random.permuted(np.concatenate([held_out, held_out]), axis=0)
    ruined = {row.statistic: row for row in continuous_similarity(alone, held_out, 0.05, random).rows}
    for name in ("population_count_divergence", "population_variance", "correlation", "lag_1_autocorrelation"):
        assert ruined[name].ratio > 4
        assert ruined[name].excess == pytest.approx(1, abs=0.2)
    assert ruined["fano_factor"].ratio < 3


def test_floors_are_those_that_a_model_is_judged_by(random):
    held_out = common_drive(random, 4000)
    floors = split_half_floors(held_out, 0.05)
    assert floors == {row.statistic: row.floor for row in continuous_similarity(held_out, held_out, 0.05, random).rows}


def test_a_recording_as_its_own_model_is_at_the_floor_not_below(random):
    """The halves are crossed: no block is compared with itself."""
    held_out = common_drive(random, 4000)
    for row in continuous_similarity(held_out, held_out, 0.05, random).rows:
        assert row.error == pytest.approx(row.floor)


def test_measures_are_their_definitions(random):
    one, other = common_drive(random, 3000).reshape(3, 1000, 6), common_drive(random, 3000, depth=1).reshape(3, 1000, 6)

    def rmse(statistic):
        return np.sqrt(np.mean((statistic(one) - statistic(other)) ** 2))

    def pairs(counts):
        return np.corrcoef(counts.reshape(-1, 6), rowvar=False)[np.triu_indices(6, 1)]

    def lag_1(counts):
        return np.array([scipy.stats.pearsonr(*(c[:, s, u].ravel() for s in (slice(-1), slice(1, None))))[0]
                         for c in (counts,) for u in range(6)])  # fmt: skip

    def fano(counts):
        return counts.var(axis=(0, 1)) / counts.mean(axis=(0, 1))

    assert MEASURES["correlation"](one, other) == pytest.approx(rmse(pairs), rel=1e-6)
    assert MEASURES["lag_1_autocorrelation"](one, other) == pytest.approx(rmse(lag_1), rel=0.02)
    assert MEASURES["fano_factor"](one, other) == pytest.approx(rmse(fano))
    assert MEASURES["rates"](one, other) == pytest.approx(rmse(lambda counts: counts.mean(axis=(0, 1))))
    variances = [each.sum(axis=2).var() for each in (one, other)]
    assert MEASURES["population_variance"](one, other) == pytest.approx(np.log(variances[1] / variances[0]))


def test_silent_units_are_counted_and_have_no_intervals(random):
    held_out = common_drive(random, 4000)
    model = held_out.copy()
    model[:, :2] = 0
    judged = continuous_similarity(model, held_out, 0.05, random)
    rows = {row.statistic: row for row in judged.rows}
    assert rows["silent_units"].error == 2
    assert rows["silent_units"].floor == 0
    assert judged.skipped_units == 2
    nothing = continuous_similarity(held_out * 0, held_out, 0.05, random)
    assert nothing.population_variance_ratio == 0
    assert nothing.skipped_units == 6
    rows = {row.statistic: row for row in nothing.rows}
    assert np.isnan(rows["mean_interval_s"].error)
    assert rows["population_variance"].error == np.inf
    silence = continuous_similarity(held_out, held_out * 0, 0.05, random)
    assert np.isnan(silence.population_variance_ratio)
    assert {row.statistic: row.floor for row in silence.rows}["population_variance"] == 0


def test_intervals_are_judged_in_seconds(random):
    """Regular trains, a spike every 2nd bin of 0.25 s in one half, every 4th in the other."""
    time = np.arange(1600)
    counts = np.where(time // 40 % 2 == 0, time % 2 == 0, time % 4 == 0).astype(np.uint8)[:, np.newaxis]
    floors = split_half_floors(counts, 0.25)
    assert floors["mean_interval_s"] == pytest.approx(0.5)
    assert floors["interval_sd_s"] == 0


@pytest.mark.parametrize("lag", [1, 4])
def test_seam_covariance_ratio_is_its_definition(random, lag):
    counts = common_drive(random, 600, units=3, memory=0.95)
    centred = counts - counts.mean(axis=0)
    sides = {True: [], False: []}
    for early in range(600 - lag):
        products = sum(centred[early, i] * centred[early + lag, j] for i in range(3) for j in range(3))
        sides[early // 12 != (early + lag) // 12].append(products)
    (ratio,) = seam_covariance_ratio(counts, 12, lags=(lag,))
    assert ratio == pytest.approx(np.mean(sides[True]) / np.mean(sides[False]))


def test_a_seamless_stream_has_ratios_of_one_and_steps_side_by_side_none(random):
    seamless = common_drive(random, 400_000)
    np.testing.assert_allclose(seam_covariance_ratio(seamless, 20), 1, atol=0.1)
    shuffled = random.permutation(seamless.reshape(-1, 20, 6)).reshape(-1, 6)
    np.testing.assert_allclose(seam_covariance_ratio(shuffled, 20), 0, atol=0.1)


def test_independent_bins_have_no_seam_covariance_ratio(random):
    assert np.isnan(seam_covariance_ratio(np.ones((100, 2), np.uint8), 10)).all()
    assert np.isnan(seam_covariance_ratio(random.poisson(1, (4000, 2)), 20, lags=(1,))).all()


@pytest.mark.parametrize("lengths", [(7, 1, 12, 2, 3, 10, 5) * 100, (8,) * 500, (4000,)])
def test_no_interval_and_no_lag_reaches_over_the_end_of_a_repeat(lengths):
    """Each repeat begins with a spike and goes on with one every 2nd bin, or with none."""
    edges = np.cumsum((0, *lengths))
    counts = np.concatenate([np.arange(bins) % 2 == 0 for bins in lengths]).astype(np.uint8)[:, np.newaxis]
    quiet = np.where(np.isin(np.arange(len(counts)), edges), counts.T, 0).T.astype(np.uint8)
    random = np.random.Generator(np.random.Philox(1))
    judged = continuous_similarity(quiet, counts, 0.05, random, lengths)
    rows = {row.statistic: row for row in judged.rows}
    assert rows["mean_interval_s"].floor == rows["interval_sd_s"].floor == pytest.approx(0, abs=1e-9)
    assert judged.skipped_units == 1
    assert np.isnan(rows["mean_interval_s"].error)
    assert rows["lag_1_autocorrelation"].floor == pytest.approx(0, abs=0.1)
    floors = {row.statistic: row.floor for row in judged.rows}
    assert split_half_floors(counts, 0.05, lengths) == pytest.approx(floors, nan_ok=True)
    whole = continuous_similarity(quiet, counts, 0.05, random)
    assert (whole.skipped_units == 0) == (len(lengths) > 1)


def test_repeats_are_judged_as_their_bins_and_pairs_of_bins_are(random):
    held_out, model = common_drive(random, 1200), common_drive(random, 1200, memory=0.5)
    lengths = np.tile([3, 20, 1, 16], 30)
    judged = continuous_similarity(model, held_out, 0.05, random, lengths.tolist())
    repeat = np.repeat(np.arange(len(lengths)), lengths)

    def lag_1(counts, half):
        early = [t for t in range(1199) if t // 200 == (t + 1) // 200 and t // 200 % 2 == half]
        early = np.array([t for t in early if repeat[t] == repeat[t + 1]])
        return np.array([scipy.stats.pearsonr(counts[early, u], counts[early + 1, u])[0] for u in range(6)])

    error = np.mean([np.sqrt(np.mean((lag_1(held_out, i) - lag_1(model, 1 - i)) ** 2)) for i in (0, 1)])
    rows = {row.statistic: row for row in judged.rows}
    assert rows["lag_1_autocorrelation"].error == pytest.approx(error, rel=0.03)
    unaware = {row.statistic: row for row in continuous_similarity(model, held_out, 0.05, random).rows}
    for name in set(rows) - {"lag_1_autocorrelation", "mean_interval_s", "interval_sd_s"}:
        assert rows[name].error == unaware[name].error
        assert rows[name].floor == unaware[name].floor


def test_streams_that_do_not_fit_are_refused(random):
    counts = common_drive(random, 500)
    with pytest.raises(BadInputError, match="at least two blocks of 200 bins"):
        split_half_floors(counts[:399], 0.05)
    for model in (counts[:499], counts[:, 1:]):
        with pytest.raises(BadInputError, match="expected at least 500 bins"):
            continuous_similarity(model, counts, 0.05, random)
    for step_bins, lags in ((5, (1, 5)), (10, (0,)), (10, ()), (251, (1,)), (0, (1,)), (-9, (1,))):
        with pytest.raises(BadInputError, match="at least two steps longer than the lags"):
            seam_covariance_ratio(counts, step_bins, lags)
