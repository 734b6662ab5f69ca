"""Critics: networks that distinguish real windows from generated ones, and the Wasserstein losses that train them."""

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.nn import functional as F

from spikeloop.models.families.shared_batch import WHOLE, Share

__all__ = [
    "ConditionProjection",
    "ConvolutionalCritic",
    "CountViews",
    "Critic",
    "FullyConnectedCritic",
    "critic_loss",
    "generator_loss",
    "straight_through_bernoulli",
    "weight_of",
]

LEAK = 0.2  # slope of every LeakyReLU, as published


class Critic(nn.Module):
    """Score windows: (windows, bins, units) to (windows,), larger where a window is more likely to be real.

    Parameters
    ----------
    body : Module
        Windows to scores, (windows, 1).
    views : CountViews, optional
    projection : ConditionProjection, optional
    scale : array of shape (units,)
        Units are divided by it where it is above 1, so that none outweighs the others.
    """

    def __init__(
        self,
        body: nn.Module,
        views: "CountViews | None" = None,
        projection: "ConditionProjection | None" = None,
        scale: ArrayLike = 1.0,
    ) -> None:
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

    def effects(self, windows: Tensor, signs: Tensor, one: Tensor) -> Tensor:
        """Estimate by how much one count more (sign 1), or the negative of one count less (-1), changes the score.

        Exact through the first convolution, whose units most changes switch on or off, and linear beyond it.

        Parameters
        ----------
        windows, signs : tensors of shape (windows, bins, units)
        one : tensor of shape (units,)
            By how much one count changes the windows.

        Returns
        -------
        tensor of shape (windows, bins, units)
        """
        kernel, stride, padding = self.first.kernel_size[0], self.first.stride[0], int(self.first.padding[0])
        drive = self.first(windows.transpose(1, 2))
        second = self.second(F.leaky_relu(drive, LEAK))
        slope = self.score.weight.view(1, *second.shape[1:]) * _leaky_slope(second)
        slope = _transposed(slope, self.second, drive.shape[2]).transpose(1, 2)  # (windows, positions, features)
        drive, positions = drive.transpose(1, 2), drive.shape[2]
        before = (F.leaky_relu(drive, LEAK) * slope).sum(2, keepdim=True)
        padded = F.pad(signs, (0, 0, padding, kernel))
        total = torch.zeros_like(padded)
        for tap in range(kernel):
            sign = padded[:, tap : tap + stride * positions : stride]  # (windows, positions, units)
            step = self.first.weight[:, :, tap].T * one[:, None]  # (units, features)
            after = F.leaky_relu(drive[:, :, None] + sign[..., None] * step, LEAK)
            effect = ((after @ slope[..., None])[..., 0] - before) * sign
            spread = torch.stack([effect, *[torch.zeros_like(effect)] * (stride - 1)], 2).flatten(1, 2)
            total = total + F.pad(spread, (0, 0, tap, padded.shape[1] - tap - spread.shape[1]))
        return total[:, padding : padding + windows.shape[1]]


def _leaky_slope(drive: Tensor) -> Tensor:
    return torch.where(drive > 0, 1.0, LEAK)


