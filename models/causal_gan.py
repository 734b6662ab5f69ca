"""Causal Spike-GAN: a recurrent generator that sees its own spikes, learned by likelihood and then by a critic.

Bin by bin: a gated recurrent unit (Cho et al. 2014) reads the spikes of the last bin; one of several modes of the
population is drawn (correlations inside a bin), and each unit fires or not by that mode's probabilities. As the
generator sees its own spikes, bursts hold together and refractoriness is kept, which noise on soft probabilities
breaks.

It is trained in two stages. First by likelihood: every bin given the real bins before it, exact, as the modes of a
bin are few enough to sum over. Left to run by itself such a model drifts (rates, population counts), since it never
saw its own mistakes. So then adversarially, as Spike-GAN (Molano-Mazon et al. 2018): a critic judges windows that
the generator made alone, and its gradient flows back through the spikes (straight-through) and the modes
(straight-through Gumbel-softmax; Jang, Gu, Poole 2017). Likelihood first, critic second is SeqGAN's order (Yu et
al. 2017).
"""

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spikeloop.models.critic import ConvolutionalCritic, CountViews, Critic, critic_loss, generator_loss
from spikeloop.models.gan import Gan

__all__ = ["PRESETS", "CausalGan", "CausalGanConfig", "Generator"]


@dataclass(frozen=True)
class CausalGanConfig:
    """What is built and how it is trained. The defaults are the preset `fast`."""

    window_bins: int = 32  # the paper's retina windows; a multiple of stride ** 2
    state_size: int = 192  # of the recurrent unit; larger ones learn trials by heart
    modes: int = 8  # of the population, that a bin is drawn from; twice as many gain nothing
    dropout: float = 0.25  # of the recurrent unit's output while it learns by likelihood
    likelihood_steps: int = 5000  # of the first stage
    likelihood_batch: int = 64
    likelihood_rate: float = 3e-3  # falls to 3 % along a quarter of a cosine
    weight_decay: float = 1e-2
    likelihood_weight: float = 1.0  # of the likelihood of a bin beside the critic in the second stage; 0 for none
    batch: int = 128
    generator_rate: float = 3e-4  # of the second stage
    critic_rate: float = 5e-4
    decay_steps: int = 1500  # of the second stage; both rates fall as 1 / (1 + step / decay_steps)
    critic_lead: int = 100  # steps of the critic alone, before the generator follows it
    betas: tuple[float, float] = (0.0, 0.9)  # as published with Spike-GAN; of the second stage
    penalty: float = 10.0  # as published
    features: int = 64  # of the critic's convolution next to the spikes
    kernel: int = 5  # bins, as published
    stride: int = 2  # bins, as published
    critic_views: bool = True  # the critic also sees counts and lagged products
    average_decay: float = 0.999  # exponential average of the generator's weights


PRESETS = {"fast": CausalGanConfig()}


