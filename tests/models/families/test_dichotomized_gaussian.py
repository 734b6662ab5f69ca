from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from spikeloop.models.errors import BadInputError
from spikeloop.models.families import dichotomized_gaussian as dg
from spikeloop.models.families.baselines import draw_bins
from spikeloop.models.families.dichotomized_gaussian import PRESETS, DichotomizedGaussian, fit, latent_correlation
from spikeloop.models.measures.seams import seam_ratio
from spikeloop.models.measures.statistics import expected_counts, lagged_covariance
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.models.recordings.recording import Recording, from_counts
from spikeloop.models.recordings.simulated import correlated_groups
from tests.support.tiny_baseline import tiny_model

STATIONARY = PRESETS["stationary"]
LEVELS = (-2.3, -1.2, 0.0, 0.8)  # thresholds: rates from 1 % to 79 %


def covariance_of_threshold_crossings(h: float, k: float, correlation: float) -> float:
    """cov(x < h, y < k) of two standard normal numbers, by SciPy's integration."""
    covariance: Any = [[1, correlation], [correlation, 1]]
    joint = multivariate_normal.cdf([h, k], mean=[0, 0], cov=covariance)
    return float(joint - norm.cdf(h) * norm.cdf(k))


def exact_covariances(correlation: float) -> np.ndarray:
    return np.array([[covariance_of_threshold_crossings(h, k, correlation) for k in LEVELS] for h in LEVELS])


@pytest.mark.parametrize("correlation", [-0.8, -0.3, 0.0, 0.05, 0.5, 0.8])
def test_the_tetrachoric_series_is_the_covariance_of_dichotomized_normals(correlation):
    (series,) = dg._tetrachoric_series(np.array([LEVELS]), lags=0).transpose(1, 0, 2, 3)
    powers = correlation ** np.arange(1, len(series) + 1)
    np.testing.assert_allclose(np.tensordot(powers, series, 1), exact_covariances(correlation), atol=3e-4)


@pytest.mark.parametrize("correlation", [-0.8, -0.3, 0.0, 0.05, 0.5, 0.8])
def test_latent_correlations_give_the_covariances_that_they_were_sought_for(correlation):
    (series,) = dg._tetrachoric_series(np.array([LEVELS]), lags=0).transpose(1, 0, 2, 3)
    found = latent_correlation(series, exact_covariances(correlation))
    # two rare units hardly ever meet at -0.7 as at -0.8, so of them only the covariance counts
    back = [
        [covariance_of_threshold_crossings(h, k, found[i, j]) for j, k in enumerate(LEVELS)]
        for i, h in enumerate(LEVELS)
    ]
    np.testing.assert_allclose(back, exact_covariances(correlation), atol=3e-4)
    np.testing.assert_allclose(found[2:, 2:], np.full((2, 2), correlation), atol=0.01)


def test_series_over_phases_are_means_over_the_pairs_of_bins_of_a_lag():
    thresholds = np.array([[-1.0, 0.2], [-2.0, 0.7], [0.5, -0.4]])
    series = dg._tetrachoric_series(thresholds, lags=1)
    value = np.tensordot(0.4 ** np.arange(1, len(series) + 1), series, 1)
    pairs = [(0, 1), (1, 2)]  # (t, t + 1)
    expected = np.mean(
        [covariance_of_threshold_crossings(thresholds[t, 0], thresholds[later, 1], 0.4) for t, later in pairs]
    )
    assert value[1, 0, 1] == pytest.approx(expected, abs=1e-6)


def test_covariances_out_of_reach_give_the_largest_correlation_and_constant_units_none():
    series = dg._tetrachoric_series(np.array([[-1.0, 0.0, -np.inf, np.inf]]), lags=0)[:, 0]
    found = latent_correlation(series, np.full((4, 4), 0.3))
    np.testing.assert_allclose(found[:2, :2], dg.LARGEST_CORRELATION, atol=1e-6)
    np.testing.assert_allclose(latent_correlation(series, np.full((4, 4), -0.3))[0, 1], -dg.LARGEST_CORRELATION)
    assert not found[2:].any()
    assert not found[:, 2:].any()


@pytest.fixture(scope="module")
def recording() -> Recording:
    return correlated_groups(windows=400, window_bins=128, units=6, spike_probability=0.1, refractory_bins=0, seed=1)


@pytest.fixture(scope="module")
def model(recording) -> DichotomizedGaussian:
    return fit(recording, STATIONARY)


def correlated_over_time() -> Recording:
    """A dichotomized Gaussian itself, whose units share an input that fades over some bins, in both directions."""
    random = np.random.Generator(np.random.Philox(0))
    fading = np.exp(-np.arange(12) / 3)[:, np.newaxis, np.newaxis]
    response = fading * (random.normal(0, 0.5, (6, 6)) + np.eye(6))
    response /= np.sqrt(np.square(response).sum(axis=(0, 2)))[:, np.newaxis]
    truth = DichotomizedGaussian(np.linspace(-1.5, -0.5, 6, dtype=np.float32)[np.newaxis], response.astype(np.float32))
    return from_counts(draw_bins(truth, 128 * 400, 7).reshape(400, 128, 6), 0.001)


