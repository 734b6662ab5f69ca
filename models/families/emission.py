"""What a unit emits in a bin, given the parameters that the network has computed: a spike or none, a count, or a trace.

Each kind draws with one uniform number for each unit, so that the random numbers decide the spikes completely.
"""

import math
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spikeloop.models.arrays import Floats
from spikeloop.models.families.count_distribution import log_normaliser, soft_counts
from spikeloop.models.families.population import Population
from spikeloop.models.families.traces import NARROWEST, typical_traces

__all__ = ["Bernoulli", "Counts", "Emission", "Fluorescence", "emission_of"]

RAREST = 1e-4  # of a spike in a bin, where a unit starts from
SMALLEST = 1e-4  # transient, in standard deviations


class Emission(Protocol):
    """One kind of output.

    Attributes
    ----------
    outputs : int
        Parameters of each unit that the network computes.
    """

    outputs: int

    def start(self) -> Tensor:
        """Compute the parameters to begin with, before anything is learned, (outputs * units,)."""
        ...

    def seen(self, values: Tensor) -> Tensor:
        """Scale values for the network, which receives them in the next bin."""
        ...

    def log_probability(self, values: Tensor, before: Tensor, given: Tensor) -> Tensor:
        """Compute the log probability of whole populations, (..., modes), nats.

        Parameters
        ----------
        values, before : tensors of shape (..., units)
            Of a bin and of the bin before it.
        given : tensor of shape (..., modes, outputs * units)
            The parameters.
        """
        ...

    def draw(self, given: Tensor, before: Tensor, uniform: Tensor) -> Tensor:
        """Draw values, (n, units), from parameters, (n, outputs * units)."""
        ...

    def draw_softly(self, given: Tensor, before: Tensor, uniform: Tensor) -> Tensor:
        """Draw the same values, with gradients."""
        ...


def emission_of(population: Population) -> "Bernoulli | Counts | Fluorescence":
    """Choose the kind that a population needs."""
    return {"bernoulli": Bernoulli, "counts": Counts, "fluorescence": Fluorescence}[population.distribution](population)


class Bernoulli(nn.Module):
    """One spike or none, by its log odds."""

    outputs = 1

    def __init__(self, population: Population) -> None:
        super().__init__()
        self.register_buffer("means", torch.as_tensor(population.means, dtype=torch.float32))
        self.means: Tensor

    def start(self) -> Tensor:
        return torch.logit(self.means.clamp(RAREST, 1 - RAREST))

    def seen(self, values: Tensor) -> Tensor:
        return values

    def log_probability(self, values: Tensor, before: Tensor, given: Tensor) -> Tensor:  # noqa: ARG002
        return torch.einsum("...u,...mu->...m", values, given) - F.softplus(given).sum(-1)

    def draw(self, given: Tensor, before: Tensor, uniform: Tensor) -> Tensor:  # noqa: ARG002
        return (uniform < torch.sigmoid(given)).to(given.dtype)

    def draw_softly(self, given: Tensor, before: Tensor, uniform: Tensor) -> Tensor:
        probability = torch.sigmoid(given)  # straight-through (Bengio, Leonard, Courville 2013, arXiv:1308.3432)
        return self.draw(given, before, uniform) + (probability - probability.detach())


class Counts(nn.Module):
    """A count n from 0 to the largest seen, with probability proportional to exp(w[n] + n * given).

    Every unit learns its own weights w, and with them its dispersion: -log n! makes it Poisson, others are regular
    or bursty (an exponential family, as the Conway-Maxwell-Poisson is).
    """

    outputs = 1

    def __init__(self, population: Population) -> None:
        super().__init__()
        self.register_buffer("means", torch.as_tensor(population.means, dtype=torch.float32))
        self.means: Tensor
        self.register_buffer("number", torch.arange(population.largest + 1, dtype=torch.float32), persistent=False)
        self.number: Tensor
        up_to = torch.ones(population.largest + 1, population.largest).triu()  # all but the last, which sums up to 1
        self.register_buffer("up_to", up_to, persistent=False)
        self.up_to: Tensor
        self.weights = nn.Parameter(-torch.lgamma(self.number + 1).repeat(population.units, 1))  # (units, counts)

    def start(self) -> Tensor:
        return torch.log(self.means.clamp(min=RAREST))

    def seen(self, values: Tensor) -> Tensor:
        return torch.log1p(values)

    def log_probability(self, values: Tensor, before: Tensor, given: Tensor) -> Tensor:  # noqa: ARG002
        normaliser = log_normaliser(self.weights, given).sum(-1)
        return self._weight(values) + torch.einsum("...u,...mu->...m", values, given) - normaliser

    def draw(self, given: Tensor, before: Tensor, uniform: Tensor) -> Tensor:  # noqa: ARG002
        probability = torch.softmax(self.weights + self.number * given.unsqueeze(-1), dim=-1)
        below = probability @ self.up_to  # cheaper than a cumulative sum
        return (uniform.unsqueeze(-1) > below).to(probability.dtype).sum(-1)

    def draw_softly(self, given: Tensor, before: Tensor, uniform: Tensor) -> Tensor:  # noqa: ARG002
        return soft_counts(self.weights, given, uniform)

    def _weight(self, values: Tensor) -> Tensor:
        """Add up the weights of counts, (..., units), to (..., 1)."""
        by_unit = values.long().reshape(-1, values.shape[-1]).T
        return self.weights.gather(1, by_unit).sum(0).view(*values.shape[:-1], 1)


