import numpy as np
import pytest
import scipy.stats

from spikeloop.models.decoders.decoder import decode
from spikeloop.models.decoders.population_vector import PopulationVectorDecoder, fit_tuning
from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.decoding_scores import r_squared
from tests.support.reaching import moving


def cosine_tuned(velocity, angles, baselines, modulations):
    """Noiseless rates of units."""
    return baselines + modulations * (velocity @ [np.cos(angles), np.sin(angles)])


def even(units):
    return np.arange(units) * 2 * np.pi / units


def test_tuning_that_made_noiseless_counts_is_found(random):
    velocity = random.normal(3.0, 10.0, (50, 2))
    angles, baselines, modulations = even(7), np.arange(7.0), np.linspace(0.1, 2, 7)
    found = fit_tuning(cosine_tuned(velocity, angles, baselines, modulations), velocity)
    np.testing.assert_allclose(found.baseline, baselines, atol=1e-9)
    np.testing.assert_allclose(found.modulation, modulations)
    np.testing.assert_allclose(found.preferred, np.transpose([np.cos(angles), np.sin(angles)]), atol=1e-9)
    assert found.tuned.all()


def test_the_vector_of_noiseless_evenly_spread_units_is_the_velocity_itself(random):
    velocity, later = random.normal(3.0, 10.0, (2, 60, 2))
    tuning = even(8), np.linspace(0, 5, 8), np.linspace(0.1, 2, 8)
    decoder = PopulationVectorDecoder(history_bins=1)
    decoder.fit(cosine_tuned(velocity, *tuning), velocity)
    np.testing.assert_allclose(decode(decoder, cosine_tuned(later, *tuning)), later, atol=1e-9)


def test_the_boxcar_is_the_mean_of_the_last_bins_scaled_by_one_regressed_factor(random):
    data = moving(random, 400)
    decoder = PopulationVectorDecoder(history_bins=5)
    decoder.fit(data.counts, data.kinematics)
    found = fit_tuning(data.counts, data.kinematics)
    padded = np.concatenate([np.tile(data.counts.mean(axis=0), (4, 1)), data.counts])
    rates = np.mean([padded[lag : lag + 400] for lag in range(5)], axis=0)
    vectors = ((rates - found.baseline) / found.modulation) @ found.preferred
    factor = np.sum(vectors * data.kinematics) / np.sum(vectors**2)
    np.testing.assert_allclose(decode(decoder, data.counts), factor * vectors, atol=1e-9)


def test_units_are_tuned_if_the_f_test_says_so_and_others_have_no_vote(random):
    data = moving(random, 400)
    noise = random.poisson(1.0, (400, 100)).astype(np.uint8)
    counts = np.concatenate([data.counts, noise], axis=1)
    found = fit_tuning(counts, data.kinematics)
    design = np.column_stack([np.ones(400), data.kinematics])
    left = np.square(counts - design @ np.linalg.lstsq(design, counts, rcond=None)[0]).sum(axis=0)
    whole = np.square(counts - counts.mean(axis=0)).sum(axis=0)
    expected = scipy.stats.f.sf((whole - left) / 2 / (left / 397), 2, 397) < 0.05
    np.testing.assert_array_equal(found.tuned, expected)
    assert found.tuned[:12].all()
    assert 0 < found.tuned[12:].sum() < 20
    alone, among = PopulationVectorDecoder(), PopulationVectorDecoder()
    alone.fit(counts[:, found.tuned], data.kinematics)
    among.fit(counts, data.kinematics)
    np.testing.assert_allclose(decode(among, counts), decode(alone, counts[:, found.tuned]), atol=1e-9)


def test_a_population_that_knows_nothing_stands_still(random):
    decoder = PopulationVectorDecoder()
    decoder.fit(np.ones((50, 3), np.uint8), random.standard_normal((50, 2)))
    np.testing.assert_array_equal(decoder.step(np.array([4, 0, 2])), [0, 0])


def test_a_boxcar_steadies_the_vector(random):
    training, test = moving(random, 3000), moving(random, 1000)
    scores = []
    for history_bins in (1, 5):
        decoder = PopulationVectorDecoder(history_bins)
        decoder.fit(training.counts, training.kinematics)
        scores.append(r_squared(test.kinematics, decode(decoder, test.counts)))
    assert (scores[1] > scores[0]).all()


def test_other_columns_few_bins_and_no_history_are_refused(random):
    with pytest.raises(BadInputError, match="history_bins of 1 or more, found 0"):
        PopulationVectorDecoder(history_bins=0)
    for shape in ((3, 2), (50, 3)):
        with pytest.raises(BadInputError, match="a velocity of shape"):
            PopulationVectorDecoder().fit(np.ones((shape[0], 4)), np.zeros(shape))