def _transposed(slope: Tensor, layer: nn.Conv1d, length: int) -> Tensor:
    """Propagate slopes from a convolution's output back to its input, of that length."""
    stride, padding, kernel = layer.stride[0], int(layer.padding[0]), layer.kernel_size[0]
    missing = length - ((slope.shape[2] - 1) * stride - 2 * padding + kernel)
    return F.conv_transpose1d(slope, layer.weight, None, stride, padding, missing)


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
    """Score how well windows fit their conditions: the inner product of both in each bin (Miyato and Koyama 2018).

    Parameters
    ----------
    encoder : Module
        Conditions, (..., channels), to (..., size).
    size, units : int
    kernel : int, bins
    """

    def __init__(self, encoder: nn.Module, size: int, units: int, kernel: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.features = nn.Conv1d(units, size, kernel, padding=kernel // 2)

    def forward(self, windows: Tensor, conditions: Tensor) -> Tensor:
        encoded = self.encoder(conditions)
        offset = (encoded @ self._bias).mean(1)
        return ((windows * self._slopes(encoded)).sum((1, 2)) + offset)[:, None]  # linear in windows; (windows, 1)

    def slopes(self, conditions: Tensor) -> Tensor:
        """Compute the slopes of the score with respect to any windows, (windows, bins, units)."""
        return self._slopes(self.encoder(conditions))

    @property
    def _bias(self) -> Tensor:
        assert self.features.bias is not None
        return self.features.bias

    def _slopes(self, encoded: Tensor) -> Tensor:
        bins = encoded.shape[1]
        return _transposed(encoded.transpose(1, 2) / bins, self.features, bins).transpose(1, 2)


FEW = 4  # a unit's counts 0 to 3 are distinguished: whether it fires never, once, twice reveals bursts
LAGS = 4  # bins over which a unit's spikes are multiplied
HISTOGRAM_BINS = 20  # population counts, or ranges of them, that are distinguished


class CountViews(nn.Module):
    """Score sums over whole windows, which a convolution of a few bins would have to learn.

    They are how often each unit fires, how its spikes follow each other, the time course of the population count, and
    the histogram of the population count.

    Parameters
    ----------
    bins, units : int
        Of a window.
    most_at_once : float
        The largest population count of a bin that is common; sets the histogram's range.
    width : int
        Of the hidden layers.
    """

    def __init__(self, bins: int, units: int, most_at_once: float = HISTOGRAM_BINS, width: int = 256) -> None:
        super().__init__()
        self.register_buffer("histogram_step", torch.tensor(max(1.0, most_at_once / HISTOGRAM_BINS)))  # spikes
        self.histogram_step: Tensor
        self.lags = range(1, min(LAGS, bins - 1) + 1)
        features = units * (1 + FEW + len(self.lags))
        self.units = nn.Sequential(nn.Linear(features, width), nn.LeakyReLU(LEAK), nn.Linear(width, 1))
        self.units_directly = nn.Linear(features, 1)
        self.time_course = nn.Sequential(nn.Linear(bins, width // 4), nn.LeakyReLU(LEAK), nn.Linear(width // 4, 1))
        self.population_histogram = nn.Linear(HISTOGRAM_BINS, 1)

    def forward(self, windows: Tensor) -> Tensor:
        population = windows.sum(2)  # (windows, bins)
        features = self.features(windows)
        return (
            self.units(features)
            + self.units_directly(features)
            + self.time_course(population)
            + self.population_histogram(self.population_count_histogram(population))
        )

    def features(self, windows: Tensor) -> Tensor:
        """Compute each unit's count, whether that is one of a few, and its lagged products; (windows, features)."""
        counts = windows.sum(1)  # (windows, units)
        few = [F.relu(1 - (counts - number).abs()) for number in range(FEW)]  # 1 at that count, 0 from the next on
        products = [(windows[:, lag:] * windows[:, :-lag]).sum(1) for lag in self.lags]
        return torch.cat([counts, *few, *products], 1)

    def pair_slopes(self, windows: Tensor) -> Tensor:
        """Compute the slopes of the score with respect to each unit's lagged products, (windows, lags, units)."""
        lags, units = len(self.lags), windows.shape[2]
        drive = self.units[0](self.features(windows))
        slopes = (weight_of(self.units, 2) * _leaky_slope(drive)) @ weight_of(self.units, 0)[:, -lags * units :]
        return (slopes + self.units_directly.weight[:, -lags * units :]).unflatten(1, (lags, units))

    def time_course_slopes(self, windows: Tensor) -> Tensor:
        """Compute the slopes of what the time course adds with respect to the population counts, (windows, bins)."""
        drive = self.time_course[0](windows.sum(2))
        first, last = (weight_of(self.time_course, index) for index in (0, 2))
        return (last * _leaky_slope(drive)) @ first

    def histogram_score(self, population: Tensor) -> Tensor:
        """Compute what bins, (windows, bins), of so many spikes each add to the score."""
        return self.population_histogram(self._bars(population))[..., 0]

    def population_count_histogram(self, population: Tensor) -> Tensor:
        """Count the bins of each window, (windows, bins), that have about so many spikes; (windows, HISTOGRAM_BINS)."""
        return self._bars(population).sum(1)

    def _bars(self, population: Tensor) -> Tensor:
        """Share each bin's count, (windows, bins), among the bars of the histogram, (windows, bins, HISTOGRAM_BINS)."""
        bars = torch.arange(HISTOGRAM_BINS, device=population.device)
        return F.relu(1 - (population[..., None] / self.histogram_step - bars).abs() / (1 + bars // 4))


def weight_of(layers: nn.Sequential, index: int) -> Tensor:
    """Return the weight of the dense layer at that place."""
    layer = layers[index]
    assert isinstance(layer, nn.Linear)
    return layer.weight


def critic_loss(
    critic: nn.Module,
    real: Tensor,
    fake: Tensor,
    penalty: float,
    random: torch.Generator,
    conditions: Tensor | None = None,
    share: Share = WHOLE,
) -> Tensor:
    """Compute the Wasserstein loss with gradient penalty: E[D(fake)] - E[D(real)] + penalty * E[(|grad D| - 1)^2].

    Parameters
    ----------
    critic : Module
    real, fake : tensors of shape (windows, bins, units)
    penalty : float
        Weight of the penalty, measured on the straight lines between real and fake (Gulrajani et al. 2017, eq. 3).
    random : torch.Generator
    conditions : tensor of shape (windows, bins, channels), optional
        That drove both.
    share : Share, default the whole batch
        The rows that the windows are.

    Returns
    -------
    tensor of shape ()
    """
    mix = share.uniform((len(real), 1, 1), random)
    between = torch.lerp(real, fake, mix).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between, conditions).sum(), between, create_graph=True)
    slopes = gradient.flatten(1).norm(dim=1)
    both = critic(torch.cat([real, fake]), None if conditions is None else conditions.repeat(2, 1, 1))
    score_real, score_fake = both.split(len(real))
    return score_fake.mean() - score_real.mean() + penalty * (slopes - 1).square().mean()


def generator_loss(critic: nn.Module, fake: Tensor, conditions: Tensor | None = None) -> Tensor:
    """Compute the generator's share of the Wasserstein distance, -E[D(fake)]."""
    return -critic(fake, conditions).mean()


def straight_through_bernoulli(probability: Tensor, random: torch.Generator, share: Share = WHOLE) -> Tensor:
    """Draw 0/1 samples with the gradient of their probability (Bengio, Leonard, Courville 2013, arXiv:1308.3432)."""
    uniform = share.uniform(probability.shape, random)
    sample = (uniform < probability).to(probability.dtype)
    return sample + (probability - probability.detach())
