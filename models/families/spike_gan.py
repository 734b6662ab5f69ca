"""Spike-GAN: a Wasserstein GAN with gradient penalty that learns population spike windows.

Molano-Mazon, Onken, Piasini, Panzeri: "Synthesizing realistic neural population activity patterns using
generative adversarial networks", ICLR 2018. Units are channels and weights are shared over time, so the
network is convolutional in time and dense over units ("semi-convolutional").
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spikeloop.models.families.critic import (
    LEAK,
    ConvolutionalCritic,
    CountViews,
    Critic,
    FullyConnectedCritic,
    critic_loss,
    generator_loss,
    straight_through_bernoulli,
)
from spikeloop.models.families.gan import Gan, clipped_gradient_step
from spikeloop.models.families.population import Population
from spikeloop.models.families.registry import GanFamily
from spikeloop.models.families.training_data import TrainingData

__all__ = ["FAMILIES", "PRESETS", "Generator", "SpikeGan", "SpikeGanConfig"]


@dataclass(frozen=True)
class SpikeGanConfig:
    """What is built, and how it is trained."""

    architecture: str = "convolutional"  # or "fully_connected", the paper's comparison
    window_bins: int = 32  # the paper's retina windows; a multiple of stride ** 2
    latent_size: int = 128  # as published
    noise_filter: int = 0  # bins, odd: over which noise of each unit's own is filtered; 0 (published) for none
    noise_gain: float = 2.0  # of the filter at first, log odds
    features: int = 64  # of the layer next to the spikes; the inner one has twice as many. Half the paper's
    hidden: int = 512  # width of every fully connected layer, as published
    kernel: int = 5  # bins, as published
    stride: int = 2  # bins, as published
    leaky_output: bool = False  # a LeakyReLU before the sigmoid (published) flattens low probabilities
    bias_from_rates: bool = True  # start from independent units at the right rates
    critic_sees_samples: bool = True  # soft probabilities reveal a generator; samples don't
    batch: int = 128  # at 64 the rates wander
    learning_rate: float = 1e-3  # ten times the published one reaches the same similarity in a tenth of the time
    decay_steps: int = 4000  # the rate falls as 1 / (1 + step / decay_steps), whatever the run's length; 0: constant
    betas: tuple[float, float] = (0.0, 0.9)  # as published
    critic_steps: int = 2  # a generator step costs as much as a critic step here
    penalty: float = 10.0  # as published
    average_decay: float = 0.999  # exponential average of the generator's weights; 0 for none
    critic_views: bool = False  # the critic also sees counts and lagged products, as that of causal_gan does
    generator_learns: bool = True  # else it stays at independent units, and the critic learns all that these lack


PRESETS = {
    "fast": SpikeGanConfig(noise_filter=9),
    "long": SpikeGanConfig(noise_filter=9, decay_steps=8000),  # for hours
    "paper": SpikeGanConfig(
        features=128,
        leaky_output=True,
        bias_from_rates=False,
        critic_sees_samples=False,
        batch=64,
        learning_rate=1e-4,
        decay_steps=0,
        critic_steps=5,
        average_decay=0.0,
    ),
}
PRESETS["fully_connected"] = replace(PRESETS["paper"], architecture="fully_connected", leaky_output=False)


PRESETS["importance"] = SpikeGanConfig(  # for its critic: a good generator would leave it no differences to learn
    features=128,
    kernel=9,
    batch=48,
    learning_rate=2e-3,
    decay_steps=300,
    critic_views=True,
    generator_learns=False,
)


class SpikeGan(Gan):
    """The windowed Spike-GAN in training.

    Parameters
    ----------
    config : SpikeGanConfig
    population : Population
    """

    def __init__(self, config: SpikeGanConfig, population: Population) -> None:
        units = population.units
        generator = Generator(config, units)
        if config.bias_from_rates:
            generator.set_rates(torch.as_tensor(population.means, dtype=torch.float32))
        super().__init__(generator, _critic(config, population), config.average_decay, units)
        self.config = config

    def draw(self, conditions: Tensor, bins: int, random: torch.Generator) -> Tensor:  # noqa: ARG002
        """Draw windows of the calibrated generator, (windows, bins, units); nothing drives them."""
        generator = self.calibrated()
        latent = torch.randn(len(conditions), generator.latent_size, generator=random, device=random.device)
        return straight_through_bernoulli(generator(latent), random)

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Make the optimizers of the generator and of the critic."""
        rate, betas = self.config.learning_rate, self.config.betas
        return {
            "generator": torch.optim.Adam(self.generator.parameters(), rate, betas),
            "critic": torch.optim.Adam(self.critic.parameters(), rate, betas),
        }

    def learn(
        self,
        step: int,
        data: TrainingData,
        optimizers: dict[str, torch.optim.Optimizer],
        random: torch.Generator,
    ) -> float:
        """Make one generator step after its critic steps.

        Returns
        -------
        float
            The critic's loss; its negative estimates the Wasserstein distance.
        """
        _set_learning_rate(optimizers.values(), self.config, step)
        loss = torch.zeros(())
        for _ in range(self.config.critic_steps):
            with torch.no_grad():
                fake = self._fake_windows(random)
            real = self.share.rows(data.crops(self.config.batch, self.config.window_bins, random)[0])
            loss = critic_loss(self.critic, real, fake, self.config.penalty, random, share=self.share)
            loss = clipped_gradient_step(optimizers["critic"], loss, share=self.share)
        if not self.config.generator_learns:
            return loss.item()
        self.critic.requires_grad_(False)
        loss_of_generator = generator_loss(self.critic, self._fake_windows(random))
        clipped_gradient_step(optimizers["generator"], loss_of_generator, share=self.share)
        self.critic.requires_grad_(True)
        self._average_generator(step)
        return loss.item()

    def _fake_windows(self, random: torch.Generator) -> Tensor:
        latent = torch.randn(self.config.batch, self.generator.latent_size, generator=random, device=random.device)
        probability = self.generator(self.share.rows(latent))
        if not self.config.critic_sees_samples:
            return probability
        return straight_through_bernoulli(probability, random, self.share)


