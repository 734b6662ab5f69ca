"""Causal Spike-GAN, VAE and VAE-GAN: the causal generator, learned by likelihood and then by a critic.

Training has two stages. The first maximises the likelihood of every bin given the recorded bins before it. Without
slow latents the likelihood is exact, as the modes of a bin are few enough to sum over; with slow latents an encoder
infers them, and the likelihood is bounded from below (VAE). Such a model drifts when it runs by itself, since it was
never trained on its own output. The second stage is therefore adversarial, as in Spike-GAN (Molano-Mazon et al.
2018): a critic scores windows of runs that the generator continues from step to step, each as long as a repeat of the
recording and with its conditions. The critic's gradient flows back through the spikes (straight-through) and the modes
(straight-through Gumbel-softmax), and the likelihood stays part of the loss. Likelihood before critic is the order of
SeqGAN (Yu et al. 2017); an autoencoder with a critic is VAE-GAN (Larsen et al. 2016).
"""

import math
from copy import deepcopy

import torch
from torch import Tensor

from spikeloop.models.families.causal_generator import Generator, Noise, State
from spikeloop.models.families.causal_presets import PRESETS, VAE_GAN_PRESETS, VAE_PRESETS, CausalGanConfig
from spikeloop.models.families.critic import (
    ConditionProjection,
    ConvolutionalCritic,
    CountViews,
    Critic,
    critic_loss,
    generator_loss,
)
from spikeloop.models.families.gan import ENDLESS, Gan, clipped_gradient_step
from spikeloop.models.families.population import Population
from spikeloop.models.families.registry import GanFamily
from spikeloop.models.families.shared_batch import WHOLE, Share
from spikeloop.models.families.training_data import Crops, TrainingData
from spikeloop.models.families.vae_encoder import Encoder, divergence, slow_latents

__all__ = ["FAMILIES", "CausalGan"]

JUDGED_CROPS = 32  # of which the likelihood of what is not learned from is computed
BOUNDING_CROPS, BOUNDING_BINS = 128, 512  # of the recording, that say how large the sums of a unit's history become


