"""The encoder of a variational autoencoder whose decoder is the causal generator.

What it infers are the innovations of the generator's slow latents: the shocks that drive the Ornstein-Uhlenbeck
processes. Their prior is standard normal and independent in time, so that the divergence is the plain one of Kingma
and Welling 2014 (eq. 10), while the latents themselves are as smooth as their time constants say.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from spikeloop.models.population import Population

__all__ = ["Encoder", "Posterior", "divergence", "slow_latents"]


class Posterior(NamedTuple):
    """Of the innovations, (windows, bins, slow_latents), normal."""

    mean: Tensor
    log_deviation: Tensor

    def sample(self, random: torch.Generator) -> Tensor:
        normal = torch.randn(self.mean.shape, generator=random, device=self.mean.device)
        return self.mean + torch.exp(self.log_deviation) * normal


class Encoder(nn.Module):
    """What a window, seen forwards and backwards, says of the innovations of each of its bins."""

    def __init__(self, population: Population, latents: int, size: int) -> None:
        super().__init__()
        for name, values in (("mean", population.means), ("deviation", population.deviations.clip(1e-3))):
            self.register_buffer(name, torch.as_tensor(values, dtype=torch.float32))
        self.mean: Tensor
        self.deviation: Tensor
        self.look = nn.GRU(population.units, size, batch_first=True, bidirectional=True)
        self.infer = nn.Linear(2 * size, 2 * latents)
        nn.init.zeros_(self.infer.weight)  # so that it begins at the prior
        nn.init.zeros_(self.infer.bias)

    def forward(self, values: Tensor) -> Posterior:
        """Given (windows, bins, units)."""
        seen, _ = self.look((values - self.mean) / self.deviation)
        mean, log_deviation = self.infer(seen).chunk(2, dim=-1)
        return Posterior(mean, log_deviation.clamp(-5.0, 1.0))


def divergence(posterior: Posterior) -> Tensor:
    """Kullback-Leibler divergence of the innovations of each bin from their prior, (windows, bins), in nats."""
    mean, log_deviation = posterior
    return 0.5 * (mean.square() + torch.exp(2 * log_deviation) - 1 - 2 * log_deviation).sum(-1)


def slow_latents(innovations: Tensor, persistence: Tensor) -> Tensor:
    """The processes that innovations drive, (windows, bins, latents), at their stationary law from the first bin on."""
    bins = torch.arange(innovations.shape[1], device=innovations.device)
    passed = (bins[:, None] - bins).clamp(min=0)
    kernel = persistence[:, None, None] ** passed * (bins[:, None] >= bins)  # (latents, bins, bins)
    strength = torch.sqrt(1 - persistence**2)[:, None].repeat(1, len(bins))
    strength[:, 0] = 1.0
    return torch.einsum("kts,ks,wsk->wtk", kernel, strength, innovations)
