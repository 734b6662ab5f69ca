import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from spikeloop.models.errors import BadInputError
from spikeloop.models.evaluation.windows import STEPS, evaluate, windows_of_samples
from spikeloop.models.measures.published_errors import published_errors
from spikeloop.models.measures.similarity import Similarity, distance, independent_units
from spikeloop.models.measures.table import DYNAMIC_STATISTICS, SPIKE_STATISTICS, TRACE_STATISTICS
from spikeloop.models.recordings.recording import Recording, from_counts
from spikeloop.models.recordings.simulated import correlated_groups

BINS = 8

pytestmark = pytest.mark.usefixtures("few_trees")


@pytest.fixture(scope="module")
def parts():
    """Training of 60 repeats, 30 held out, 300 more; each holds 5 windows."""
    whole = correlated_groups(
        windows=390, window_bins=5 * BINS, units=4, correlation=0.6, spike_probability=0.2, seed=1
    )
    return [replace(whole, counts=part) for part in np.split(whole.counts, [60, 90])]


@pytest.fixture(scope="module")
def evaluations(parts):
    """Of a perfect model, of one without correlations, and of one that gives back its training."""
    training, held_out, third = parts
    random = np.random.Generator(np.random.Philox(0))
    sampled = {
        "perfect": np.concatenate([third.counts[:, :BINS], third.counts[:, -BINS:]]),
        "independent": independent_units(windows_of_samples(training, BINS), 600, random),
        "by heart": windows_of_samples(training, BINS),
    }
    return {name: evaluate(each, training, held_out) for name, each in sampled.items()}


def test_a_perfect_model_is_told_from_the_others(evaluations):
    perfect, independent, by_heart = evaluations.values()
    assert [each.statistic for each in perfect.similarity] == [*SPIKE_STATISTICS, *DYNAMIC_STATISTICS]
    assert perfect.mean_ratio == pytest.approx(1, abs=0.4)
    assert independent.mean_ratio > 1.3 * perfect.mean_ratio
    assert independent.published.covariance > perfect.published.covariance
    assert by_heart.memorisation > 0.54 > perfect.memorisation > 0.46
    assert by_heart.duplicates > perfect.duplicates
    assert by_heart.real_duplicates == perfect.real_duplicates


def test_two_sample_tests_compare_with_chance(evaluations):
    perfect, independent, _ = evaluations.values()
    assert perfect.real_two_sample == pytest.approx(0.5, abs=0.15)
    assert perfect.two_sample == pytest.approx(0.5, abs=0.15)
    assert independent.two_sample > 0.6


def test_every_ratio_has_an_interval_about_it(evaluations):
    for evaluation in evaluations.values():
        for each in evaluation.similarity:
            if each.statistic in SPIKE_STATISTICS:  # bursts are rare here: many draws differ in nothing
                assert each.low < each.ratio < each.high


def test_the_windows_for_pictures_are_those_compared(evaluations):
    perfect = evaluations["perfect"]
    assert perfect.sampled.shape == perfect.held_out.shape == (150, BINS, 4)
    assert perfect.published == published_errors(perfect.sampled, perfect.held_out)


def test_mean_and_worst_ratio_leave_out_what_has_none(evaluations):
    some = [
        Similarity("a", 2, 1, 3),
        Similarity("b", math.nan, 1, 3),
        Similarity("c", 4, 1, 3),
        Similarity("d", 1, 0, 3),
    ]
    evaluation = replace(evaluations["perfect"], similarity=tuple(some))
    assert evaluation.mean_ratio == 3
    assert evaluation.worst.statistic == "d"  # it differs from what never does
    assert math.isnan(replace(evaluation, similarity=(some[1], some[3])).mean_ratio)
    assert math.isnan(replace(evaluation, similarity=(some[1],)).worst.ratio)


def test_dynamic_statistics_have_a_mean_and_a_worst_of_their_own(evaluations):
    some = (Similarity("rates", 2, 1, 3), Similarity("burst_share", 5, 1, 3), Similarity("burst_sizes", 9, 1, 3))
    evaluation = replace(evaluations["perfect"], similarity=some)
    assert (evaluation.mean_ratio, evaluation.worst.statistic) == (2, "rates")
    assert (evaluation.dynamic_mean_ratio, evaluation.dynamic_worst.statistic) == (7, "burst_sizes")
    perfect, independent, _ = evaluations.values()
    assert perfect.dynamic_mean_ratio == pytest.approx(1, abs=0.4)
    assert independent.dynamic_mean_ratio > 1.3 * perfect.dynamic_mean_ratio


def test_a_continuous_recording_is_judged_in_stretches_with_progress_told(parts):
    training, held_out, third = (replace(part, counts=part.counts.reshape(1, -1, 4)) for part in parts)
    calls = []
    evaluation = evaluate(
        windows_of_samples(third, BINS), training, held_out, seed=3, on_progress=lambda: calls.append(0)
    )
    assert len(calls) == STEPS
    assert evaluation.held_out.shape == (7 * 20, BINS, 4)  # 20 stretches of 60 bins


def test_what_cannot_be_judged_is_refused(parts):
    training, held_out, third = parts
    sampled = windows_of_samples(third, BINS)
    with pytest.raises(BadInputError, match="expected 4 units, as in correlated groups, found 3"):
        evaluate(sampled[:, :, :3], training, held_out)
    with pytest.raises(BadInputError, match="expected at least 150 windows"):
        evaluate(sampled[:149], training, held_out)
    with pytest.raises(BadInputError, match="expected repeats of at least 41 bins"):
        evaluate(np.zeros((150, 41, 4), np.uint8), training, held_out)
    few = replace(held_out, counts=held_out.counts[:4, :15])
    with pytest.raises(
        BadInputError, match="correlated groups: expected at least 5 repeats.*found 60 and 4; lower --hold-out"
    ):
        evaluate(sampled, training, few)
    with pytest.raises(BadInputError, match="found 4 and 30"):
        evaluate(sampled, few, held_out)
    with pytest.raises(BadInputError, match="as many as for training"):
        evaluate(sampled, replace(training, counts=training.counts[:20]), held_out)


