from dataclasses import replace

import numpy as np
import pytest
import torch

from spikeloop.models.families.population import Population
from spikeloop.models.families.spike_gan import PRESETS, Generator, SpikeGan
from spikeloop.models.families.training_data import TrainingData
from spikeloop.models.recordings.recording import from_counts

UNITS = 7
NONE = np.zeros(0)


def of_rates(rates) -> Population:
    """Units that fire so many spikes a bin."""
    means = np.zeros(UNITS) + rates
    return Population("bernoulli", 1, means, np.sqrt(means * (1 - means)), (), NONE, NONE)


def data_of(windows: torch.Tensor) -> TrainingData:
    """Training data of which every repeat is a window."""
    return TrainingData(from_counts(windows.numpy(), 0.02), torch.device("cpu"))


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.fixture
def random_numbers():
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("bins", [32, 64])
def test_every_preset_maps_latents_to_probabilities_and_windows_to_scores(preset, bins):
    config = replace(PRESETS[preset], window_bins=bins)
    generator = Generator(config, UNITS)
    probability = generator(torch.randn(3, generator.latent_size))
    assert probability.shape == (3, bins, UNITS)
    assert torch.all((probability > 0) & (probability < 1))
    assert SpikeGan(config, of_rates(0.1)).critic(probability).shape == (3,)


def test_the_generator_starts_at_each_units_rate():
    rates = torch.tensor([0.01, 0.05, 0.2, 0.0, 0.5, 0.9, 0.02])
    model = SpikeGan(PRESETS["fast"], of_rates(rates.double().numpy()))
    probability = model.generator(torch.randn(500, model.generator.latent_size)).mean(dim=(0, 1))
    torch.testing.assert_close(probability, rates, atol=0.02, rtol=0.1)


@pytest.mark.parametrize(("neighbour", "lies_between"), [(-2.0, (0.0, 0.7)), (0.0, (0.8, 1.2)), (2.0, (1.4, 9.0))])
def test_the_filter_of_a_units_own_noise_shapes_its_intervals(neighbour, lies_between, random_numbers):
    generator = Generator(PRESETS["fast"], UNITS)
    assert generator.unit_noise is not None
    weights = torch.zeros_like(generator.unit_noise.filter.weight)
    weights[:, :, 4], weights[:, :, 3] = 2.0, neighbour
    generator.unit_noise.filter.load_state_dict({"weight": weights})
    generator.set_rates(torch.full((UNITS,), 0.2))
    with torch.no_grad():
        spikes = torch.bernoulli(generator(torch.randn(2000, generator.latent_size, generator=random_numbers)))
    followed = (spikes[:, 1:] * spikes[:, :-1]).mean() / spikes.mean() ** 2
    assert lies_between[0] < followed < lies_between[1]


def test_the_convolutional_generator_shares_its_weights_over_time():
    sizes = {
        bins: sum(p.numel() for n, p in Generator(replace(PRESETS["fast"], window_bins=bins), UNITS).named_parameters()
                  if "project" not in n)
        for bins in (32, 64)
    }  # fmt: skip
    assert sizes[32] == sizes[64]


def test_a_learning_step_moves_generator_critic_and_average(random_numbers):
    model = SpikeGan(replace(PRESETS["fast"], batch=4), of_rates(0.1))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    windows = (torch.rand(4, 32, UNITS) < 0.1).float()
    loss = model.learn(0, data_of(windows), model.optimizers(), random_numbers)
    assert np.isfinite(loss)
    before.pop("critic.body.score.bias")  # cancels between real and fake
    before.pop("calibration")  # comes after training
    before.pop("critic.scale")  # is given
    for name in before:
        value = model.state_dict()[name]
        assert not torch.equal(value, before[name]), name
    assert all(not p.requires_grad for p in model.average.parameters())
    assert all(p.requires_grad for p in model.critic.parameters())


def test_the_learning_rate_falls_with_the_step_and_not_with_the_runs_length(random_numbers):
    model = SpikeGan(replace(PRESETS["fast"], batch=2, decay_steps=100), of_rates(0.1))
    optimizers = model.optimizers()
    windows = torch.zeros(2, 32, UNITS)
    model.learn(300, data_of(windows), optimizers, random_numbers)
    assert optimizers["generator"].param_groups[0]["lr"] == pytest.approx(PRESETS["fast"].learning_rate / 4)


def test_its_windows_are_spikes_that_nothing_drives(random_numbers):
    model = SpikeGan(PRESETS["fast"], of_rates(0.1))
    drawn = model.draw(torch.zeros(500, 32, 0), 32, random_numbers)
    assert drawn.shape == (500, 32, UNITS)
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    assert drawn.mean().item() == pytest.approx(0.1, rel=0.1)


def test_the_critic_for_importance_maps_learns_against_independent_units(random_numbers):
    model = SpikeGan(replace(PRESETS["importance"], batch=4, features=4), of_rates(0.1))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    windows = (torch.rand(4, 32, UNITS) < 0.1).float()
    model.learn(0, data_of(windows), model.optimizers(), random_numbers)
    moved = {name.split(".")[0] for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"critic"}
    assert model.critic.views is not None
    probability = model.generator(torch.randn(8, model.generator.latent_size))
    torch.testing.assert_close(probability, torch.full_like(probability, 0.1), atol=0.02, rtol=0)
