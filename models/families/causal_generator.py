"""A causal generator: bin by bin, from noise, its own past and a condition, spikes without end.

A gated recurrent unit (Cho et al. 2014) receives the spikes of the last bin, the conditions of this one, and slow
latents: Ornstein-Uhlenbeck processes, for what lasts longer than the unit's memory. One of several modes of the
population is drawn (correlations inside a bin), and every unit emits by the parameters that the mode gives it. The
generator receives its own spikes, so that bursts and refractoriness are kept, which noise on soft probabilities breaks.

Work and memory of a bin are constant, as its state is a few tensors: a window, a whole recording and an endless
stream are all drawn from the same model.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spikeloop.models.families.emission import Emission, emission_of
from spikeloop.models.families.own_history import OwnHistory
from spikeloop.models.families.population import Population
from spikeloop.models.families.recurrence import run_through
from spikeloop.models.families.shared_batch import WHOLE, Share

__all__ = ["Generator", "GeneratorConfig", "Noise", "State", "ornstein_uhlenbeck"]

SMALLEST_UNIFORM = 1e-7  # uniform noise keeps this far from 0 and 1, as its logarithm is computed


@dataclass(frozen=True)
class GeneratorConfig:
    """Sizes of the generator."""

    state_size: int = 192  # of the recurrent unit; larger ones learn trials by heart
    modes: int = 8  # of the population, of which each bin has one; twice as many gain nothing
    factors: int = 64  # at most, between the population and the recurrent unit, in both directions
    drive_size: int = 32  # of what conditions are encoded to
    drives_units: bool = False  # whether conditions and slow latents also act on each unit by itself, not by factors
    own_history: int = 0  # leaky sums of each unit's own output that act on it
    slow_latents: int = 0
    shortest_slow_bins: float = 2.0  # time constants of slow latents, spread evenly on a logarithmic scale
    longest_slow_bins: float = 64.0


class State(NamedTuple):
    """What one bin passes to the next.

    Attributes
    ----------
    hidden : tensor of shape (windows, state_size)
        Of the recurrent unit.
    previous : tensor of shape (windows, units)
        What the bin emitted.
    slow : tensor of shape (windows, slow_latents)
    history : tensor of shape (windows, own_history * units)
        Leaky sums of what each unit emitted.
    """

    hidden: Tensor
    previous: Tensor
    slow: Tensor
    history: Tensor


class Noise(NamedTuple):
    """The random numbers of some bins.

    Attributes
    ----------
    uniform : tensor of shape (windows, bins, modes + units)
    normal : tensor of shape (windows, bins, slow_latents)
    """

    uniform: Tensor
    normal: Tensor


class Generator(nn.Module):
    """Generate counts from noise, conditions and a state.

    Parameters
    ----------
    config : GeneratorConfig
    population : Population
    """

    def __init__(self, config: GeneratorConfig, population: Population) -> None:
        super().__init__()
        self.units, self.modes, self.slow_latents = population.units, config.modes, config.slow_latents
        self.channels = len(population.channels)
        self.emission: Emission = emission_of(population)
        factors = min(config.factors, self.units)
        self.condition = _ConditionEncoder(config.drive_size, population) if self.channels else None
        drive = (config.drive_size if self.channels else 0) + self.slow_latents
        self.first_hidden = nn.Parameter(torch.zeros(config.state_size))
        self.input_projection = nn.Linear(self.units, factors, bias=False)
        self.recurrence = nn.GRU(factors + drive, config.state_size, batch_first=True)
        self.mode_logits = nn.Linear(config.state_size, self.modes)
        self.factor_head = nn.Linear(config.state_size, self.modes * factors)
        self.direct_factors = nn.Linear(drive, factors, bias=False) if drive and not config.drives_units else None
        self.direct_effects = nn.Linear(drive, self.units, bias=False) if drive and config.drives_units else None
        self.own_history = OwnHistory(config.own_history, population) if config.own_history else None
        self.emission_head = nn.Linear(factors, self.emission.outputs * self.units)
        self.register_buffer("persistence", ornstein_uhlenbeck(config), persistent=False)
        self.persistence: Tensor
        with torch.no_grad():
            self.emission_head.bias.copy_(self.emission.start())
            self.factor_head.bias.copy_(0.5 * torch.randn(self.modes * factors))  # modes that differ

    def noise(self, windows: int, bins: int, random: torch.Generator) -> Noise:
        """Draw the random numbers of so many bins."""
        to = {"generator": random, "device": random.device}
        return Noise(
            torch.rand(windows, bins, self.modes + self.units, **to),
            torch.randn(windows, bins, self.slow_latents, **to),
        )

    def first_state(self, windows: int, random: torch.Generator) -> State:
        """Make a state to begin from: no spikes yet, and slow latents of their stationary distribution."""
        nothing = torch.zeros(windows, self.units, device=self.first_hidden.device)
        slow = torch.randn(windows, self.slow_latents, generator=random, device=random.device)
        history = nothing.new_zeros(windows, self.own_history.size if self.own_history is not None else 0)
        return State(self.first_hidden.expand(windows, -1), nothing, slow, history)

    def log_likelihood(
        self,
        values: Tensor,
        conditions: Tensor,
        slow: Tensor,
        dropout: float,
        random: torch.Generator,
        state: State,
        share: Share = WHOLE,
    ) -> tuple[Tensor, State]:
        """Compute the log probability of each bin given the bins before it and the slow latents.

        Parameters
        ----------
        values : tensor of shape (windows, bins, units)
        conditions : tensor of shape (windows, bins, channels)
        slow : tensor of shape (windows, bins, slow_latents)
        dropout : float
            Of the recurrent unit's output; 0 for the exact value.
        random : torch.Generator
        state : State
            Before the first bin; its slow latents are not used.
        share : Share, default the whole batch
            The rows that the windows are.

        Returns
        -------
        tensor of shape (windows, bins), nats
        State
            After the last bin.
        """
        before = torch.cat([state.previous.unsqueeze(1), values[:, :-1]], dim=1)
        drive = self.drive(conditions, slow)
        given = torch.cat([self.input_projection(self.emission.seen(before)), *drive], dim=-1)
        states = hidden = run_through(self.recurrence, given, state.hidden)
        if dropout:
            kept = share.uniform(hidden.shape, random) >= dropout
            hidden = hidden * kept / (1 - dropout)
        prior = F.log_softmax(self.mode_logits(hidden), dim=-1)
        factors = self.factor_head(hidden).unflatten(-1, (self.modes, -1))
        if self.direct_factors is not None:
            factors = factors + self.direct_factors(torch.cat(drive, dim=-1)).unsqueeze(-2)
        history = values[..., :0] if self.own_history is None else self.own_history.before(values, state.history)
        given = self.emission_head(factors) + self.effects(drive, history).unsqueeze(-2)
        likelihood = torch.logsumexp(prior + self.emission.log_probability(values, before, given), dim=-1)
        after = history[:, -1] if self.own_history is None else self.own_history.after(history[:, -1], values[:, -1])
        return likelihood, State(states[:, -1], values[:, -1], slow[:, -1], after)

    def forward(self, conditions: Tensor, noise: Noise, state: State) -> tuple[Tensor, State]:
        """Draw the values of these bins, (windows, bins, units), and the state after them.

        Parameters
        ----------
        conditions : tensor of shape (windows, bins, channels)
        noise : Noise
        state : State
            Before the first bin.
        """
        return self._unroll(conditions, noise, state, _one_hot_of_largest, self.emission.draw)

    def draw_softly(self, conditions: Tensor, noise: Noise, state: State) -> tuple[Tensor, State]:
        """Draw the same values, with gradients."""
        return self._unroll(conditions, noise, state, _straight_through_largest, self.emission.draw_softly)

    def _unroll(
        self,
        conditions: Tensor,
        noise: Noise,
        state: State,
        choose_mode: Callable[[Tensor], Tensor],
        draw: Callable[[Tensor, Tensor, Tensor], Tensor],
    ) -> tuple[Tensor, State]:
        values = []
        for bin_ in range(noise.uniform.shape[1]):
            now = Noise(noise.uniform[:, bin_], noise.normal[:, bin_])
            state = self._next_state(conditions[:, bin_], now, state, choose_mode, draw)
            values.append(state.previous)
        return torch.stack(values, dim=1), state

    def _next_state(
        self,
        condition: Tensor,
        noise: Noise,
        state: State,
        choose_mode: Callable[[Tensor], Tensor],
        draw: Callable[[Tensor, Tensor, Tensor], Tensor],
    ) -> State:
        """Draw one bin: the state after it, whose `previous` is what it emitted."""
        uniform = noise.uniform.clamp(SMALLEST_UNIFORM, 1 - SMALLEST_UNIFORM)
        slow = self.next_slow(state.slow, noise.normal)
        drive = self.drive(condition, slow)
        received = torch.cat([self.input_projection(self.emission.seen(state.previous)), *drive], dim=-1)
        hidden = self._recur(received, state.hidden)
        gumbel = -torch.log(-torch.log(uniform[:, : self.modes]))  # the Gumbel-max trick draws from the probabilities
        mode = choose_mode(self.mode_logits(hidden) + gumbel)
        factors = torch.einsum("wm,wmf->wf", mode, self.factor_head(hidden).unflatten(-1, (self.modes, -1)))
        if self.direct_factors is not None:
            factors = factors + self.direct_factors(torch.cat(drive, dim=-1))
        given = self.emission_head(factors) + self.effects(drive, state.history)
        values = draw(given, state.previous, uniform[:, self.modes :])
        history = self.own_history.after(state.history, values) if self.own_history is not None else state.history
        return State(hidden, values, slow, history)

    def next_slow(self, slow: Tensor, normal: Tensor) -> Tensor:
        """Draw the slow latents of the next bin, (..., slow_latents), from those before and normal numbers."""
        return self.persistence * slow + torch.sqrt(1 - self.persistence**2) * normal

    def drive(self, conditions: Tensor, slow: Tensor) -> list[Tensor]:
        """Encode what drives bins, (..., channels) and (..., slow_latents); empty where nothing does."""
        encoded = [self.condition(conditions)] if self.condition is not None else []
        return encoded + ([slow] if self.slow_latents else [])

    def effects(self, drive: list[Tensor], history: Tensor) -> Tensor:
        """Compute what drive and history add to each unit's parameters, (..., outputs * units), or to all, (1,)."""
        parts = [] if self.direct_effects is None else [self.direct_effects(torch.cat(drive, dim=-1))]
        parts += [] if self.own_history is None else [self.own_history.effect(history)]
        if not parts:
            return history.new_zeros(1)
        total = parts[0] + parts[1] if len(parts) == 2 else parts[0]
        others = (self.emission.outputs - 1) * self.units
        return F.pad(total, (0, others)) if others else total

    def _recur(self, given: Tensor, hidden: Tensor) -> Tensor:
        """Make one step of the recurrent unit."""
        given_weight, hidden_weight, given_bias, hidden_bias = self.recurrence.all_weights[0]
        fresh = F.linear(given, given_weight, given_bias).chunk(3, dim=1)
        kept = F.linear(hidden, hidden_weight, hidden_bias).chunk(3, dim=1)
        reset, update = torch.sigmoid(fresh[0] + kept[0]), torch.sigmoid(fresh[1] + kept[1])
        proposed = torch.tanh(fresh[2] + reset * kept[2])
        return proposed + update * (hidden - proposed)

    @torch.no_grad()
    def shift_log_odds(self, shift: Tensor) -> None:
        """Make units more or less active in every mode, by (units,) log odds."""
        self.emission_head.bias[: self.units] += shift