@pytest.mark.parametrize("source", ["groups", "over time"])
def test_samples_have_the_rates_and_lagged_covariances_of_the_recording(recording, source):
    recording = recording if source == "groups" else correlated_over_time()
    sample = draw_bins(fit(recording, STATIONARY), 800_000, 0)[np.newaxis]
    rates = expected_counts(recording.counts)
    np.testing.assert_allclose(expected_counts(sample), rates, atol=0.01)
    error = np.sqrt(np.outer(rates * (1 - rates), rates * (1 - rates)) / recording.counts[..., 0].size)
    sizes = []
    for lag in (0, 1, 2, 3, 5, 10, 20):
        covariance = lagged_covariance(recording.counts, lag)
        sizes.append(np.abs(covariance / error)[~np.eye(6, dtype=bool)].max())
        deviation = (lagged_covariance(sample, lag) - covariance) / error
        assert np.abs(deviation).max() < 3
        assert np.sqrt(np.mean(deviation**2)) < 1.2
    assert sizes[0] > 40  # there was something to meet
    assert source == "groups" or sizes[4] > 10


def test_what_no_gaussian_process_has_is_nearly_met_all_the_same():
    """Units that are refractory as strongly as no latent correlation makes them, and in pairs."""
    counts = correlated_groups(windows=400, window_bins=128, units=6, spike_probability=0.1, seed=1).counts
    sample = draw_bins(fit(from_counts(counts, 0.001), STATIONARY), 800_000, 0)[np.newaxis]
    pairs = np.triu_indices(6, 1)
    wanted, found = (lagged_covariance(each, 0)[pairs] for each in (counts, sample))
    np.testing.assert_allclose(found, wanted, atol=0.1 * wanted.max())
    for lag in (1, 2, 3):
        wanted, found = (lagged_covariance(each, lag).diagonal() for each in (counts, sample))
        np.testing.assert_allclose(found, wanted, atol=2e-3)  # of a variance of 0.09


def repeated_stimulus(repeats: int, seed: int = 0) -> tuple[Recording, np.ndarray]:
    """Two units that follow a stimulus of 40 bins, one of them strongly, and their probability of a spike."""
    time = np.arange(40)
    probability = np.stack([0.3 + 0.25 * np.sin(time / 3), 0.1 + 0.05 * np.cos(time / 5)], axis=1)
    random = np.random.Generator(np.random.Philox(seed))
    return from_counts(random.random((repeats, 40, 2)) < probability, 0.001), probability


def test_with_20_repeats_of_a_stimulus_samples_follow_it_from_their_first_bin_on():
    recording, _ = repeated_stimulus(20)
    model = fit(recording, PRESETS["default"])
    psth = (recording.counts.sum(axis=0) + recording.counts.mean(axis=(0, 1))) / 21  # as one repeat more, at the mean
    sample = draw_bins(model, 40 * 4000, 0).reshape(4000, 40, 2)
    z = (sample.mean(axis=0) - psth) / np.sqrt(psth * (1 - psth) / 4000)
    assert np.abs(z).max() < 4.5
    assert np.sqrt(np.mean(z**2)) < 1.4


def test_with_many_repeats_samples_come_near_the_true_rates_over_time():
    recording, probability = repeated_stimulus(400)
    sample = draw_bins(fit(recording, PRESETS["default"]), 40 * 2000, 0).reshape(2000, 40, 2)
    np.testing.assert_allclose(sample.mean(axis=0), probability, atol=4 * np.sqrt(0.25 / 400))


@pytest.mark.parametrize(("repeats", "preset"), [(19, "default"), (200, "stationary")])
def test_with_few_repeats_or_where_asked_for_samples_have_no_phase(repeats, preset):
    model = fit(repeated_stimulus(repeats)[0], PRESETS[preset])
    assert model.thresholds.shape == (1, 2)


def test_noise_correlations_outlast_the_stimulus():
    """Both units follow one stimulus and share noise; only the latter is the filter's."""
    time = np.arange(50)
    thresholds = np.stack([np.sin(time / 4), np.sin(time / 4)], axis=1) - 0.8
    mix = np.array([[[1.0, 0.0], [0.6, 0.8]], [[0.0, 0.0], [0.0, 0.0]]])
    truth = DichotomizedGaussian(thresholds.astype(np.float32), mix.astype(np.float32))
    recording = from_counts(draw_bins(truth, 50 * 400, 0).reshape(400, 50, 2), 0.001)
    fitted = fit(recording, PRESETS["default"])
    together = np.einsum("tij,tkj->ik", fitted.filter, fitted.filter)
    assert together[0, 1] == pytest.approx(0.6, abs=0.06)
    np.testing.assert_allclose(together.diagonal(), 1, atol=1e-5)


