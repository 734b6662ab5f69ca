import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from spikeloop.models.families.own_history import LARGEST, LARGEST_SUM, OwnHistory
from spikeloop.models.families.population import population_of
from spikeloop.models.recordings.recording import from_counts

NOTHING = torch.zeros(1, 12)


@pytest.fixture
def counts():
    return np.random.default_rng(0).poisson([0.2, 1.5, 3.0], (2, 40, 3)).astype(np.uint8)


@pytest.fixture
def history(counts):
    made = OwnHistory(4, population_of(from_counts(counts, 0.02)))
    with torch.no_grad():
        made.weights.normal_(generator=torch.Generator().manual_seed(0))
    return made


def test_the_sums_before_each_bin_are_those_that_are_passed_from_bin_to_bin(history, counts):
    values = torch.as_tensor(counts).float()
    sums, passed = history.before(values, NOTHING), torch.zeros(2, history.size)
    for bin_ in range(values.shape[1]):
        torch.testing.assert_close(sums[:, bin_], passed)
        passed = history.after(passed, values[:, bin_])


def test_the_sums_go_on_from_those_before_the_first_bin(history, counts):
    values = torch.as_tensor(counts).float()
    whole = history.before(values, NOTHING)
    torch.testing.assert_close(history.before(values[:, 15:], whole[:, 15]), whole[:, 15:])


def test_a_sum_is_the_past_weighted_by_an_exponential_of_its_time_constant_in_standard_deviations(history, counts):
    standard = (counts - counts.mean((0, 1))) / counts.std((0, 1))
    standard = np.clip(standard, -LARGEST, LARGEST)
    sums = history.before(torch.as_tensor(counts).float(), NOTHING).unflatten(-1, (4, 3)).numpy()
    for index, time_constant in enumerate((1, 30 ** (1 / 3), 30 ** (2 / 3), 30)):
        left = math.exp(-1 / time_constant)
        weights = (1 - left) * left ** np.arange(30)
        weights /= np.sqrt((1 - left) / (1 + left))  # the deviation of such a mean of independent bins
        expected = sum(weight * standard[:, 29 - passed] for passed, weight in enumerate(weights))
        np.testing.assert_allclose(sums[:, 30, index], expected, atol=1e-5)


def test_a_unit_acts_on_itself_alone(history, counts):
    values = torch.as_tensor(counts).float()
    changed = values.clone()
    changed[:, 3, 1] += 2
    difference = history.effect(history.before(changed, NOTHING)) - history.effect(history.before(values, NOTHING))
    assert torch.all(difference[:, :4] == 0)
    assert torch.all(difference[:, 4:, [0, 2]] == 0)
    assert torch.all(difference[:, 4, 1] != 0)


def test_no_burst_counts_more_than_a_few_standard_deviations(history, counts):
    values = torch.as_tensor(counts).float()
    burst, larger = values.clone(), values.clone()
    burst[:, 3], larger[:, 3] = 100, 200
    torch.testing.assert_close(history.before(burst, NOTHING), history.before(larger, NOTHING))


def test_no_unit_excites_itself_without_bound(history):
    """However long it has fired at its most, its past adds at most as many standard deviations of each sum."""
    most = history.effect(history.before(torch.full((1, 400, 3), 255.0), NOTHING))
    assert torch.all(most <= LARGEST_SUM * history.weights.abs().sum(0) + 1e-5)
    assert torch.all(
        history.weights.abs().sum(0) * LARGEST_SUM < LARGEST * (history.weights.abs() * history.scale).sum(0)
    )


def test_units_that_hardly_ever_fire_are_sound(counts):
    population = replace(population_of(from_counts(counts, 0.02)), deviations=np.zeros(3))
    history = OwnHistory(4, population)
    assert torch.isfinite(history.before(torch.as_tensor(counts).float(), NOTHING)).all()