class _ConditionEncoder(nn.Module):
    """Encode conditions, (..., channels), to (..., size)."""

    def __init__(self, size: int, population: Population) -> None:
        super().__init__()
        self.cyclic = [index for index, channel in enumerate(population.channels) if channel.cyclic]
        self.plain = [index for index, channel in enumerate(population.channels) if not channel.cyclic]
        self.periods = [population.channels[index].period for index in self.cyclic]
        self.tables = nn.ModuleList(nn.Embedding(period, size) for period in self.periods)
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
        parts = [table(phase % period) for table, phase, period in zip(self.tables, phases, self.periods, strict=True)]
        if self.hidden is not None and self.out is not None:
            plain = (conditions[..., self.plain] - self.mean) / self.deviation
            parts.append(self.out(torch.tanh(self.hidden(plain))))
        return torch.stack(parts).sum(0)


def ornstein_uhlenbeck(config: GeneratorConfig) -> Tensor:
    """Compute the share of each slow latent that is left one bin later, (slow_latents,)."""
    shortest, longest = (math.log(bins) for bins in (config.shortest_slow_bins, config.longest_slow_bins))
    return torch.exp(-torch.exp(-torch.linspace(shortest, longest, config.slow_latents)))


def _one_hot_of_largest(scores: Tensor) -> Tensor:
    places = torch.arange(scores.shape[-1], device=scores.device)
    return (places == scores.argmax(-1, keepdim=True)).to(scores.dtype)


def _straight_through_largest(scores: Tensor) -> Tensor:
    soft = torch.softmax(scores, dim=-1)  # straight-through Gumbel-softmax (Jang, Gu, Poole 2017)
    return _one_hot_of_largest(scores) + (soft - soft.detach())
