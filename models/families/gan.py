"""What the GANs share: a generator, its critic, and the running average of the generator that is sampled from."""

from abc import ABC, abstractmethod
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from spikeloop.models.families.critic import Critic
from spikeloop.models.families.shared_batch import WHOLE, Share
from spikeloop.models.families.training_data import TrainingData

__all__ = ["ENDLESS", "Gan", "clipped_gradient_step"]

ENDLESS = 2**62  # steps of a first stage that no second one follows


class Gan(nn.Module, ABC):
    """A generator and a critic in training, and the average of the generator that, once calibrated, is sampled from.

    Attributes
    ----------
    average : Module
        Exponential average of the generator's weights (Yazici et al., ICLR 2019).
    calibration : tensor of shape (units,)
        Log odds that are added to those of the average when it is sampled.
    lead_in_bins : int, bins
        Bins of conditions that `draw` needs before a window.
    likelihood_steps : int
        Over which the rate of the first stage falls, in which a family may learn by likelihood.
    first_stage_steps : int
        After which the second stage begins, that of the critic; 0 where there is no first one.
    critic_lead : int
        Steps of the second stage in which the critic alone learns.
    share : Share
        The rows of each batch that this process learns from; all by default.
    """

    calibration: Tensor
    lead_in_bins = 0
    likelihood_steps = 0
    first_stage_steps = 0
    critic_lead = 0
    share = WHOLE

    def __init__(self, generator: Any, critic: Critic, average_decay: float, units: int) -> None:
        super().__init__()
        self.generator = generator
        self.critic = critic
        self.average = deepcopy(generator).requires_grad_(False).eval()
        self.register_buffer("calibration", torch.zeros(units))
        self._average_decay = average_decay

    @abstractmethod
    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Make the optimizers, by name."""

    @abstractmethod
    def learn(
        self, step: int, data: TrainingData, optimizers: dict[str, torch.optim.Optimizer], random: torch.Generator
    ) -> float:
        """Make one step, after `step` others, and return its loss."""

    @abstractmethod
    def draw(self, conditions: Tensor, bins: int, random: torch.Generator) -> Tensor:
        """Draw windows of the calibrated generator.

        Parameters
        ----------
        conditions : tensor of shape (windows, lead_in + bins, channels)
            What drives each window and a lead-in before it.
        bins : int
        random : torch.Generator

        Returns
        -------
        tensor of shape (windows, bins, units)
        """

    def plan_first_stage(self, steps: int) -> None:
        """Set the steps of the first stage, if there is one, over which its rate falls."""

    def end_first_stage(self, steps: int) -> bool:  # noqa: ARG002
        """Let the second stage begin after so many steps, from the average; say whether there is one."""
        return False

    def likelihood_loss(self, data: TrainingData, random: torch.Generator) -> float:
        """Compute the loss of the first stage on data that it doesn't learn from, nats per bin.

        Raises
        ------
        NotImplementedError
            If there is no such stage.
        """
        raise NotImplementedError

    def calibrated(self) -> Any:
        """Copy the generator to sample from: the average, with the log odds of its units corrected."""
        generator = deepcopy(self._kept())
        generator.shift_log_odds(self.calibration)
        return generator

    def stages(self, steps: int) -> tuple[int, ...]:  # noqa: ARG002
        """Name the stages of training that may be kept after so many steps; most families have one."""
        return (1,)

    def keep_stage(self, stage: int) -> None:
        """Sample from that stage's generator from now on."""

    def _kept(self) -> Any:
        return self.average

    @torch.no_grad()
    def _average_generator(self, step: int) -> None:
        decay = min(self._average_decay, (step + 1) / (step + 10))  # forget the untrained start sooner
        kept, trained = list(self.average.parameters()), list(self.generator.parameters())
        torch._foreach_lerp_(kept, trained, 1 - decay)  # pyright: ignore[reportPrivateImportUsage]


def clipped_gradient_step(
    optimizer: torch.optim.Optimizer, loss: Tensor, largest_norm: float | None = None, share: Share = WHOLE
) -> Tensor:
    """Make one step down a loss.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
    loss : tensor of shape ()
    largest_norm : float > 0, default no bound
        The gradient is scaled down to this norm where it is longer.
    share : Share, default the whole batch
        The rows that the loss is the mean of.

    Returns
    -------
    tensor of shape ()
        The loss of the whole batch, without a gradient.
    """
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    mean = loss.detach()
    share.average([mean, *(parameter.grad for parameter in parameters if parameter.grad is not None)])
    if largest_norm is not None:
        nn.utils.clip_grad_norm_(parameters, largest_norm)
    optimizer.step()
    return mean
