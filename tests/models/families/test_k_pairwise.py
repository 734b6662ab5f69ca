from dataclasses import replace
from itertools import product
from unittest.mock import create_autospec

import numpy as np
import pytest

from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.families.baselines import draw_bins
from spikeloop.models.families.k_pairwise import IMPOSSIBLE, KPairwise, KPairwiseConfig, fit, sweep
from spikeloop.models.measures.statistics import lagged_covariance
from spikeloop.models.recordings.recording import Recording, from_counts
from spikeloop.models.recordings.simulated import correlated_groups

CONFIG = KPairwiseConfig(chains=4096, steps=800)


def patterns_of(units: int) -> np.ndarray:
    """Every state, (2**units, units)."""
    return np.array(list(product((0, 1), repeat=units)))


def exact(model: KPairwise) -> np.ndarray:
    """Probability of every state, from its definition."""
    states = patterns_of(model.units)
    population = states.sum(axis=1)
    with np.errstate(invalid="ignore"):
        fields = np.where(states == 1, model.fields.astype(np.float64), 0).sum(axis=1)
    pairs = np.einsum("si,ij,sj->s", states, np.triu(model.couplings.astype(np.float64), 1), states)
    log = fields + pairs + model.potentials.astype(np.float64)[population]
    weight = np.exp(log - log.max())
    return weight / weight.sum()


def frequencies(spikes: np.ndarray) -> np.ndarray:
    """How often each state occurs in (bins, units)."""
    units = spikes.shape[1]
    number = spikes.astype(np.int64) @ (1 << np.arange(units)[::-1])
    return np.bincount(number, minlength=2**units) / len(spikes)


def moments(probability: np.ndarray, units: int) -> tuple[np.ndarray, np.ndarray]:
    """E[x_i x_j] with rates on the diagonal, and P(K)."""
    states = patterns_of(units)
    pairs = (states * probability[:, np.newaxis]).T @ states
    return pairs, np.bincount(states.sum(axis=1), probability, minlength=units + 1)


@pytest.fixture(scope="module")
def recording() -> Recording:
    return correlated_groups(windows=300, window_bins=128, units=4, spike_probability=0.2, seed=2)


@pytest.fixture(scope="module")
def model(recording) -> KPairwise:
    return fit(recording, CONFIG)


@pytest.mark.parametrize("units", [3, 4, 5])
def test_samples_have_the_probabilities_of_the_definition(units):
    random = np.random.Generator(np.random.Philox(units))
    couplings = random.normal(0, 0.8, (units, units))
    couplings = np.triu(couplings, 1) + np.triu(couplings, 1).T
    arrays = random.normal(-1, 0.5, units), couplings, random.normal(0, 0.5, units + 1)
    model = KPairwise(*(each.astype(np.float32) for each in arrays))
    bins = 400 * model.run_bins
    expected = exact(model)
    z = (frequencies(draw_bins(model, bins, 0)) - expected) / np.sqrt(expected * (1 - expected) / bins)
    assert np.abs(z).max() < 4.5
    assert np.sqrt(np.mean(z**2)) < 1.5


def test_samples_of_a_fitted_model_have_its_probabilities(model):
    bins = 300 * model.run_bins
    expected = exact(model)
    z = (frequencies(draw_bins(model, bins, 1)) - expected) / np.sqrt(expected * (1 - expected) / bins)
    assert np.abs(z).max() < 4.5


def test_rates_pairs_and_population_counts_meet_the_datas(recording, model):
    """To within the error that they have as measured from so many bins."""
    spikes = recording.counts.reshape(-1, 4)
    pairs, population = moments(frequencies(spikes), 4)
    found_pairs, found_population = moments(exact(model), 4)
    np.testing.assert_allclose(found_pairs, pairs, atol=2 * np.sqrt(0.1 / len(spikes)))
    np.testing.assert_allclose(found_population, population, atol=2 * np.sqrt(0.1 / len(spikes)))
    off_diagonal = np.triu_indices(4, 1)
    covariance = (pairs - np.outer(pairs.diagonal(), pairs.diagonal()))[off_diagonal]
    assert np.abs(covariance).max() > 10 * np.sqrt(0.1 / len(spikes))  # there was something to meet


def test_the_fit_finds_the_model_that_made_the_data():
    """What the parameters share (a constant coupling is a potential) differs; probabilities don't."""
    couplings = np.zeros((4, 4), np.float32)
    couplings[0, 1] = couplings[1, 0] = 1.5
    couplings[2, 3] = couplings[3, 2] = -1.0
    potentials = np.array([0, 0.3, 0, -0.5, 0], np.float32)
    truth = KPairwise(np.array([-1.5, -1, -2, -0.5], np.float32), couplings, potentials)
    recording = from_counts(draw_bins(truth, 200_000, 0), 0.001)
    np.testing.assert_allclose(exact(fit(recording, CONFIG)), exact(truth), atol=0.005)


def test_independent_units_need_no_couplings(random):
    rates = np.array([0.1, 0.2, 0.3, 0.4])
    fitted = fit(from_counts(random.random((1, 200_000, 4)) < rates, 0.001), CONFIG)
    assert np.abs(fitted.couplings).max() < 0.1
    independent = np.where(patterns_of(4) == 1, rates, 1 - rates).prod(axis=1)
    np.testing.assert_allclose(exact(fitted), independent, atol=0.004)


def test_couplings_are_symmetric_without_a_diagonal(model):
    np.testing.assert_array_equal(model.couplings, model.couplings.T)
    assert not model.couplings.diagonal().any()