class Fluorescence(nn.Module):
    """A trace that is never negative: what is left of the bin before, and sometimes a transient on top.

    The share that is left is each unit's own, as an indicator decays (first-order autoregressive, Vogelstein et al.
    2010, J Neurophysiol 104:3691), with a little logistic noise about it; transients are log-logistic in size. All
    start as the recording's own traces are: from one start for all, the slow share would take thousands of steps.
    """

    outputs = 3  # log odds of a transient; its logarithmic size and the spread of that, sizes in standard deviations

    def __init__(self, population: Population) -> None:
        super().__init__()
        self.register_buffer("scale", torch.as_tensor(population.deviations, dtype=torch.float32).clamp(min=1e-6))
        self.scale: Tensor
        traces = population.traces or typical_traces(population.units)
        self.left = nn.Parameter(torch.logit(_tensor(traces.remaining)))
        self.base = nn.Parameter(_tensor(traces.base))
        self.log_width = nn.Parameter(torch.log(_tensor(traces.width)))
        self._start = torch.cat(
            [torch.logit(_tensor(traces.transients)), _tensor(traces.log_size), _tensor(traces.log_spread)]
        )

    def start(self) -> Tensor:
        return self._start

    def seen(self, values: Tensor) -> Tensor:
        return values / self.scale

    def log_probability(self, values: Tensor, before: Tensor, given: Tensor) -> Tensor:
        values, before = (values.unsqueeze(-2) / self.scale, before.unsqueeze(-2) / self.scale)
        log_odds, log_size, log_spread = self._transient(given)
        log_width = self.log_width.clamp(min=math.log(NARROWEST))
        distance = (values - self._quiet(before)) * torch.exp(-log_width)
        inside = F.logsigmoid(distance) + F.logsigmoid(-distance) - log_width
        quiet = torch.where(values > 0, inside, F.logsigmoid(distance)) + F.logsigmoid(-log_odds)
        jump = values - self._quiet(before)
        log_jump = torch.log(jump.clamp(min=SMALLEST))
        apart = (log_jump - log_size) * torch.exp(-log_spread)
        inside = F.logsigmoid(apart) + F.logsigmoid(-apart) - log_spread - log_jump
        transient = torch.where(values > 0, inside, F.logsigmoid(apart)) + F.logsigmoid(log_odds)
        either = torch.where(jump > SMALLEST, torch.logaddexp(quiet, transient), quiet)
        return (either - torch.where(values > 0, torch.log(self.scale), 0.0)).sum(-1)

    def draw(self, given: Tensor, before: Tensor, uniform: Tensor) -> Tensor:
        return self._draw(given, before, uniform)[0]

    def draw_softly(self, given: Tensor, before: Tensor, uniform: Tensor) -> Tensor:
        values, probability, jump = self._draw(given, before, uniform)
        return values + self.scale * jump.detach() * (probability - probability.detach())  # straight-through

    def _draw(self, given: Tensor, before: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Draw values; also return the probability of a transient, and its size if there is one."""
        log_odds, log_size, log_spread = self._transient(given)
        probability = torch.sigmoid(log_odds)
        is_quiet = uniform >= probability
        share = probability.detach()  # its gradient is that of `draw_softly` alone
        rest = torch.where(is_quiet, (uniform - share) / (1 - share), uniform / share)
        noise = torch.logit(rest.clamp(1e-6, 1 - 1e-6))  # what is left of the uniform number is uniform again
        jump = torch.exp(log_size + torch.exp(log_spread) * noise)
        little = torch.exp(self.log_width.clamp(min=math.log(NARROWEST))) * noise
        values = self._quiet(before / self.scale) + torch.where(is_quiet, little, jump)
        return self.scale * F.relu(values), probability, jump

    def _quiet(self, before: Tensor) -> Tensor:
        return torch.sigmoid(self.left) * before + self.base

    def _transient(self, given: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        log_odds, log_size, log_spread = given.chunk(3, dim=-1)
        return log_odds.clamp(-12.0, 12.0), log_size.clamp(-8.0, 3.0), log_spread.clamp(-4.0, -0.8)


def _tensor(values: Floats) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float32)
