"""Critics: networks that tell real windows from generated ones, and the Wasserstein losses they are trained by."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = [
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

    def __init__(self, body: nn.Module, views: "CountViews | None" = None) -> None:
        super().__init__()
        self.body = body
        self.views = views

    def forward(self, windows: Tensor) -> Tensor:
        score = self.body(windows)
        return (score if self.views is None else score + self.views(windows)).squeeze(1)


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


FEW = 4  # a unit's counts 0 to 3 are told apart: whether it fires never, once, twice is what gives bursts away
LAGS = 4  # bins over which a unit's spikes are multiplied
CROWDS = 20  # population counts that are told apart


class CountViews(nn.Module):
    """A second look at a window: how often each unit fires, how its spikes follow each other, how many fire at once.

    A convolution sees a few bins of all units; these sums over the whole window it would have to learn.
    """

    def __init__(self, bins: int, units: int, width: int = 256) -> None:
        super().__init__()
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
        crowds = [F.relu(1 - (population - crowd).abs() / (1 + crowd // 4)).sum(1) for crowd in range(CROWDS)]
        return (
            self.units(features)
            + self.units_directly(features)
            + self.course(population)
            + self.crowds(torch.stack(crowds, 1))
        )


def critic_loss(critic: nn.Module, real: Tensor, fake: Tensor, penalty: float, random: torch.Generator) -> Tensor:
    """Wasserstein loss with gradient penalty: E[D(fake)] - E[D(real)] + penalty * E[(|grad D| - 1)^2].

    Parameters
    ----------
    real, fake : tensors of shape (windows, bins, units)
    penalty : float
        Weight of the penalty, taken on the straight lines between real and fake (Gulrajani et al. 2017, eq. 3).
    """
    mix = torch.rand(len(real), 1, 1, generator=random, device=real.device)
    between = torch.lerp(real, fake, mix).requires_grad_()
    scores = critic(torch.cat([real, fake, between]))
    score_real, score_fake, score_between = scores.split(len(real))
    (gradient,) = torch.autograd.grad(score_between.sum(), between, create_graph=True)
    slopes = gradient.flatten(1).norm(dim=1)
    return score_fake.mean() - score_real.mean() + penalty * (slopes - 1).square().mean()


def generator_loss(critic: nn.Module, fake: Tensor) -> Tensor:
    """The generator's share of the Wasserstein distance, -E[D(fake)]."""
    return -critic(fake).mean()


def straight_through_bernoulli(probability: Tensor, random: torch.Generator) -> Tensor:
    """0/1 samples whose gradient is that of their probability (Bengio, Leonard, Courville 2013, arXiv:1308.3432)."""
    uniform = torch.rand(probability.shape, generator=random, device=probability.device)
    sample = (uniform < probability).to(probability.dtype)
    return sample + (probability - probability.detach())