def _set_learning_rate(optimizers: Iterable[torch.optim.Optimizer], config: SpikeGanConfig, step: int) -> None:
    share = 1 / (1 + step / config.decay_steps) if config.decay_steps else 1.0
    for optimizer in optimizers:
        optimizer.param_groups[0]["lr"] = config.learning_rate * share


class Generator(nn.Module):
    """Compute spike probabilities, (windows, bins, units), from latent variables, (windows, latent).

    Parameters
    ----------
    config : SpikeGanConfig
    units : int
    """

    def __init__(self, config: SpikeGanConfig, units: int) -> None:
        super().__init__()
        self.body = _GENERATORS[config.architecture](config, units)
        self.unit_noise = UnitNoise(config, units) if config.noise_filter else None
        self.bias = nn.Parameter(torch.zeros(units))
        self.leaky_output = config.leaky_output
        self.shared_size = config.latent_size
        self.latent_size = config.latent_size + (units * config.window_bins if config.noise_filter else 0)

    def logits(self, latent: Tensor) -> Tensor:
        """Compute the log odds of spikes, (windows, bins, units)."""
        logits = self.body(latent[:, : self.shared_size]) + self.bias  # (windows, bins, units)
        if self.unit_noise is not None:
            logits = logits + self.unit_noise(latent[:, self.shared_size :])
        return F.leaky_relu(logits, LEAK) if self.leaky_output else logits

    def forward(self, latent: Tensor) -> Tensor:
        return torch.sigmoid(self.logits(latent))

    @torch.no_grad()
    def shift_log_odds(self, shift: Tensor) -> None:
        """Make units more or less likely to fire, by (units,) log odds."""
        self.bias.add_(shift)

    @torch.no_grad()
    def set_rates(self, expected_counts: Tensor) -> None:
        """Start from each unit's own mean, (units,), in expected spikes per bin."""
        widened = 1.0 if self.unit_noise is None else self.unit_noise.widening()
        self.bias.copy_(widened * torch.logit(expected_counts.clamp(1e-4, 1 - 1e-4)))


