import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from spikeloop.models.families.causal_generator import GeneratorConfig, ornstein_uhlenbeck
from spikeloop.models.families.population import population_of
from spikeloop.models.families.vae_encoder import Encoder, Posterior, divergence, slow_latents
from spikeloop.models.recordings.recording import from_counts

PERSISTENCE = torch.tensor([0.0, 0.6, 0.98])


@pytest.fixture
def random_numbers():
    torch.manual_seed(0)
    return torch.Generator().manual_seed(0)


@pytest.fixture
def encoder(random, random_numbers):
    return Encoder(population_of(from_counts(random.poisson([0.1, 2.0], (500, 2)), 0.05)), latents=3, size=8)


def test_the_divergence_is_that_of_normal_distributions():
    mean, log_deviation = torch.randn(2, 4, 5, 3, generator=torch.Generator().manual_seed(1))
    expected = kl_divergence(Normal(mean, log_deviation.exp()), Normal(0.0, 1.0)).sum(-1)
    torch.testing.assert_close(divergence(Posterior(mean, log_deviation)), expected)


def test_a_posterior_begins_at_the_prior_and_can_leave_it(encoder, random):
    values = torch.from_numpy(random.poisson(1.0, (4, 6, 2))).float()
    posterior = encoder(values)
    assert posterior.mean.shape == posterior.log_deviation.shape == (4, 6, 3)
    assert divergence(posterior).abs().max() == 0
    torch.nn.init.normal_(encoder.posterior_head.weight, std=9.0)
    posterior = encoder(values)
    assert divergence(posterior).min() > 0
    assert -5 <= posterior.log_deviation.min() < posterior.log_deviation.max() <= 1


def test_a_posterior_sees_forwards_and_backwards(encoder, random_numbers):
    torch.nn.init.normal_(encoder.posterior_head.weight)
    values = torch.zeros(1, 9, 2)
    other = values.clone()
    other[0, 4] = 1.0
    moved = (encoder(values).mean - encoder(other).mean).abs().sum(-1)[0]
    assert moved.min() > 0


def test_samples_have_the_posteriors_moments(random_numbers):
    posterior = Posterior(torch.tensor([1.0, -3.0]).expand(100_000, 1, 2), torch.log(torch.tensor([0.1, 2.0])))
    found = posterior.sample(random_numbers)[:, 0]
    torch.testing.assert_close(found.mean(0), torch.tensor([1.0, -3.0]), atol=0.03, rtol=0)
    torch.testing.assert_close(found.std(0), torch.tensor([0.1, 2.0]), rtol=0.01, atol=0)


def test_slow_latents_are_the_recursion_written_out(random_numbers):
    innovations = torch.randn(4, 50, 3, generator=random_numbers)
    expected = [innovations[:, 0]]
    for bin_ in range(1, 50):
        expected.append(PERSISTENCE * expected[-1] + torch.sqrt(1 - PERSISTENCE**2) * innovations[:, bin_])
    torch.testing.assert_close(slow_latents(innovations, PERSISTENCE), torch.stack(expected, 1), atol=1e-5, rtol=1e-5)


def test_slow_latents_are_stationary_with_their_time_constants(random_numbers):
    """Their covariance between bins s and t is persistence ** |s - t|, from the first bin on."""
    latents = slow_latents(torch.randn(40_000, 12, 3, generator=random_numbers), PERSISTENCE).numpy()
    apart = np.abs(np.subtract.outer(np.arange(12), np.arange(12)))
    for latent, persistence in enumerate(PERSISTENCE.numpy()):
        found = np.cov(latents[..., latent], rowvar=False)
        np.testing.assert_allclose(found, persistence**apart, atol=0.03)


def test_time_constants_are_spread_from_the_shortest_to_the_longest():
    config = GeneratorConfig(slow_latents=3, shortest_slow_bins=2.0, longest_slow_bins=50.0)
    expected = torch.exp(-1 / torch.tensor([2.0, 10.0, 50.0]))
    torch.testing.assert_close(ornstein_uhlenbeck(config), expected)
    assert ornstein_uhlenbeck(GeneratorConfig()).shape == (0,)


def test_gradients_reach_the_posterior_through_the_latents(encoder, random_numbers):
    posterior = encoder(torch.ones(2, 6, 2))
    slow_latents(posterior.sample(random_numbers), PERSISTENCE)[:, -1].sum().backward()
    assert encoder.posterior_head.weight.grad is not None
    assert encoder.posterior_head.weight.grad.abs().sum(1).min() > 0  # of every mean and every deviation