def test_a_sample_is_one_convolution_of_white_noise_without_seams():
    """Against a sum over taps in the time domain, over several runs with phases that don't divide them."""
    model = tiny_model("dichotomized_gaussian")
    assert isinstance(model, DichotomizedGaussian)
    taps, units, _ = model.filter.shape
    bins = 2 * model.run_bins + 100
    random = random_stream(5, Purpose.BASELINE_SAMPLES)
    noise = random.standard_normal((taps - 1 + 3 * model.run_bins, units), np.float32)
    latent = sum(noise[taps - 1 - tap :][:bins] @ model.filter[tap].T for tap in range(taps))
    threshold = model.thresholds[np.arange(bins) % len(model.thresholds)]
    found = draw_bins(model, bins, 5)
    undecided = np.abs(latent - threshold) < 1e-4  # float32 rounding
    assert undecided.mean() < 0.001
    np.testing.assert_array_equal(found[~undecided], (latent < threshold)[~undecided])


def test_correlations_cross_the_borders_of_runs(monkeypatch):
    """A slow common input, and short runs so that there are many borders."""
    monkeypatch.setattr(dg, "BLOCKS_PER_RUN", 1)
    response = np.zeros((20, 6, 6), np.float32)
    response[:, :, 0] = 1
    response += 0.5 * np.eye(6, dtype=np.float32) * (np.arange(20) == 0)[:, np.newaxis, np.newaxis]
    response /= np.sqrt(np.square(response).sum(axis=(0, 2)))[:, np.newaxis]
    model = DichotomizedGaussian(np.full((1, 6), -1.0, np.float32), response)
    assert model.run_bins == dg.BLOCK_BINS
    assert seam_ratio(draw_bins(model, 4000 * model.run_bins, 0), model.run_bins) == pytest.approx(1, abs=0.08)


def test_equal_seeds_give_equal_spikes_however_many_are_drawn(model):
    longest = draw_bins(model, 3 * model.run_bins, 4)
    for bins in (1, model.run_bins, 2 * model.run_bins + 7):
        np.testing.assert_array_equal(draw_bins(model, bins, 4), longest[:bins])
    assert not np.array_equal(draw_bins(model, 1000, 5), longest[:1000])
    assert longest.dtype == np.uint8
    assert set(np.unique(longest)) == {0, 1}


@pytest.mark.parametrize("repeats", [10, 40])
def test_silent_and_always_firing_units_go_on_so(repeats, random):
    counts = random.integers(0, 2, (repeats, 100, 4))
    counts[..., 1], counts[..., 3] = 0, 1
    sample = draw_bins(fit(from_counts(counts, 0.001), PRESETS["default"]), 20_000, 0)
    assert not sample[:, 1].any()
    assert sample[:, 3].all()
    np.testing.assert_allclose(sample[:, [0, 2]].mean(axis=0), 0.5, atol=0.05)


def test_a_single_unit_is_fitted_too(random):
    model = fit(from_counts(random.random((1, 5000, 1)) < 0.2, 0.001), PRESETS["default"])
    assert draw_bins(model, 50_000, 0).mean() == pytest.approx(0.2, abs=0.02)


def test_progress_is_told_to_its_end(recording):
    told = []
    fit(recording, replace(STATIONARY, repairs=5), told.append)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1)


def test_recordings_that_do_not_suit_it_are_refused(recording):
    with pytest.raises(BadInputError, match="a dichotomized Gaussian needs at most one spike in a bin, found 2"):
        fit(replace(recording, counts=2 * recording.counts), STATIONARY)
    with pytest.raises(BadInputError, match=r"expected repeats longer than 20 bins \(the lags\), found 20"):
        fit(replace(recording, counts=recording.counts[:, :20]), STATIONARY)
    fit(replace(recording, counts=recording.counts[:, :21]), STATIONARY)


def test_a_model_is_its_arrays(model):
    again = DichotomizedGaussian.from_arrays(model.arrays())
    assert again.units == 6
    for name, value in model.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], value)
    np.testing.assert_array_equal(draw_bins(again, 5000, 1), draw_bins(model, 5000, 1))


THRESHOLDS, FILTER = np.zeros((1, 3)), np.ones((4, 3, 3))


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"thresholds": THRESHOLDS},
        {"filter": FILTER},
        {"thresholds": THRESHOLDS[0], "filter": FILTER},
        {"thresholds": np.zeros((1, 4)), "filter": FILTER},
        {"thresholds": np.zeros((0, 3)), "filter": FILTER},
        {"thresholds": np.zeros((1, 0)), "filter": np.ones((4, 0, 0))},
        {"thresholds": THRESHOLDS, "filter": FILTER[:, :2]},
        {"thresholds": THRESHOLDS, "filter": FILTER[:1]},
        {"thresholds": THRESHOLDS, "filter": np.ones((2**16 + 1, 3, 3))},
        {"thresholds": THRESHOLDS.astype(int), "filter": FILTER},
        {"thresholds": THRESHOLDS, "filter": FILTER.astype(np.uint8)},
        {"thresholds": THRESHOLDS * np.nan, "filter": FILTER},
        {"thresholds": THRESHOLDS, "filter": FILTER * np.nan},
        {"thresholds": THRESHOLDS, "filter": FILTER * np.inf},
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_arrays_of_something_else_are_refused(arrays):
    with pytest.raises(BadInputError, match="expected the arrays of a dichotomized Gaussian"):
        DichotomizedGaussian.from_arrays(arrays)
