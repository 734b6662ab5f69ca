"""Critics: networks that tell real windows from generated ones, and the Wasserstein losses they are trained by."""

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = [
    "ConditionProjection",
    "ConvolutionalCritic",
    "CountViews",
    "Critic",
    "FullyConnectedCritic",
    "critic_loss",
    "generator_loss",
    "straight_through_bernoulli",
]

LEAK = 0.2  # slope of every LeakyReLU, as published


class Critic(nn.Module):
    """Windows to one number each, larger for likelier real ones, (windows, bins, units) -> (windows,)."""

    def __init__(
        self,
        body: nn.Module,
        views: "CountViews | None" = None,
        projection: "ConditionProjection | None" = None,
        scale: ArrayLike = 1.0,
    ) -> None:
        """Units are divided by `scale`, (units,), where it is above 1, so that none outweighs the others."""
        super().__init__()
        self.register_buffer("scale", torch.as_tensor(scale, dtype=torch.float32).clamp(min=1.0))
        self.scale: Tensor
        self.body = body
        self.views = views
        self.projection = projection

    def forward(self, windows: Tensor, conditions: Tensor | None = None) -> Tensor:
        scaled = windows / self.scale
        score = self.body(scaled)
        if self.views is not None:
            score = score + self.views(windows)
        if self.projection is not None and conditions is not None:
            score = score + self.projection(scaled, conditions)
        return score.squeeze(1)


class ConvolutionalCritic(nn.Module):
    """Two strided convolutions over time and one dense layer."""

    def __init__(self, bins: int, units: int, features: int, kernel: int, stride: int) -> None:
        super().__init__()
        padding = kernel // 2
        self.first = nn.Conv1d(units, features, kernel, stride, padding)
        self.second = nn.Conv1d(features, 2 * features, kernel, stride, padding)
        self.score = nn.Linear(2 * features * (bins // stride**2), 1)

    def forward(self, windows: Tensor) -> Tensor:
        hidden = F.leaky_relu(self.first(windows.transpose(1, 2)), LEAK)  # (windows, outer, bins / 2)
        hidden = F.leaky_relu(self.second(hidden), LEAK)  # (windows, inner, bins / 4)
        return self.score(hidden.flatten(1))  # (windows, 1)


class FullyConnectedCritic(nn.Sequential):
    """Five dense layers on the flattened window."""

    def __init__(self, bins: int, units: int, width: int) -> None:
        super().__init__(
            nn.Flatten(),
            *(nn.Linear(units * bins, width), nn.LeakyReLU(LEAK)),
            *(nn.Linear(width, width), nn.LeakyReLU(LEAK)),
            *(nn.Linear(width, width), nn.LeakyReLU(LEAK)),
            *(nn.Linear(width, width), nn.LeakyReLU(LEAK)),
            nn.Linear(width, 1),
        )


class ConditionProjection(nn.Module):
    """How well a window goes with its conditions: the inner product of both in each bin (Miyato and Koyama 2018)."""

    def __init__(self, encoder: nn.Module, size: int, units: int, kernel: int) -> None:
        """`encoder` takes conditions, (..., channels), to (..., size)."""
        super().__init__()
        self.encoder = encoder
        self.features = nn.Conv1d(units, size, kernel, padding=kernel // 2)

    def forward(self, windows: Tensor, conditions: Tensor) -> Tensor:
        features = self.features(windows.transpose(1, 2)).transpose(1, 2)
        return (features * self.encoder(conditions)).sum(2).mean(1, keepdim=True)  # (windows, 1)


FEW = 4  # a unit's counts 0 to 3 are told apart: whether it fires never, once, twice is what gives bursts away
LAGS = 4  # bins over which a unit's spikes are multiplied
CROWDS = 20  # population counts, or ranges of them, that are told apart


class CountViews(nn.Module):
    """A second look at a window: how often each unit fires, how its spikes follow each other, how many fire at once.

    A convolution sees a few bins of all units; these sums over the whole window it would have to learn.
    """

    def __init__(self, bins: int, units: int, most_at_once: float = CROWDS, width: int = 256) -> None:
        """`most_at_once` is the largest population count of a bin that is common."""
        super().__init__()
        self.register_buffer("crowd", torch.tensor(max(1.0, most_at_once / CROWDS)))  # spikes
        self.crowd: Tensor
        self.lags = range(1, min(LAGS, bins - 1) + 1)
        features = units * (1 + FEW + len(self.lags))
        self.units = nn.Sequential(nn.Linear(features, width), nn.LeakyReLU(LEAK), nn.Linear(width, 1))
        self.units_directly = nn.Linear(features, 1)
        self.course = nn.Sequential(nn.Linear(bins, width // 4), nn.LeakyReLU(LEAK), nn.Linear(width // 4, 1))
        self.crowds = nn.Linear(CROWDS, 1)

    def forward(self, windows: Tensor) -> Tensor:
        counts, population = windows.sum(1), windows.sum(2)  # (windows, units), (windows, bins)
        few = [F.relu(1 - (counts - number).abs()) for number in range(FEW)]  # 1 at that count, 0 from the next on
        products = [(windows[:, lag:] * windows[:, :-lag]).sum(1) for lag in self.lags]
        features = torch.cat([counts, *few, *products], 1)
        crowded = population / self.crowd
        crowds = [F.relu(1 - (crowded - crowd).abs() / (1 + crowd // 4)).sum(1) for crowd in range(CROWDS)]
        return (
            self.units(features)
            + self.units_directly(features)
            + self.course(population)
            + self.crowds(torch.stack(crowds, 1))
        )


def critic_loss(
    critic: nn.Module,
    real: Tensor,
    fake: Tensor,
    penalty: float,
    random: torch.Generator,
    conditions: Tensor | None = None,
) -> Tensor:
    """Wasserstein loss with gradient penalty: E[D(fake)] - E[D(real)] + penalty * E[(|grad D| - 1)^2].

    Parameters
    ----------
    real, fake : tensors of shape (windows, bins, units)
    penalty : float
        Weight of the penalty, taken on the straight lines between real and fake (Gulrajani et al. 2017, eq. 3).
    conditions : (windows, bins, channels), that drove both
    """
    mix = torch.rand(len(real), 1, 1, generator=random, device=real.device)
    between = torch.lerp(real, fake, mix).requires_grad_()
    scores = critic(torch.cat([real, fake, between]), None if conditions is None else conditions.repeat(3, 1, 1))
    score_real, score_fake, score_between = scores.split(len(real))
    (gradient,) = torch.autograd.grad(score_between.sum(), between, create_graph=True)
    slopes = gradient.flatten(1).norm(dim=1)
    return score_fake.mean() - score_real.mean() + penalty * (slopes - 1).square().mean()


def generator_loss(critic: nn.Module, fake: Tensor, conditions: Tensor | None = None) -> Tensor:
    """The generator's share of the Wasserstein distance, -E[D(fake)]."""
    return -critic(fake, conditions).mean()


def straight_through_bernoulli(probability: Tensor, random: torch.Generator) -> Tensor:
    """0/1 samples whose gradient is that of their probability (Bengio, Leonard, Courville 2013, arXiv:1308.3432)."""
    uniform = torch.rand(probability.shape, generator=random, device=probability.device)
    sample = (uniform < probability).to(probability.dtype)
    return sample + (probability - probability.detach())
