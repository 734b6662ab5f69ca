from dataclasses import replace
from itertools import product

import pytest
import torch

from spikeloop.models.causal_gan import PRESETS, CausalGan, Generator

SMALL = replace(PRESETS["fast"], window_bins=4, state_size=8, modes=3, features=4, batch=4, likelihood_batch=4)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.fixture
def random_numbers():
    return torch.Generator().manual_seed(0)


def every_window(bins, units):
    return torch.tensor(list(product([0.0, 1.0], repeat=bins * units))).reshape(-1, bins, units)


def lively(config=SMALL, units=2):
    generator = Generator(config, torch.full((units,), 0.4))
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    return generator


def test_the_likelihoods_of_all_windows_sum_to_one(random_numbers):
    """4 bins of 2 units have 256 windows."""
    likelihood = lively().log_likelihood(every_window(4, 2), 0.0, random_numbers)
    assert likelihood.sum(dim=1).exp().sum().item() == pytest.approx(1, abs=1e-4)


def test_windows_are_drawn_as_often_as_their_likelihood_says(random_numbers):
    generator = lively(replace(SMALL, window_bins=2))
    windows = every_window(2, 2)
    expected = generator.log_likelihood(windows, 0.0, random_numbers).sum(dim=1).exp()
    drawn = generator(torch.randn(200_000, generator.latent_size, generator=random_numbers))
    code = (drawn.flatten(1) * torch.tensor([8, 4, 2, 1])).sum(dim=1).long()
    found = torch.bincount(code, minlength=16) / len(drawn)
    torch.testing.assert_close(found, expected, atol=0.005, rtol=0)


def test_soft_draws_are_the_very_spikes_with_gradients_to_every_weight(random_numbers):
    generator = lively()
    latent = torch.randn(50, generator.latent_size, generator=random_numbers)
    soft = generator.draw_softly(latent)
    torch.testing.assert_close(soft, generator(latent), atol=0, rtol=0)
    assert set(soft.unique().tolist()) == {0.0, 1.0}
    (soft * torch.randn_like(soft)).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in generator.parameters())


def test_a_bin_never_depends_on_a_later_one(random_numbers):
    generator = lively()
    latent = torch.randn(100, generator.latent_size, generator=random_numbers)
    other = latent.clone().unflatten(1, (4, -1))
    other[:, 2:] = torch.randn(other[:, 2:].shape, generator=random_numbers)
    one, two = generator(latent), generator(other.flatten(1))
    torch.testing.assert_close(one[:, :2], two[:, :2])
    assert not torch.equal(one[:, 2:], two[:, 2:])


def test_log_odds_shift_every_mode(random_numbers):
    generator = lively()
    before = generator(torch.randn(20_000, generator.latent_size, generator=random_numbers)).mean(dim=(0, 1))
    generator.shift_log_odds(torch.tensor([1.0, 0.0]))
    after = generator(torch.randn(20_000, generator.latent_size, generator=random_numbers)).mean(dim=(0, 1))
    assert after[0] > before[0] + 0.1


def test_the_stages_follow_each_other(random_numbers):
    """Likelihood moves the generator alone; then the critic leads; then both move."""
    config = replace(SMALL, likelihood_steps=2, critic_lead=1)
    model = CausalGan(config, torch.full((2,), 0.3))
    optimizers = model.optimizers()
    windows = (torch.rand(8, 4, 2) < 0.3).float()

    def moved(step):
        before = [[p.clone() for p in part.parameters()] for part in (model.generator, model.critic)]
        if step == config.likelihood_steps:
            before[0] = [p.clone() for p in model.average.parameters()]
        model.learn(step, lambda count: windows[:count], optimizers, random_numbers)
        return [
            any(not torch.equal(old, new) for old, new in zip(olds, part.parameters(), strict=True))
            for olds, part in zip(before, (model.generator, model.critic), strict=True)
        ]

    assert [moved(step) for step in range(4)] == [[True, False], [True, False], [False, True], [True, True]]


def test_likelihood_learns_a_burst_that_rates_do_not_tell(random_numbers):
    """Unit 0 fires in all four bins of half of the windows: after the first bin, all is known."""
    windows = torch.zeros(64, 4, 2)
    windows[::2, :, 0] = 1
    model = CausalGan(replace(SMALL, dropout=0.0, likelihood_rate=3e-2), torch.tensor([0.5, 0.01]))
    optimizers = model.optimizers()
    for step in range(200):
        model.learn(step, lambda count: windows[:count], optimizers, random_numbers)
    drawn = model.generator(torch.randn(1000, model.generator.latent_size, generator=random_numbers))[:, :, 0].sum(1)
    assert ((drawn == 0) | (drawn == 4)).float().mean() > 0.95
    assert 0.35 < (drawn == 4).float().mean() < 0.65
