from dataclasses import asdict, replace

import numpy as np
import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.models.families.population import population_of, population_of_description
from spikeloop.models.recordings.conditioning import with_conditions, with_phase
from spikeloop.models.recordings.recording import from_counts
from spikeloop.models.training.validation import describe_recording


@pytest.fixture
def recording(random):
    counts = random.poisson([0.5, 2.0, 4.0], (6, 40, 3))
    return with_conditions(from_counts(counts, 0.05), random.normal(5, 2, (6, 40, 2)), ("x", "y"), ("cm", "cm"))


def test_a_population_has_the_moments_of_its_recording(recording):
    population = population_of(recording)
    counts, conditions = recording.counts.reshape(-1, 3), recording.conditions.reshape(-1, 2)
    assert (population.units, population.largest) == (3, counts.max())
    assert population.channels == recording.channels
    np.testing.assert_allclose(population.means, counts.mean(axis=0))
    np.testing.assert_allclose(population.deviations, counts.std(axis=0))
    np.testing.assert_allclose(population.condition_means, conditions.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(population.condition_deviations, conditions.std(axis=0), rtol=1e-5)


def test_what_units_emit_follows_from_the_recording(recording):
    assert population_of(recording).distribution == "counts"
    assert population_of(replace(recording, counts=np.minimum(recording.counts, 1))).distribution == "bernoulli"
    imaged = replace(recording, counts=recording.counts / np.float32(7), signal="fluorescence")
    assert population_of(imaged).distribution == "fluorescence"


@pytest.mark.parametrize("phased", [False, True])
def test_a_checkpoints_description_gives_a_population_of_the_same_shape(recording, phased):
    recording = with_phase(recording) if phased else recording
    whole, again = population_of(recording), population_of_description(describe_recording(recording))
    assert (again.distribution, again.largest, again.units) == (whole.distribution, whole.largest, whole.units)
    assert again.channels == whole.channels
    assert again.condition_means.shape == whole.condition_means.shape


def test_a_description_without_what_it_did_not_have_to_say_is_of_spikes_that_nothing_drives():
    population = population_of_description({"name": "old", "unit_names": ["a", "b"]})
    assert (population.distribution, population.largest, population.channels) == ("bernoulli", 1, ())


def test_a_description_with_unsound_channels_is_refused(recording):
    odd = asdict(recording.channels[0]) | {"low": "much"}
    with pytest.raises(BadInputError, match="mine: expected a condition's name"):
        population_of_description({"name": "mine", "unit_names": ["a"], "channels": [odd]})