def test_bins_are_independent_of_each_other(model):
    sample = draw_bins(model, 200 * model.run_bins, 0)
    for apart in (1, 2, model.run_bins):  # in one run, and the next states of one chain
        pairs = sample[apart:], sample[:-apart]
        across = lagged_covariance(np.stack(pairs, axis=1), 1)
        assert np.abs(across).max() < 5 * 0.25 / np.sqrt(len(sample))


def test_silent_and_always_firing_units_go_on_so(random):
    counts = random.integers(0, 2, (1, 5000, 4))
    counts[..., 1], counts[..., 3] = 0, 1
    fitted = fit(from_counts(counts, 0.001), KPairwiseConfig(chains=1024, steps=200))
    assert (fitted.fields[1], fitted.fields[3]) == (-np.inf, np.inf)
    sample = draw_bins(fitted, 20_000, 0)
    assert not sample[:, 1].any()
    assert sample[:, 3].all()
    np.testing.assert_allclose(sample[:, [0, 2]].mean(axis=0), 0.5, atol=0.05)


def test_population_counts_that_were_never_recorded_are_never_sampled(random):
    """One unit at a time at most, though each fires often."""
    counts = np.eye(5, dtype=np.uint8)[random.integers(0, 5, 4000)] * (random.random((4000, 1)) < 0.8)
    fitted = fit(from_counts(counts, 0.001), KPairwiseConfig(chains=1024, steps=300))
    np.testing.assert_array_equal(fitted.potentials[2:], IMPOSSIBLE)
    assert draw_bins(fitted, 50_000, 0).sum(axis=1).max() == 1


def test_equal_seeds_give_equal_spikes_however_many_are_drawn(model):
    longest = draw_bins(model, 3 * model.run_bins, 4)
    for bins in (1, model.run_bins, 2 * model.run_bins + 7):
        np.testing.assert_array_equal(draw_bins(model, bins, 4), longest[:bins])
    assert not np.array_equal(draw_bins(model, 1000, 5), longest[:1000])
    assert longest.dtype == np.uint8


def test_two_streams_of_one_model_do_not_touch_each_other(model):
    one, other = (model.sampler(np.random.Generator(np.random.Philox(3))) for _ in range(2))
    for _ in range(3):
        np.testing.assert_array_equal(one(), other())


def test_equal_seeds_fit_equal_models_and_progress_is_told_to_its_end(recording):
    told = []
    config = KPairwiseConfig(chains=512, steps=20)
    one = fit(recording, config, told.append)
    for name, value in fit(recording, config).arrays().items():
        np.testing.assert_array_equal(one.arrays()[name], value)
    assert told == sorted(told)
    assert (len(told), told[-1]) == (20, 1.0)
    assert not np.array_equal(one.fields, fit(recording, replace(config, seed=1)).fields)


def test_counts_above_1_are_refused(recording):
    with pytest.raises(BadInputError, match="a k-pairwise model needs at most one spike in a bin, found 3"):
        fit(replace(recording, counts=3 * recording.counts), CONFIG)


def test_a_model_is_its_arrays(model):
    again = KPairwise.from_arrays(model.arrays())
    for name, value in model.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], value)
    np.testing.assert_array_equal(draw_bins(again, 3000, 1), draw_bins(model, 3000, 1))
    silent = model.arrays() | {"fields": np.full(4, -np.inf)}
    assert KPairwise.from_arrays(silent).fields.dtype == np.float32


FIELDS, COUPLINGS, POTENTIALS = np.zeros(3), np.zeros((3, 3)), np.zeros(4)


@pytest.mark.parametrize(
    "wrong",
    [
        {"fields": None},
        {"couplings": None},
        {"potentials": None},
        {"fields": np.zeros(0)},
        {"fields": np.zeros((3, 1))},
        {"couplings": np.zeros((3, 4))},
        {"couplings": np.zeros((4, 4))},
        {"potentials": np.zeros(3)},
        {"potentials": np.zeros(4, int)},
        {"fields": FIELDS * np.nan},
        {"couplings": np.full((3, 3), np.nan)},
        {"potentials": np.full(4, np.nan)},
    ],
)
def test_arrays_of_something_else_are_refused(wrong):
    arrays = {"fields": FIELDS, "couplings": COUPLINGS, "potentials": POTENTIALS} | wrong
    with pytest.raises(BadInputError, match="expected the arrays of a k-pairwise model"):
        KPairwise.from_arrays({name: value for name, value in arrays.items() if value is not None})


def test_a_silent_unit_does_not_fire_at_the_smallest_random_number_either():
    """Float32 draws are multiples of 2**-24, so that 0.0 comes every 17 million draws."""
    zeros = create_autospec(np.random.Generator, instance=True)
    zeros.random.side_effect = lambda size, dtype: np.zeros(size, dtype)
    chains = np.zeros((1, 10), np.float32)
    nothing = np.zeros((1, 1), np.float32), np.zeros(2, np.float32)
    sweep(chains, np.array([-np.inf], np.float32), *nothing, zeros)
    assert not chains.any()


def test_copies_that_gibbs_sampling_can_not_follow_are_told(random):
    one = random.random((40, 200, 1)) < 0.1
    with pytest.raises(FailureError, match="did not reach the data's mean count .*remove the copies"):
        fit(from_counts(np.repeat(one, 3, axis=2), 0.02), KPairwiseConfig(chains=1024, steps=600))
