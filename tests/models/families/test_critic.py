from typing import Any

import numpy as np
import pytest
import torch

from spikeloop.models.families.critic import (
    ConditionProjection,
    ConvolutionalCritic,
    CountViews,
    Critic,
    critic_loss,
    generator_loss,
    straight_through_bernoulli,
)


@pytest.fixture
def random_numbers():
    torch.manual_seed(0)
    return torch.Generator().manual_seed(0)


def test_the_gradient_penalty_of_a_linear_critic_is_known(random_numbers):
    """The gradient of <w, x> is w everywhere, so the penalty is (|w| - 1)^2."""
    weights = torch.randn(4, 5, requires_grad=True)

    class Linear(torch.nn.Module):
        def forward(self, windows, conditions=None):
            assert conditions is None
            return (windows * weights).sum(dim=(1, 2))

    real, fake = torch.rand(6, 4, 5), torch.rand(6, 4, 5)
    loss = critic_loss(Linear(), real, fake, penalty=10.0, random=random_numbers)  # type: ignore[arg-type]
    expected = (
        (fake * weights).sum((1, 2)).mean() - (real * weights).sum((1, 2)).mean() + 10 * (weights.norm() - 1) ** 2
    )
    torch.testing.assert_close(loss, expected)
    loss.backward()  # the penalty is differentiable
    assert weights.grad is not None
    torch.testing.assert_close(generator_loss(Linear(), fake), -(fake * weights).sum((1, 2)).mean())  # type: ignore[arg-type]


def test_straight_through_samples_are_spikes_with_the_gradient_of_their_probability(random_numbers):
    probability = torch.full((200_000,), 0.3, requires_grad=True)
    sample = straight_through_bernoulli(probability, random_numbers)
    values = np.unique(sample.detach().numpy().round(6))
    np.testing.assert_array_equal(values, [0, 1])
    assert sample.mean().item() == pytest.approx(0.3, abs=0.005)
    sample.sum().backward()
    torch.testing.assert_close(probability.grad, torch.ones_like(probability))


def test_count_views_tell_bursts_from_stray_spikes_where_rates_are_equal(random_numbers):
    """Both sets fire 8 spikes in 4 windows; in one of them all in one window. A few steps are enough for the views."""
    burst, stray = torch.zeros(4, 16, 3), torch.zeros(4, 16, 3)
    burst[0, 4:12, 1] = 1
    stray[:, 4, 1] = stray[:, 12, 1] = 1
    views = CountViews(16, 3)
    optimizer = torch.optim.Adam(views.parameters(), 1e-2)
    for _ in range(30):
        loss = views(stray).mean() - views(burst).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (views(burst).mean() - views(stray).mean()).item() > 0.5


def test_a_critic_without_views_is_its_body_alone(random_numbers):
    body, windows = ConvolutionalCritic(16, 3, features=4, kernel=5, stride=2), torch.rand(5, 16, 3)
    torch.testing.assert_close(Critic(body)(windows), body(windows).squeeze(1))
    views = CountViews(16, 3)
    torch.testing.assert_close(Critic(body, views)(windows), (body(windows) + views(windows)).squeeze(1))


def test_units_with_many_spikes_are_scaled_down_and_others_left_as_they_are(random_numbers):
    body, windows = ConvolutionalCritic(16, 3, features=4, kernel=5, stride=2), 9 * torch.rand(5, 16, 3)
    scaled = windows / torch.tensor([1.0, 1.0, 4.0])
    torch.testing.assert_close(Critic(body, scale=[0.1, 1.0, 4.0])(windows), body(scaled).squeeze(1))


def test_the_projection_is_the_inner_product_of_bins_with_their_conditions(random_numbers):
    projection: Any = ConditionProjection(torch.nn.Linear(2, 4), size=4, units=3, kernel=1)  # one bin at a time
    windows, conditions = torch.rand(5, 16, 3), torch.randn(5, 16, 2)
    bins = windows @ projection.features.weight[:, :, 0].T + projection.features.bias
    expected = torch.einsum("wbf,wbf->w", bins, projection.encoder(conditions)) / 16
    torch.testing.assert_close(projection(windows, conditions).squeeze(1), expected)
    body = ConvolutionalCritic(16, 3, features=4, kernel=5, stride=2)
    critic = Critic(body, projection=projection)
    torch.testing.assert_close(critic(windows, conditions), body(windows).squeeze(1) + expected)
    torch.testing.assert_close(critic(windows), body(windows).squeeze(1))


def test_real_and_generated_windows_are_judged_by_the_same_conditions(random_numbers):
    """A critic that scores a window by its condition alone gives real, fake and what lies between the same."""

    class Conditional(torch.nn.Module):
        def forward(self, windows, conditions):
            return conditions.sum((1, 2)) + 0 * windows.sum((1, 2))

    conditions = torch.randn(6, 4, 2)
    loss = critic_loss(Conditional(), torch.rand(6, 4, 5), torch.rand(6, 4, 5), 10.0, random_numbers, conditions)
    torch.testing.assert_close(loss, torch.tensor(10.0))  # no slope at all
    found = generator_loss(Conditional(), torch.rand(6, 4, 5), conditions)
    torch.testing.assert_close(found, -conditions.sum((1, 2)).mean())