class CausalGan(Gan):
    """The causal Spike-GAN in training.

    Attributes
    ----------
    first_stage : the average as the first stage left it
    keeps_first_stage : whether that is sampled from
    """

    keeps_first_stage: Tensor

    def __init__(self, config: CausalGanConfig, expected_counts: Tensor) -> None:
        """`expected_counts`, (units,), are the recording's mean counts per bin."""
        units = len(expected_counts)
        generator = Generator(config, expected_counts)
        critic = Critic(
            ConvolutionalCritic(config.window_bins, units, config.features, config.kernel, config.stride),
            CountViews(config.window_bins, units) if config.critic_views else None,
        )
        super().__init__(generator, critic, config.average_decay, units)
        self.config = config
        self.first_stage = deepcopy(self.average)
        self.register_buffer("keeps_first_stage", torch.tensor(False))

    def stages(self, steps: int) -> tuple[int, ...]:
        """Stages that may be kept after so many steps."""
        return (0, 1) if steps > self.config.likelihood_steps else (1,)

    def keep_stage(self, stage: int) -> None:
        """Sample from the first stage (0) or from what training came to (1)."""
        self.keeps_first_stage.fill_(stage == 0)

    def _kept(self) -> "Generator":
        return self.first_stage if self.keeps_first_stage else self.average

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        config, parameters = self.config, list(self.generator.parameters())
        return {
            "likelihood": torch.optim.AdamW(parameters, config.likelihood_rate, weight_decay=config.weight_decay),
            "generator": torch.optim.Adam(parameters, config.generator_rate, config.betas),
            "critic": torch.optim.Adam(self.critic.parameters(), config.critic_rate, config.betas),
        }

    def learn(
        self,
        step: int,
        real_windows: Callable[[int], Tensor],
        optimizers: dict[str, torch.optim.Optimizer],
        random: torch.Generator,
    ) -> float:
        """One step: of likelihood in the first stage, of critic and generator in the second.

        Parameters
        ----------
        step : steps taken before
        real_windows : gives so many windows, (windows, bins, units)

        Returns
        -------
        The loss: in the first stage nats per bin, in the second the critic's.
        """
        if step < self.config.likelihood_steps:
            return self._learn_likelihood(step, real_windows, optimizers["likelihood"], random)
        if step == self.config.likelihood_steps:
            self.generator.load_state_dict(self.average.state_dict())
            self.first_stage.load_state_dict(self.average.state_dict())
        return self._learn_adversarially(step - self.config.likelihood_steps, real_windows, optimizers, random)

    def _learn_likelihood(
        self,
        step: int,
        real_windows: Callable[[int], Tensor],
        optimizer: torch.optim.Optimizer,
        random: torch.Generator,
    ) -> float:
        config = self.config
        share = math.cos(math.pi / 2 * step / config.likelihood_steps)
        optimizer.param_groups[0]["lr"] = config.likelihood_rate * max(0.03, share)
        loss = self._surprise(real_windows(config.likelihood_batch), random)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.generator.parameters(), 1.0)
        optimizer.step()
        self._average_generator(step)
        return loss.item()

    def _learn_adversarially(
        self,
        step: int,
        real_windows: Callable[[int], Tensor],
        optimizers: dict[str, torch.optim.Optimizer],
        random: torch.Generator,
    ) -> float:
        config = self.config
        share = 1 / (1 + step / config.decay_steps)
        optimizers["generator"].param_groups[0]["lr"] = config.generator_rate * share
        optimizers["critic"].param_groups[0]["lr"] = config.critic_rate * share
        follows = step >= config.critic_lead
        latent = torch.randn(config.batch, self.generator.latent_size, generator=random, device=random.device)
        with torch.set_grad_enabled(follows):
            fake = self.generator.draw_softly(latent)
        loss = critic_loss(self.critic, real_windows(config.batch), fake.detach(), config.penalty, random)
        optimizers["critic"].zero_grad(set_to_none=True)
        loss.backward()
        optimizers["critic"].step()
        if follows:
            self.critic.requires_grad_(False)
            total = generator_loss(self.critic, fake)  # the very windows that the critic just saw: half the work
            if config.likelihood_weight:
                total = total + config.likelihood_weight * self._surprise(real_windows(config.likelihood_batch), random)
            optimizers["generator"].zero_grad(set_to_none=True)
            total.backward()
            nn.utils.clip_grad_norm_(self.generator.parameters(), 5.0)
            optimizers["generator"].step()
            self.critic.requires_grad_(True)
            self._average_generator(config.likelihood_steps + step)
        return loss.item()

    def _surprise(self, windows: Tensor, random: torch.Generator) -> Tensor:
        """Mean negative log-likelihood of a bin, in nats, with dropout."""
        return -self.generator.log_likelihood(windows, self.config.dropout, random).mean()


