"""A causal generator: bin by bin, from noise, its own past and a condition, spikes without end.

A gated recurrent unit (Cho et al. 2014) reads what the population did in the last bin, what drives it in this one,
and slow latents: Ornstein-Uhlenbeck processes, which carry what outlasts the unit's memory. One of several modes of
the population is drawn (correlations inside a bin), and every unit emits by that mode's word. As the generator sees
its own spikes, bursts hold together and refractoriness is kept, which noise on soft probabilities breaks.

Work and memory of a bin are constant, and its state is three tensors, so that a window, a recording's length and an
endless stream are the same model cut differently.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spikeloop.models.emission import Emission, emission_of
from spikeloop.models.population import Population

__all__ = ["Generator", "GeneratorConfig", "Noise", "State", "ornstein_uhlenbeck"]

NEVER_QUITE = 1e-7  # uniform noise keeps this far from 0 and 1, whose logarithms are taken


@dataclass(frozen=True)
class GeneratorConfig:
    """What is built."""

    state_size: int = 192  # of the recurrent unit; larger ones learn trials by heart
    modes: int = 8  # of the population, that a bin is drawn from; twice as many gain nothing
    factors: int = 64  # at most, between the population and the recurrent unit, either way
    drive_size: int = 32  # of what conditions are encoded to
    slow_latents: int = 0
    shortest_slow_bins: float = 2.0  # time constants of slow latents, spread evenly on a logarithmic scale
    longest_slow_bins: float = 64.0


class State(NamedTuple):
    """What a bin hands to the next: (windows, state_size), (windows, units) and (windows, slow_latents)."""

    hidden: Tensor
    previous: Tensor
    slow: Tensor


class Noise(NamedTuple):
    """What chance decides by: uniform (windows, bins, modes + units), normal (windows, bins, slow_latents)."""

    uniform: Tensor
    normal: Tensor


class Generator(nn.Module):
    """Noise and conditions to counts."""

    def __init__(self, config: GeneratorConfig, population: Population) -> None:
        super().__init__()
        self.units, self.modes, self.slow_latents = population.units, config.modes, config.slow_latents
        self.channels = len(population.channels)
        self.emission: Emission = emission_of(population)
        factors = min(config.factors, self.units)
        self.condition = _ConditionEncoder(config.drive_size, population) if self.channels else None
        drive = (config.drive_size if self.channels else 0) + self.slow_latents
        self.first_hidden = nn.Parameter(torch.zeros(config.state_size))
        self.read = nn.Linear(self.units, factors, bias=False)
        self.recurrence = nn.GRU(factors + drive, config.state_size, batch_first=True)
        self.choose = nn.Linear(config.state_size, self.modes)
        self.say = nn.Linear(config.state_size, self.modes * factors)
        self.say_directly = nn.Linear(drive, factors, bias=False) if drive else None
        self.emit = nn.Linear(factors, self.emission.outputs * self.units)
        self.register_buffer("persistence", ornstein_uhlenbeck(config), persistent=False)
        self.persistence: Tensor
        with torch.no_grad():
            self.emit.bias.copy_(self.emission.start())
            self.say.bias.copy_(0.5 * torch.randn(self.modes * factors))  # modes that differ

    def noise(self, windows: int, bins: int, random: torch.Generator) -> Noise:
        """What so many bins take."""
        to = {"generator": random, "device": random.device}
        return Noise(
            torch.rand(windows, bins, self.modes + self.units, **to),
            torch.randn(windows, bins, self.slow_latents, **to),
        )

    def first_state(self, windows: int, random: torch.Generator) -> State:
        """A state to begin from: no spikes yet, and slow latents as they are at any time."""
        nothing = torch.zeros(windows, self.units, device=self.first_hidden.device)
        slow = torch.randn(windows, self.slow_latents, generator=random, device=random.device)
        return State(self.first_hidden.expand(windows, -1), nothing, slow)

    def log_likelihood(
        self, values: Tensor, conditions: Tensor, slow: Tensor, dropout: float, random: torch.Generator
    ) -> Tensor:
        """Log probability of each bin given those before it and the slow latents, (windows, bins), in nats.

        Parameters
        ----------
        values, conditions, slow : (windows, bins, units), (windows, bins, channels), (windows, bins, slow_latents)
        dropout : of the recurrent unit's output; 0 for the exact value
        """
        number = len(values)
        before = torch.cat([torch.zeros_like(values[:, :1]), values[:, :-1]], dim=1)
        drive = self._drive(conditions, slow)
        first = self.first_hidden.expand(1, number, -1).contiguous()
        hidden, _ = self.recurrence(torch.cat([self.read(self.emission.seen(before)), *drive], dim=-1), first)
        if dropout:
            kept = torch.rand(hidden.shape, generator=random, device=hidden.device) >= dropout
            hidden = hidden * kept / (1 - dropout)
        prior = F.log_softmax(self.choose(hidden), dim=-1)
        factors = self.say(hidden).unflatten(-1, (self.modes, -1))
        if self.say_directly is not None:
            factors = factors + self.say_directly(torch.cat(drive, dim=-1)).unsqueeze(-2)
        return torch.logsumexp(prior + self.emission.log_probability(values, before, self.emit(factors)), dim=-1)

    def forward(self, conditions: Tensor, noise: Noise, state: State) -> tuple[Tensor, State]:
        """Values of these bins, (windows, bins, units), given (windows, bins, channels), and the state after them."""
        return self._unroll(conditions, noise, state, _one_hot_of_largest, self.emission.draw)

    def draw_softly(self, conditions: Tensor, noise: Noise, state: State) -> tuple[Tensor, State]:
        """The same values, with gradients."""
        return self._unroll(conditions, noise, state, _straight_through_largest, self.emission.draw_softly)

    def _unroll(
        self,
        conditions: Tensor,
        noise: Noise,
        state: State,
        choose: Callable[[Tensor], Tensor],
        emit: Callable[[Tensor, Tensor, Tensor], Tensor],
    ) -> tuple[Tensor, State]:
        values = []
        for bin_ in range(noise.uniform.shape[1]):
            now = Noise(noise.uniform[:, bin_], noise.normal[:, bin_])
            state = self._next_state(conditions[:, bin_], now, state, choose, emit)
            values.append(state.previous)
        return torch.stack(values, dim=1), state

    def _next_state(
        self,
        condition: Tensor,
        noise: Noise,
        state: State,
        choose: Callable[[Tensor], Tensor],
        emit: Callable[[Tensor, Tensor, Tensor], Tensor],
    ) -> State:
        """One bin: the state after it, whose `previous` is what it emitted."""
        uniform = noise.uniform.clamp(NEVER_QUITE, 1 - NEVER_QUITE)
        slow = self.persistence * state.slow + torch.sqrt(1 - self.persistence**2) * noise.normal
        drive = self._drive(condition, slow)
        hidden = self._recur(torch.cat([self.read(self.emission.seen(state.previous)), *drive], dim=-1), state.hidden)
        gumbel = -torch.log(-torch.log(uniform[:, : self.modes]))
        mode = choose(self.choose(hidden) + gumbel)  # the Gumbel-max trick: a draw from the modes' probabilities
        factors = torch.einsum("wm,wmf->wf", mode, self.say(hidden).unflatten(-1, (self.modes, -1)))
        if self.say_directly is not None:
            factors = factors + self.say_directly(torch.cat(drive, dim=-1))
        return State(hidden, emit(self.emit(factors), state.previous, uniform[:, self.modes :]), slow)

    def next_bin(self, condition: Tensor, noise: Noise, state: State) -> State:
        """The state after one bin, whose `previous` is what it emitted; arguments without the axis of bins."""
        return self._next_state(condition, noise, state, _one_hot_of_largest, self.emission.draw)

    def _drive(self, conditions: Tensor, slow: Tensor) -> list[Tensor]:
        encoded = [self.condition(conditions)] if self.condition is not None else []
        return encoded + ([slow] if self.slow_latents else [])

    def _recur(self, given: Tensor, hidden: Tensor) -> Tensor:
        """One step of the recurrent unit, written out so that it takes drawn spikes and becomes plain ONNX."""
        cell = self.recurrence
        fresh = F.linear(given, cell.weight_ih_l0, cell.bias_ih_l0).chunk(3, dim=1)
        kept = F.linear(hidden, cell.weight_hh_l0, cell.bias_hh_l0).chunk(3, dim=1)
        reset, update = torch.sigmoid(fresh[0] + kept[0]), torch.sigmoid(fresh[1] + kept[1])
        proposed = torch.tanh(fresh[2] + reset * kept[2])
        return proposed + update * (hidden - proposed)

    @torch.no_grad()
    def shift_log_odds(self, shift: Tensor) -> None:
        """Make units more or less active in every mode; (units,)."""
        self.emit.bias[: self.units] += shift


class _ConditionEncoder(nn.Module):
    """Conditions, (..., channels), to what the network is driven by, (..., size)."""

    def __init__(self, size: int, population: Population) -> None:
        super().__init__()
        self.cyclic = [index for index, channel in enumerate(population.channels) if channel.cyclic]
        self.plain = [index for index, channel in enumerate(population.channels) if not channel.cyclic]
        self.tables = nn.ModuleList(nn.Embedding(population.channels[index].period, size) for index in self.cyclic)
        for name, values in (
            ("mean", population.condition_means), ("deviation", population.condition_deviations.clip(1e-6))
        ):  # fmt: skip
            self.register_buffer(name, torch.as_tensor(values, dtype=torch.float32)[self.plain])
        self.mean: Tensor
        self.deviation: Tensor
        width = 2 * size
        self.hidden = nn.Linear(len(self.plain), width) if self.plain else None
        self.out = nn.Linear(width, size) if self.plain else None

    def forward(self, conditions: Tensor) -> Tensor:
        phases = [conditions[..., index].round().long() for index in self.cyclic]
        parts = [table(phase % table.num_embeddings) for table, phase in zip(self.tables, phases, strict=True)]
        if self.hidden is not None and self.out is not None:
            plain = (conditions[..., self.plain] - self.mean) / self.deviation
            parts.append(self.out(torch.tanh(self.hidden(plain))))
        return torch.stack(parts).sum(0)


def ornstein_uhlenbeck(config: GeneratorConfig) -> Tensor:
    """The share of each slow latent that is left a bin later, (slow_latents,)."""
    shortest, longest = (math.log(each) for each in (config.shortest_slow_bins, config.longest_slow_bins))
    return torch.exp(-torch.exp(-torch.linspace(shortest, longest, config.slow_latents)))


def _one_hot_of_largest(scores: Tensor) -> Tensor:
    places = torch.arange(scores.shape[-1], device=scores.device)
    return (places == scores.argmax(-1, keepdim=True)).to(scores.dtype)


def _straight_through_largest(scores: Tensor) -> Tensor:
    soft = torch.softmax(scores, dim=-1)  # straight-through Gumbel-softmax (Jang, Gu, Poole 2017)
    return _one_hot_of_largest(scores) + (soft - soft.detach())