class CausalGan(Gan):
    """The model in training.

    Parameters
    ----------
    config : CausalGanConfig
    population : Population

    Attributes
    ----------
    first_stage : Generator
        The average at the end of the first stage.
    keeps_first_stage : tensor of shape (), bool
        Whether `first_stage` is sampled from.
    places : tensor of shape (batch, 2), int64
        Where in the recording the generator's runs are; running_hidden, running_previous, running_slow and
        running_history are their states.
    learned_places : tensor of shape (likelihood_batch, 2), int64
        Where the crops are of which the likelihood is computed, with states of the same kind, where these are carried.
    """

    keeps_first_stage: Tensor
    places: Tensor
    learned_places: Tensor

    def __init__(self, config: CausalGanConfig, population: Population) -> None:
        generator = Generator(config, population)
        super().__init__(generator, _critic(config, generator, population), config.average_decay, population.units)
        self.config = config
        self.lead_in_bins = config.lead_in_bins
        self.likelihood_steps = config.likelihood_steps
        self.critic_lead = config.critic_lead
        self.first_stage_steps = config.likelihood_steps if config.adversarial else ENDLESS
        self.encoder = Encoder(population, config.slow_latents, config.encoder_size) if config.slow_latents else None
        self.first_stage = deepcopy(self.average)
        self.register_buffer("keeps_first_stage", torch.tensor(False))
        self.register_buffer("places", torch.zeros(config.batch, 2, dtype=torch.long))
        self._register_state("running", config.batch)
        if config.carried_share:
            self.register_buffer("learned_places", torch.zeros(config.likelihood_batch, 2, dtype=torch.long))
            self._register_state("learned", config.likelihood_batch)

    def _register_state(self, name: str, runs: int) -> None:
        for part, tensor in self.generator.first_state(runs, torch.Generator())._asdict().items():
            self.register_buffer(f"{name}_{part}", torch.zeros(tensor.shape), persistent=tensor.numel() > 0)

    def draw(self, conditions: Tensor, bins: int, random: torch.Generator) -> Tensor:
        """Draw windows of the calibrated generator, (windows, bins, units), after the lead-in of the conditions."""
        generator = self.calibrated()
        number, length = conditions.shape[:2]
        noise = generator.noise(number, length, random)
        values, _ = generator(conditions, noise, generator.first_state(number, random))
        return values[:, length - bins :]

    def stages(self, steps: int) -> tuple[int, ...]:
        """Name the stages that may be kept after so many steps."""
        return (0, 1) if self.config.adversarial and steps > self.first_stage_steps else (1,)

    def keep_stage(self, stage: int) -> None:
        """Sample from the first stage (0) or from the latest average (1)."""
        self.keeps_first_stage.fill_(stage == 0)

    def plan_first_stage(self, steps: int) -> None:
        """Let the likelihood be learned for so many steps, in which its rate falls."""
        self.likelihood_steps = steps
        if self.config.adversarial:
            self.first_stage_steps = steps

    def end_first_stage(self, steps: int) -> bool:
        """Let the second stage begin after so many steps, from the average; say whether there is one."""
        if self.config.adversarial:
            self.first_stage_steps = steps
        return self.config.adversarial

    @torch.no_grad()
    def likelihood_loss(self, data: TrainingData, random: torch.Generator) -> float:
        """Compute the mean negative log-likelihood of a bin by the average, without dropout."""
        crops = data.longest_crops(JUDGED_CROPS, self.config.crop_bins, random)
        first = self.average.first_state(JUDGED_CROPS, random)
        return self._negative_log_likelihood_of(crops, first, 1.0, random, self.average, 0.0, WHOLE)[0].item()

    def _kept(self) -> Generator:
        return self.first_stage if self.keeps_first_stage else self.average

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Make the optimizers of the first stage, of the generator and of the critic."""
        config, parameters = self.config, list(self.generator.parameters())
        encoder = list(self.encoder.parameters()) if self.encoder is not None else []
        return {
            "likelihood": torch.optim.AdamW(
                [*parameters, *encoder], config.likelihood_rate, weight_decay=config.weight_decay
            ),
            "generator": torch.optim.Adam([*parameters, *encoder], config.generator_rate, config.betas),
            "critic": torch.optim.Adam(self.critic.parameters(), config.critic_rate, config.betas),
        }

    def learn(
        self,
        step: int,
        data: TrainingData,
        optimizers: dict[str, torch.optim.Optimizer],
        random: torch.Generator,
    ) -> float:
        """Make one step: of likelihood in the first stage, of critic and generator in the second.

        Returns
        -------
        float
            The loss: in the first stage in nats per bin, in the second the critic's.
        """
        if step == 0:
            self._begin(data, random)
        if step < self.first_stage_steps:
            return self._learn_likelihood(step, data, optimizers["likelihood"], random)
        if step == self.first_stage_steps:
            self.generator.load_state_dict(self.average.state_dict())
            self.first_stage.load_state_dict(self.average.state_dict())
        return self._learn_adversarially(step - self.first_stage_steps, data, optimizers, random)

    def _begin(self, data: TrainingData, random: torch.Generator) -> None:
        """Place the runs that the likelihood is computed of, and bound what the units' own histories count as."""
        config = self.config
        if config.carried_share:
            self.learned_places.copy_(data.begin(config.likelihood_batch, self._learned_bins(data), random))
            self._keep("learned", self.generator.first_state(config.likelihood_batch, random))
        if config.own_history:
            self.generator.own_history.bound(data.crops(BOUNDING_CROPS, BOUNDING_BINS, random)[0])
            self.average.own_history.load_state_dict(self.generator.own_history.state_dict())

    def _learn_likelihood(
        self, step: int, data: TrainingData, optimizer: torch.optim.Optimizer, random: torch.Generator
    ) -> float:
        config = self.config
        share = math.cos(math.pi / 2 * min(1.0, step / self.likelihood_steps))
        optimizer.param_groups[0]["lr"] = config.likelihood_rate * max(0.03, share)
        loss = self._negative_log_likelihood(data, min(1.0, (step + 1) / config.divergence_steps), random)
        loss = clipped_gradient_step(optimizer, loss, 1.0, self.share)
        self._average_generator(step)
        return loss.item()

    def _learn_adversarially(
        self,
        step: int,
        data: TrainingData,
        optimizers: dict[str, torch.optim.Optimizer],
        random: torch.Generator,
    ) -> float:
        config = self.config
        share = 1 / (1 + step / config.decay_steps)
        optimizers["generator"].param_groups[0]["lr"] = config.generator_rate * share
        optimizers["critic"].param_groups[0]["lr"] = config.critic_rate * share
        follows = step >= config.critic_lead
        if step == 0:
            self.places.copy_(data.begin(config.batch, config.window_bins, random))
            self._keep("running", self.generator.first_state(config.batch, random))
        real, conditions, places, begins = data.follow(self.places, config.window_bins, random)
        self.places.copy_(places)
        with torch.set_grad_enabled(follows):
            fake = self._continue_runs(conditions, begins, random)
        real, conditions = map(self.share.rows, (real, conditions))
        conditions = conditions if conditions.shape[2] else None
        loss = critic_loss(self.critic, real, fake.detach(), config.penalty, random, conditions, self.share)
        loss = clipped_gradient_step(optimizers["critic"], loss, share=self.share)
        if follows:
            self.critic.requires_grad_(False)
            total = generator_loss(self.critic, fake, conditions)  # the windows that the critic just saw: half the work
            if config.likelihood_weight:
                total = total + config.likelihood_weight * self._negative_log_likelihood(data, 1.0, random)
            clipped_gradient_step(optimizers["generator"], total, 5.0, self.share)
            self.critic.requires_grad_(True)
            self._average_generator(self.first_stage_steps + step)
        return loss.item()

    def _continue_runs(self, conditions: Tensor, begins: Tensor, random: torch.Generator) -> Tensor:
        """Draw the next window of every run; a gradient flows through the window, not through what came before it.

        Of the conditions and beginnings of the whole batch, the windows of this process' share are drawn.
        """
        rows = self.share.rows
        state = State(*map(rows, self._continued("running", begins, random)))
        noise = Noise(*map(rows, self.generator.noise(*conditions.shape[:2], random)))
        fake, state = self.generator.draw_softly(rows(conditions), noise, state)
        self._keep("running", State(*self.share.join(state)))
        return fake

    def _continued(self, name: str, begins: Tensor, random: torch.Generator) -> State:
        """Return the states of runs, of those that begin here the first one."""
        first = self.generator.first_state(len(begins), random)
        kept = State(*(getattr(self, f"{name}_{part}") for part in State._fields))
        return State(*(torch.where(begins, new, old) for new, old in zip(first, kept, strict=True)))

    @torch.no_grad()
    def _keep(self, name: str, state: State) -> None:
        for part, tensor in state._asdict().items():
            getattr(self, f"{name}_{part}").copy_(tensor)

    def _negative_log_likelihood(self, data: TrainingData, divergence_weight: float, random: torch.Generator) -> Tensor:
        """Compute the mean negative log-likelihood of a bin (of a VAE, its upper bound), in nats, with dropout.

        It is computed of this process' share of the crops, of which the mean over all processes is that of the batch.
        """
        crops, state = self._next_crops(data, random)
        rows = self.share.rows
        lengths = None if crops.lengths is None else rows(crops.lengths)
        own, state = Crops(rows(crops.counts), rows(crops.conditions), lengths), State(*map(rows, state))
        loss, after = self._negative_log_likelihood_of(
            own, state, divergence_weight, random, self.generator, self.config.dropout, self.share
        )
        if self.config.carried_share:
            self._keep("learned", State(*self.share.join(after)))
        return loss if crops.lengths is None else loss * self.share.weight(crops.lengths)

    def _next_crops(self, data: TrainingData, random: torch.Generator) -> tuple[Crops, State]:
        """Return crops to learn from, and the states before them."""
        number = self.config.likelihood_batch
        if not self.config.carried_share:
            first = self.generator.first_state(number, random)
            return data.longest_crops(number, self.config.crop_bins, random), first
        counts, conditions, places, begins = data.follow(self.learned_places, self._learned_bins(data), random)
        self.learned_places.copy_(places)
        anew = torch.rand(begins.shape, generator=random, device=begins.device) >= self.config.carried_share
        return Crops(counts, conditions, None), self._continued("learned", begins | anew, random)

    def _learned_bins(self, data: TrainingData) -> int:
        return min(self.config.crop_bins, data.shortest)

    def _negative_log_likelihood_of(
        self,
        crops: Crops,
        state: State,
        divergence_weight: float,
        random: torch.Generator,
        generator: Generator,
        dropout: float,
        share: Share,
    ) -> tuple[Tensor, State]:
        values, conditions, lengths = crops
        if self.encoder is None:
            slow, cost = values.new_zeros(*values.shape[:2], 0), 0.0
        else:
            posterior = self.encoder(values, lengths)
            slow, cost = slow_latents(posterior.sample(random, share), generator.persistence), divergence(posterior)
        likelihood, after = generator.log_likelihood(values, conditions, slow, dropout, random, state, share)
        return _mean_of_recorded(divergence_weight * cost - likelihood, lengths), after


