"""When to stop: each stage of training ends when a part of the recording that is kept for this says so.

The part is neither trained on nor judged by. In the first stage its likelihood is computed. In the second, where a
likelihood says little, the statistics of the model's own spikes are compared (mean E/F) with half of all that is not
held out, with the other half as the floor: a tenth alone has a floor so high that models of all kinds reach it.

When several checks in a row bring nothing better, the rate of the first stage falls to its least within a third of the
steps made so far, as what is learned at a high rate is noisy, and the stage ends there; the second stage ends at once.
Each goes back to its best. Checks come after fixed numbers of steps, so a run of so many steps that was resumed stops
where one that was not would have.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spikeloop.models.arrays import join_windows
from spikeloop.models.families.gan import Gan
from spikeloop.models.families.training_data import TrainingData
from spikeloop.models.measures.similarity import judge, measure_reference_distances
from spikeloop.models.random_streams import Purpose, random_stream, torch_seed
from spikeloop.models.recordings.windows import random_windows
from spikeloop.models.training.processes import ALONE, Processes
from spikeloop.models.training.validation import JUDGED_WINDOWS, Validation

__all__ = ["ANNEALED_SHARE", "StoppingRule"]

LIKELIHOOD_CHECK_STEPS, LIKELIHOOD_PATIENCE = 50, 6  # steps between checks; checks without a better one
ANNEALED_SHARE = 1 / 3  # of the steps of the first stage until then, in which its rate falls
CRITIC_CHECK_STEPS, CRITIC_PATIENCE = 100, 10  # means of E/F are noisy
LEAST_GAIN = 5e-4  # of the likelihood's loss, as a share of it
LEAST_RATIO_GAIN = 0.005  # of mean E/F
Sample = Callable[[int, int], NDArray[Any]]


class StoppingRule:
    """The rule, and how far it is.

    Parameters
    ----------
    validation : Validation
        With a part that is kept.
    device : torch.device
    processes : Processes, default one
        That train together: the first one checks, and all go by what it found.

    Attributes
    ----------
    over : bool
        Whether the last stage has ended.
    best : float
        The best check of this stage: a loss in nats per bin, or a mean E/F.
    best_step : int
        The step it was made at.
    checks_since : int
        Checks that were not better.
    annealing : bool
        Whether the rate falls to its least, as the first stage is about to end.
    best_weights : dict of str to tensor
        Those of the average at that check; empty before the first.
    """

    def __init__(self, validation: Validation, device: torch.device, processes: Processes = ALONE) -> None:
        assert validation.kept is not None
        self._processes = processes
        self._seed = validation.seed
        self._device = device
        self._data = TrainingData(validation.kept, device)
        random = random_stream(self._seed, Purpose.STOPPING)
        parts = (validation.training, validation.kept)
        known = [join_windows(random_windows(part, validation.window_bins, random)) for part in parts]
        windows = random.permutation(np.concatenate(known))
        half = min(JUDGED_WINDOWS, len(windows) // 2)
        self._distances = measure_reference_distances(windows[half : 2 * half], windows[:half], random)
        self.over = False
        self._begin_stage()

    def _begin_stage(self) -> None:
        self.best, self.best_step, self.checks_since, self.annealing = float("inf"), 0, 0, False
        self.best_weights: dict[str, Tensor] = {}

    def after_step(self, steps: int, model: Gan, sample: Sample) -> None:
        """Check, where it is time, and end the stage where it is over.

        Parameters
        ----------
        steps : int
            That were made.
        model : Gan
        sample : callable (windows, seed) -> array of shape (windows, bins, units)
            Draws windows of the averaged generator.
        """
        of_critic = steps - model.first_stage_steps
        if of_critic <= 0 and (steps >= model.likelihood_steps or steps % LIKELIHOOD_CHECK_STEPS == 0):
            self._check_likelihood(steps, model)
        elif of_critic >= max(1, model.critic_lead) and of_critic % CRITIC_CHECK_STEPS == 0:
            self._check_statistics(steps, model, sample)

    def describe(self) -> dict[str, Any]:
        """Describe how far it is, for a checkpoint; JSON. The weights are apart."""
        parts = {name: getattr(self, name) for name in ("over", "best_step", "checks_since", "annealing")}
        return parts | {"best": self.best if np.isfinite(self.best) else None}

    def resume(self, described: Mapping[str, Any], best_weights: dict[str, Tensor]) -> None:
        """Continue from a checkpoint."""
        self.over, self.best_step, self.checks_since = (
            described[name] for name in ("over", "best_step", "checks_since")
        )
        self.annealing = described.get("annealing", True)  # earlier versions planned the stage once
        self.best = float("inf") if described["best"] is None else described["best"]
        self.best_weights = best_weights

    def _check_likelihood(self, steps: int, model: Gan) -> None:
        random = torch.Generator(self._device).manual_seed(torch_seed(self._seed, Purpose.STOPPING))
        loss = self._processes.of_first(lambda: model.likelihood_loss(self._data, random))
        self._compare(loss, LEAST_GAIN * abs(loss), steps, model)
        if self.checks_since == LIKELIHOOD_PATIENCE:
            self.annealing = True
            model.plan_first_stage(min(model.likelihood_steps, math.ceil((1 + ANNEALED_SHARE) * steps)))
        if steps >= model.likelihood_steps:
            model.average.load_state_dict(self.best_weights)
            self.over = not model.end_first_stage(steps)
            if not self.over:
                self._begin_stage()

    def _check_statistics(self, steps: int, model: Gan, sample: Sample) -> None:
        ratio = self._processes.of_first(lambda: self._mean_ratio(sample))
        self._compare(ratio, LEAST_RATIO_GAIN, steps, model)
        self.over = self.checks_since == CRITIC_PATIENCE

    def _mean_ratio(self, sample: Sample) -> float:
        windows = sample(self._distances.windows, torch_seed(self._seed, Purpose.STOPPING))
        ratios = np.array([row.ratio for row in judge(windows, self._distances)])
        ratios = ratios[np.isfinite(ratios)]
        return float(np.mean(ratios)) if len(ratios) else np.inf

    def _compare(self, found: float, least_gain: float, steps: int, model: Gan) -> None:
        """Keep the average where it is the best so far, or count one check more."""
        if found < self.best - least_gain or not self.best_weights:
            self.best, self.best_step, self.checks_since = found, steps, 0
            self.best_weights = {name: value.clone() for name, value in model.average.state_dict().items()}
        else:
            self.checks_since += 1