class UnitNoise(nn.Module):
    """Filter noise of each unit's own over time, which shapes the intervals between its spikes.

    Spikes that are independent given log odds, which the network makes smooth in time, don't avoid each other: a unit
    has no refractory period. Spikes that mostly follow from noise do so by its correlations.
    """

    def __init__(self, config: SpikeGanConfig, units: int) -> None:
        super().__init__()
        bins = config.noise_filter
        self.shape = (units, config.window_bins)
        self.filter = nn.Conv1d(units, units, bins, padding=bins // 2, groups=units, bias=False)
        nn.init.normal_(self.filter.weight, std=0.02)
        with torch.no_grad():
            self.filter.weight[:, :, bins // 2] = config.noise_gain

    def widening(self) -> Tensor:
        """Factor by which log odds must be further from 0, (units,), for probabilities to be the same on average.

        MacKay, Neural Computation 1992: a logistic function of a Gaussian variable.
        """
        return (1 + math.pi / 8 * self.filter.weight.square().sum((1, 2))).sqrt()

    def forward(self, noise: Tensor) -> Tensor:
        return self.filter(noise.unflatten(1, self.shape)).transpose(1, 2)  # (windows, bins, units)


class ConvolutionalGenerator(nn.Module):
    """One dense layer to a short sequence, then two transposed convolutions that lengthen it."""

    def __init__(self, config: SpikeGanConfig, units: int) -> None:
        super().__init__()
        inner, outer = 2 * config.features, config.features
        self.short_bins = config.window_bins // config.stride**2
        self.project = nn.Linear(config.latent_size, inner * self.short_bins)
        self.widen = _transposed(inner, outer, config)
        self.emission_head = _transposed(outer, units, config, bias=False)
        nn.init.normal_(self.emission_head.weight, std=0.02)

    def forward(self, latent: Tensor) -> Tensor:
        hidden = self.project(latent).unflatten(1, (-1, self.short_bins))  # (windows, inner, bins / 4)
        hidden = self.widen(F.leaky_relu(hidden, LEAK))  # (windows, outer, bins / 2)
        return self.emission_head(F.leaky_relu(hidden, LEAK)).transpose(1, 2)  # (windows, bins, units)


class FullyConnectedGenerator(nn.Module):
    """The paper's comparison: five dense layers, no weight shared over time."""

    def __init__(self, config: SpikeGanConfig, units: int) -> None:
        super().__init__()
        self.bins = config.window_bins
        width = config.hidden
        self.layers = nn.Sequential(
            *(nn.Linear(config.latent_size, width), nn.ReLU()),
            *(nn.Linear(width, width), nn.ReLU()),
            *(nn.Linear(width, width), nn.ReLU()),
            *(nn.Linear(width, width), nn.ReLU()),
            nn.Linear(width, units * config.window_bins),
        )

    def forward(self, latent: Tensor) -> Tensor:
        return self.layers(latent).unflatten(1, (self.bins, -1))  # (windows, bins, units)


def _critic(config: SpikeGanConfig, population: Population) -> Critic:
    units, expected = population.units, population.means.sum()
    if config.architecture == "fully_connected":
        return Critic(FullyConnectedCritic(config.window_bins, units, config.hidden))
    views = CountViews(config.window_bins, units, expected + 5 * math.sqrt(expected)) if config.critic_views else None
    body = ConvolutionalCritic(config.window_bins, units, config.features, config.kernel, config.stride)
    return Critic(body, views)


_GENERATORS = {"convolutional": ConvolutionalGenerator, "fully_connected": FullyConnectedGenerator}


def _transposed(channels_in: int, channels_out: int, config: SpikeGanConfig, bias: bool = True) -> nn.ConvTranspose1d:
    """Make a transposed convolution that lengthens time exactly `stride` times."""
    padding = config.kernel // 2
    output_padding = config.stride + 2 * padding - config.kernel
    return nn.ConvTranspose1d(
        channels_in, channels_out, config.kernel, config.stride, padding, output_padding, bias=bias
    )


FAMILIES = {"spike_gan": GanFamily(SpikeGan, SpikeGanConfig, PRESETS)}