class Generator(nn.Module):
    """Gaussian noise to spikes, (windows, latent) -> (windows, bins, units) of 0 and 1.

    The noise decides everything: each bin takes `modes` numbers to draw its mode and one a unit to draw its spike.
    """

    def __init__(self, config: CausalGanConfig, expected_counts: Tensor) -> None:
        super().__init__()
        self.bins, self.modes, self.units = config.window_bins, config.modes, len(expected_counts)
        self.first_input = nn.Parameter(torch.zeros(self.units))  # in place of the spikes before the first bin
        self.first_state = nn.Parameter(torch.zeros(config.state_size))
        self.recurrence = nn.GRU(self.units, config.state_size, batch_first=True)
        self.choose = nn.Linear(config.state_size, self.modes)
        self.emit = nn.Linear(config.state_size, self.modes * self.units)
        with torch.no_grad():
            rates = torch.logit(expected_counts.clamp(1e-4, 1 - 1e-4))
            self.emit.bias.copy_((rates + 0.5 * torch.randn(self.modes, self.units)).flatten())  # modes that differ

    @property
    def latent_size(self) -> int:
        return self.bins * (self.modes + self.units)

    def log_likelihood(self, windows: Tensor, dropout: float, random: torch.Generator) -> Tensor:
        """Log probability of each bin given those before it, (windows, bins), in nats.

        `dropout` of the recurrent unit's output; 0 for the exact value.
        """
        number = len(windows)
        before = torch.cat([self.first_input.expand(number, 1, -1), windows[:, :-1]], dim=1)
        state, _ = self.recurrence(before, self.first_state.expand(1, number, -1).contiguous())
        if dropout:
            kept = torch.rand(state.shape, generator=random, device=state.device) >= dropout
            state = state * kept / (1 - dropout)
        prior, logits = self._modes(state)  # (windows, bins, modes), (windows, bins, modes, units)
        spikes = torch.einsum("wbu,wbmu->wbm", windows, logits)
        return torch.logsumexp(prior + spikes - F.softplus(logits).sum(-1), dim=-1)

    def forward(self, latent: Tensor) -> Tensor:
        """Spikes of these windows, 0 or 1."""
        return self._unroll(latent, _one_hot_of_largest, _fire)

    def draw_softly(self, latent: Tensor) -> Tensor:
        """The same spikes, with gradients."""
        return self._unroll(latent, _straight_through_largest, _straight_through_fire)

    def _unroll(
        self,
        latent: Tensor,
        choose: Callable[[Tensor], Tensor],
        fire: Callable[[Tensor, Tensor], Tensor],
    ) -> Tensor:
        noise = _uniform(latent).unflatten(1, (self.bins, self.modes + self.units))
        gumbel = -torch.log(-torch.log(noise[:, :, : self.modes]))
        thresholds = torch.logit(noise[:, :, self.modes :])
        spikes, state = (first.expand(latent.shape[0], -1) for first in (self.first_input, self.first_state))
        bins = []
        for bin_ in range(self.bins):
            state = self._next_state(spikes, state)
            prior, logits = self._modes(state)
            mode = choose(prior + gumbel[:, bin_])  # the Gumbel-max trick: a draw from the prior
            spikes = fire(torch.einsum("wm,wmu->wu", mode, logits), thresholds[:, bin_])
            bins.append(spikes)
        return torch.stack(bins, dim=1)

    def _next_state(self, spikes: Tensor, state: Tensor) -> Tensor:
        """One step of the recurrent unit, written out so that it takes drawn spikes and unrolls into ONNX."""
        cell = self.recurrence
        given = F.linear(spikes, cell.weight_ih_l0, cell.bias_ih_l0).chunk(3, dim=1)
        kept = F.linear(state, cell.weight_hh_l0, cell.bias_hh_l0).chunk(3, dim=1)
        reset, update = torch.sigmoid(given[0] + kept[0]), torch.sigmoid(given[1] + kept[1])
        fresh = torch.tanh(given[2] + reset * kept[2])
        return fresh + update * (state - fresh)

    def _modes(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """Log probability of each mode, and every unit's log odds in it."""
        return F.log_softmax(self.choose(state), dim=-1), self.emit(state).unflatten(-1, (self.modes, self.units))

    @torch.no_grad()
    def shift_log_odds(self, shift: Tensor) -> None:
        """Make units more or less likely to fire in every mode; (units,)."""
        self.emit.bias.add_(shift.repeat(self.modes))


def _uniform(normal: Tensor) -> Tensor:
    """Uniform noise from Gaussian noise, away from 0 and 1, whose logarithms are needed."""
    return (0.5 + 0.5 * torch.erf(normal / math.sqrt(2))).clamp(1e-7, 1 - 1e-7)


def _one_hot_of_largest(scores: Tensor) -> Tensor:
    places = torch.arange(scores.shape[-1], device=scores.device)
    return (places == scores.argmax(-1, keepdim=True)).to(scores.dtype)


def _straight_through_largest(scores: Tensor) -> Tensor:
    soft = torch.softmax(scores, dim=-1)
    return _one_hot_of_largest(scores) + soft - soft.detach()


def _fire(log_odds: Tensor, thresholds: Tensor) -> Tensor:
    return (thresholds < log_odds).to(log_odds.dtype)


def _straight_through_fire(log_odds: Tensor, thresholds: Tensor) -> Tensor:
    probability = torch.sigmoid(log_odds)
    return _fire(log_odds, thresholds) + (probability - probability.detach())
