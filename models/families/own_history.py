"""What a unit's own past adds to what it emits: refractoriness, bursts, and excitability that lasts some bins.

Each unit has some leaky sums of its own output, of time constants from one bin to several, and a weight for each, as
the history filter of a generalised linear model has (Truccolo et al. 2005, J Neurophysiol 93:1074). A recurrent unit
that sees the population through a few factors can't learn that of every unit.

A unit that excites itself can fire on and on, which no recording shows and no likelihood forbids (Gerhard, Deger,
Truccolo 2017, PLoS Comput Biol 13:e1005390). So a sum counts as at most what it hardly ever exceeds in the recording.
"""

import math

import torch
from torch import Tensor, nn

from spikeloop.models.families.population import Population

__all__ = ["OwnHistory"]

SHORTEST_BINS, LONGEST_BINS = 1.0, 30.0  # time constants, spread evenly on a logarithmic scale
LARGEST, LARGEST_SUM = 3.0, 4.0  # standard deviations of a bin, and of a sum of independent bins
EXCEEDED_SHARE = 1e-3  # of the recorded bins in which a sum is larger than it counts
SMALLEST_DEVIATION = 0.05  # of a count, so that a unit that hardly ever fires is not taken for a lively one


class OwnHistory(nn.Module):
    """Leaky sums of each unit's own output, and what they add to its parameters.

    A sum is in standard deviations of itself, were the bins independent.

    Parameters
    ----------
    sums : int
        Of each unit; 0 for no history.
    population : Population

    Attributes
    ----------
    size : int
        Numbers that are passed from bin to bin, sums * units.
    """

    def __init__(self, sums: int, population: Population) -> None:
        super().__init__()
        self.size = sums * population.units
        self.weights = nn.Parameter(torch.zeros(sums, population.units))
        time_constants = torch.linspace(math.log(SHORTEST_BINS), math.log(LONGEST_BINS), sums).exp()
        self.register_buffer("persistence", torch.exp(-1 / time_constants), persistent=False)
        self.persistence: Tensor
        scale = torch.sqrt((1 + self.persistence) / (1 - self.persistence))[:, None]
        self.register_buffer("scale", scale, persistent=False)
        self.scale: Tensor
        for name, values in (("mean", population.means), ("deviation", population.deviations.clip(SMALLEST_DEVIATION))):
            self.register_buffer(name, torch.as_tensor(values, dtype=torch.float32))
        self.mean: Tensor
        self.deviation: Tensor
        self.register_buffer("largest", torch.full_like(self.weights, LARGEST_SUM, requires_grad=False))
        self.largest: Tensor

    @torch.no_grad()
    def bound(self, values: Tensor) -> None:
        """Set the largest that each sum counts as, from recorded windows, (windows, bins, units)."""
        sums = self.before(values, values.new_zeros(len(values), self.size)).flatten(0, 1)
        rank = math.ceil((1 - EXCEEDED_SHARE) * len(sums))
        self.largest.copy_(sums.kthvalue(rank, dim=0).values.view_as(self.largest).clamp(max=LARGEST_SUM))

    def before(self, values: Tensor, first: Tensor) -> Tensor:
        """Compute the sums before each bin of windows.

        Parameters
        ----------
        values : tensor of shape (windows, bins, units)
        first : tensor of shape (windows, sums * units)
            The sums before the first bin; 0 where there was nothing.

        Returns
        -------
        tensor of shape (windows, bins, sums * units)
        """
        bins = torch.arange(values.shape[1], device=values.device)
        passed = bins[:, None] - 1 - bins
        kernel = self.persistence[:, None, None] ** passed.clamp(min=0) * (passed >= 0)  # (sums, bins, bins)
        kernel = kernel * (self.scale * (1 - self.persistence)[:, None])[:, :, None]
        left = self.persistence ** bins[:, None]  # (bins, sums)
        carried = left.unsqueeze(-1) * first.unflatten(-1, self.weights.shape).unsqueeze(1)
        return (torch.einsum("kts,wsu->wtku", kernel, self._standard(values)) + carried).flatten(-2)

    def after(self, history: Tensor, values: Tensor) -> Tensor:
        """Compute the sums after a bin, (windows, sums * units), from those before it and its values."""
        units = values.shape[-1]
        persistence = self.persistence.repeat_interleave(units)
        gain = (self.scale[:, 0] * (1 - self.persistence)).repeat_interleave(units)
        return persistence * history + gain * torch.cat([self._standard(values)] * len(self.weights), -1)

    def effect(self, history: Tensor) -> Tensor:
        """Compute what sums, (..., sums * units), add to the first parameter of each unit, (..., units)."""
        sums = history.unflatten(-1, self.weights.shape)
        return (torch.minimum(sums.clamp(min=-LARGEST_SUM), self.largest) * self.weights).sum(-2)

    def _standard(self, values: Tensor) -> Tensor:
        return ((values - self.mean) / self.deviation).clamp(-LARGEST, LARGEST)