def test_samples_as_long_as_a_window_are_taken_and_longer_ones_cut_at_random_places():
    counts = np.arange(6 * 40).reshape(6, 40, 1).astype(np.uint8)
    recording = from_counts(counts, 0.001)
    np.testing.assert_array_equal(windows_of_samples(recording, 40), counts)
    cut = windows_of_samples(recording, 4)[:, :, 0].astype(int)
    assert cut.shape == (6 * 4 * 2, 4)  # 4 stretches of 10 bins a repeat hold 2 windows each
    np.testing.assert_array_equal(np.diff(cut, axis=1), 1)
    assert len(np.unique(cut[:, 0] % 4)) > 1
    np.testing.assert_array_equal(cut, windows_of_samples(recording, 4)[:, :, 0])
    assert not np.array_equal(cut, windows_of_samples(recording, 4, seed=1)[:, :, 0])
    with pytest.raises(BadInputError, match="expected repeats of at least 41 bins"):
        windows_of_samples(recording, 41)


@pytest.fixture(scope="module")
def traces():
    """Fluorescence of units that share a slow signal; training of 60 repeats, 30 held out, 300 more."""
    random = np.random.Generator(np.random.Philox(2))
    light = np.zeros((390, 5 * BINS, 4), np.float32)
    for bin_ in range(1, light.shape[1]):
        shared = random.gamma(0.5, 1.0, (390, 1))
        light[:, bin_] = 0.7 * light[:, bin_ - 1] + shared + random.gamma(0.5, 1.0, (390, 4))
    whole = Recording(light, 0.1, tuple("abcd"), "traces", signal="fluorescence")  # type: ignore[arg-type]
    return [replace(whole, counts=part) for part in np.split(light, [60, 90])]


def test_fluorescence_is_judged_by_what_needs_no_spikes(traces):
    training, held_out, third = traces
    random = np.random.Generator(np.random.Philox(0))
    perfect = evaluate(windows_of_samples(third, BINS), training, held_out)
    independent = evaluate(independent_units(windows_of_samples(training, BINS), 600, random), training, held_out)
    assert [each.statistic for each in perfect.similarity] == [
        *TRACE_STATISTICS,
        "cross_correlograms",
        "participation_ratio",
    ]
    assert all(0 < each.low < each.ratio < each.high < math.inf for each in perfect.similarity)
    assert perfect.published is None
    assert perfect.mean_ratio == pytest.approx(1, abs=0.4)
    assert perfect.two_sample == pytest.approx(0.5, abs=0.15)
    ratios = {each.statistic: each.ratio for each in independent.similarity}
    assert min(ratios[name] for name in ("autocorrelation", "covariance", "lag_1_covariance")) > 3
    assert ratios["quantiles"] < 2  # independent units keep their values, in another order


def test_quantiles_lie_apart_as_wasserstein_says(traces):
    training, held_out, _ = traces
    other = replace(held_out, counts=1.3 * held_out.counts)
    one, two = (TRACE_STATISTICS["quantiles"].function(each.counts) for each in (training, other))
    flat = [each.counts.reshape(-1, 4) for each in (training, other)]
    expected = np.mean([wasserstein_distance(flat[0][:, unit], flat[1][:, unit]) for unit in range(4)])
    assert distance("quantiles", one, two) == pytest.approx(expected, rel=0.1)


def test_too_few_windows_of_traces_are_refused(traces):
    training, held_out, third = traces
    with pytest.raises(BadInputError, match="expected at least 150 windows"):
        evaluate(windows_of_samples(third, BINS)[:149], training, held_out)


def test_counts_above_1_tell_models_apart():
    """Bursts of several spikes a bin, shared by the units, against independent units of the same counts."""
    random = np.random.Generator(np.random.Philox(3))
    gain = np.repeat(random.gamma(1.0, 1.0, (390, 2 * BINS, 1)), 3, axis=1)
    counts = random.poisson(2 * gain, (390, 6 * BINS, 4)).clip(max=255).astype(np.uint8)
    training, held_out, third = (from_counts(part, 0.05) for part in np.split(counts, [60, 90]))
    assert counts.max() > 10
    perfect = evaluate(windows_of_samples(third, BINS), training, held_out)
    shuffled = independent_units(windows_of_samples(training, BINS), 600, random)
    independent = evaluate(shuffled, training, held_out)
    assert perfect.mean_ratio == pytest.approx(1, abs=0.4)
    assert perfect.two_sample == pytest.approx(0.5, abs=0.15)
    assert independent.two_sample > 0.7
    # each unit's windows stay as they are; each count of a window is rare here; bursts last 3 bins
    alike = ("rates", "fano_factor", "window_counts", "lag_5_covariance")
    for good, bad in zip(perfect.similarity, independent.similarity, strict=True):
        if good.statistic in SPIKE_STATISTICS and good.statistic not in alike:
            assert bad.ratio > 1.3 * good.ratio, good.statistic


def test_windows_of_a_model_lie_at_other_places_than_those_of_held_out_data(parts):
    """Or a model that follows the phase of a stimulus would be judged at the very same places of it."""
    training, held_out, _ = parts
    sampled = windows_of_samples(held_out, BINS, seed=5)
    found = evaluate(sampled, training, held_out, seed=5)
    drawn, judged = (np.sort([window.tobytes() for window in windows]) for windows in (sampled, found.held_out))
    assert not np.array_equal(drawn, judged)
