"""The encoder of a variational autoencoder whose decoder is the causal generator.

It infers the innovations of the generator's slow latents: the shocks that drive the Ornstein-Uhlenbeck
processes. Their prior is standard normal and independent in time, so that the divergence is the plain one of Kingma
and Welling 2014 (eq. 10), while the latents themselves are as smooth as their time constants make them.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from spikeloop.models.families.population import Population
from spikeloop.models.families.shared_batch import WHOLE, Share

__all__ = ["Encoder", "Posterior", "divergence", "slow_latents"]


class Posterior(NamedTuple):
    """Normal distribution of the innovations.

    Attributes
    ----------
    mean, log_deviation : tensors of shape (windows, bins, slow_latents)
    """

    mean: Tensor
    log_deviation: Tensor

    def sample(self, random: torch.Generator, share: Share = WHOLE) -> Tensor:
        """Draw innovations, (windows, bins, slow_latents); the windows may be a share of a batch."""
        normal = share.normal(self.mean.shape, random)
        return self.mean + torch.exp(self.log_deviation) * normal


class Encoder(nn.Module):
    """Infer the innovations of each bin of a window from the whole window, read forwards and backwards."""

    def __init__(self, population: Population, latents: int, size: int) -> None:
        super().__init__()
        for name, values in (("mean", population.means), ("deviation", population.deviations.clip(1e-3))):
            self.register_buffer(name, torch.as_tensor(values, dtype=torch.float32))
        self.mean: Tensor
        self.deviation: Tensor
        self.recurrence = nn.GRU(population.units, size, batch_first=True, bidirectional=True)
        self.posterior_head = nn.Linear(2 * size, 2 * latents)
        nn.init.zeros_(self.posterior_head.weight)  # so that it begins at the prior
        nn.init.zeros_(self.posterior_head.bias)

    def forward(self, values: Tensor, lengths: Tensor | None = None) -> Posterior:
        """Infer the innovations of windows of shape (windows, bins, units), of which only so many bins are read."""
        standard = (values - self.mean) / self.deviation
        if lengths is None:
            seen, _ = self.recurrence(standard)
        else:
            packed = pack_padded_sequence(standard, lengths.cpu(), batch_first=True, enforce_sorted=False)
            seen, _ = pad_packed_sequence(self.recurrence(packed)[0], batch_first=True, total_length=values.shape[1])
        mean, log_deviation = self.posterior_head(seen).chunk(2, dim=-1)
        return Posterior(mean, log_deviation.clamp(-5.0, 1.0))


def divergence(posterior: Posterior) -> Tensor:
    """Compute the Kullback-Leibler divergence of each bin's innovations from their prior, (windows, bins), in nats."""
    mean, log_deviation = posterior
    return 0.5 * (mean.square() + torch.exp(2 * log_deviation) - 1 - 2 * log_deviation).sum(-1)


def slow_latents(innovations: Tensor, persistence: Tensor) -> Tensor:
    """Run the processes that innovations drive, (windows, bins, latents); stationary from the first bin on."""
    bins = torch.arange(innovations.shape[1], device=innovations.device)
    passed = (bins[:, None] - bins).clamp(min=0)
    kernel = persistence[:, None, None] ** passed * (bins[:, None] >= bins)  # (latents, bins, bins)
    strength = torch.sqrt(1 - persistence**2)[:, None].repeat(1, len(bins))
    strength[:, 0] = 1.0
    return torch.einsum("kts,ks,wsk->wtk", kernel, strength, innovations)