def _mean_of_recorded(values: Tensor, lengths: Tensor | None) -> Tensor:
    """Mean of (windows, bins) over the first so many bins of each window."""
    if lengths is None:
        return values.mean()
    recorded = torch.arange(values.shape[1], device=values.device) < lengths[:, None]
    return values[recorded].mean()


def _critic(config: CausalGanConfig, generator: Generator, population: Population) -> Critic:
    units = population.units
    body = ConvolutionalCritic(config.window_bins, units, config.features, config.kernel, config.stride)
    most_at_once = population.means.sum() + 5 * math.sqrt(population.means.sum())
    counts = population.distribution != "fluorescence"
    views = CountViews(config.window_bins, units, most_at_once) if config.critic_views and counts else None
    if generator.condition is None:
        return Critic(body, views, scale=population.deviations)
    projection = ConditionProjection(deepcopy(generator.condition), config.drive_size, units, config.kernel)
    return Critic(body, views, projection, scale=population.deviations)


FAMILIES = {
    "causal_gan": GanFamily(CausalGan, CausalGanConfig, PRESETS),
    "vae": GanFamily(CausalGan, CausalGanConfig, VAE_PRESETS),
    "vae_gan": GanFamily(CausalGan, CausalGanConfig, VAE_GAN_PRESETS),
}
