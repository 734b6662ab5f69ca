"""What the GANs share: a generator, its critic, and the running average of the generator that is sampled from."""

from abc import ABC, abstractmethod
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from spikeloop.models.critic import Critic
from spikeloop.models.training_data import TrainingData

__all__ = ["Gan", "descend"]


class Gan(nn.Module, ABC):
    """Generator and critic in training, and the average of the generator that, once calibrated, is sampled from.

    Attributes
    ----------
    average : exponential average of the generator's weights (Yazici et al., ICLR 2019)
    calibration : (units,), log odds that are added to the average's to sample
    lead_in_bins : bins of conditions that `draw` wants before a window
    """

    calibration: Tensor
    lead_in_bins = 0

    def __init__(self, generator: Any, critic: Critic, average_decay: float, units: int) -> None:
        super().__init__()
        self.generator = generator
        self.critic = critic
        self.average = deepcopy(generator).requires_grad_(False).eval()
        self.register_buffer("calibration", torch.zeros(units))
        self._average_decay = average_decay

    @abstractmethod
    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """By name."""

    @abstractmethod
    def learn(
        self, step: int, data: TrainingData, optimizers: dict[str, torch.optim.Optimizer], random: torch.Generator
    ) -> float:
        """Take one step, after `step` others; the loss."""

    @abstractmethod
    def draw(self, conditions: Tensor, bins: int, random: torch.Generator) -> Tensor:
        """Windows of the calibrated generator, (windows, bins, units).

        Parameters
        ----------
        conditions : that drive a window and a lead-in before it, (windows, lead_in + bins, channels)
        """

    def calibrated(self) -> Any:
        """The generator to sample from: the average with the log odds of its units set right."""
        generator = deepcopy(self._kept())
        generator.shift_log_odds(self.calibration)
        return generator

    def stages(self, steps: int) -> tuple[int, ...]:  # noqa: ARG002
        """Stages of training that may be kept after so many steps; of most families there is one."""
        return (1,)

    def keep_stage(self, stage: int) -> None:
        """Sample from that stage's generator."""

    def _kept(self) -> Any:
        return self.average

    @torch.no_grad()
    def _average_generator(self, step: int) -> None:
        decay = min(self._average_decay, (step + 1) / (step + 10))  # forget the untrained start sooner
        torch._foreach_lerp_(list(self.average.parameters()), list(self.generator.parameters()), 1 - decay)


def descend(optimizer: torch.optim.Optimizer, loss: Tensor, steepest: float | None = None) -> None:
    """One step down a loss, by a gradient that is cut to a norm of `steepest`."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    if steepest is not None:
        nn.utils.clip_grad_norm_([each for group in optimizer.param_groups for each in group["params"]], steepest)
    optimizer.step()
