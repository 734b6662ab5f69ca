"""A model in training: its data, its weights and optimizers, and how far it came.

Every random number of step k comes from (seed, k), so a run of so many steps that was interrupted and resumed makes the
same steps as one that was not. Of a run of so many minutes the length of the first stage follows the machine's speed.
"""

import math
import time
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spikeloop.models.arrays import join_windows
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.families.gan import ENDLESS, Gan
from spikeloop.models.families.population import population_of
from spikeloop.models.families.registry import FAMILIES, Settings, load_gan_family
from spikeloop.models.families.shared_batch import Share
from spikeloop.models.families.training_data import TrainingData
from spikeloop.models.measures.one_step import OneStepScore
from spikeloop.models.measures.similarity import Similarity
from spikeloop.models.measures.statistics import expected_counts
from spikeloop.models.random_streams import Purpose, random_stream, torch_seed
from spikeloop.models.recordings.conditioning import with_lead
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.requirements import require_binary
from spikeloop.models.recordings.windows import BLOCKS, random_windows
from spikeloop.models.training.processes import ALONE, Processes, training_device
from spikeloop.models.training.stopping import StoppingRule
from spikeloop.models.training.teacher_forced import teacher_forced_score
from spikeloop.models.training.validation import prepare_validation

__all__ = ["Training"]

CALIBRATION_ROUNDS, CALIBRATION_WINDOWS = 8, 2048
LONGEST_RUN_BINS = 1024  # that windows are drawn from, after one lead-in; whole repeats where they are no longer
RUNS_AT_ONCE = 256  # that are drawn, to save memory
TIMED_STEPS, LATE = 3, 10**6  # of each stage; steps into the second one, where generator and critic both learn
SILENT_LOG_ODDS = -40.0  # added to those of units that never fired


class Training:
    """A model in training on one recording.

    Parameters
    ----------
    recording : Recording
        With the conditions that the model is to answer to.
    settings : Settings
    device : "auto", "cpu" or "cuda"
    processes : Processes, default one
        That train together; `step` and `time_steps` are made by all of them, the rest by any.

    Attributes
    ----------
    model : Gan
    optimizers : dict of str to torch.optim.Optimizer
    validation : Validation
        What is trained on, and what is held out.
    steps : int
    trained_s : float, s
    similarity : tuple of Similarity
        The latest comparison with held-out data, made after `judged_at_step` steps.
    one_step : OneStepScore or None
        Of the finished model; None before, and of one that has no likelihood.
    stopping : StoppingRule or None
        What ends each stage; None where `settings.stop_early` is off, or the recording is too short for it.
    in_step : bool
        Whether a step is half-done; so it stays where one fails.

    Raises
    ------
    BadInputError
        If the recording does not suit the family, there is no such device, or batches can't be shared by so many
        processes.
    """

    def __init__(
        self, recording: Recording, settings: Settings, device: str = "auto", processes: Processes = ALONE
    ) -> None:
        self.recording = recording = with_lead(recording, settings.lead_bins)
        self.settings = settings
        self.processes = processes
        self.device = training_device(device, processes)
        _check(recording, settings, processes)
        config = settings.config
        self.validation = prepare_validation(
            recording,
            settings.hold_out,
            config.window_bins,
            settings.seed,
            settings.stop_early,
            settings.held_out_stretches,
        )
        self.reference = self.validation.reference()
        self._data = TrainingData(self.validation.training, self.device)
        torch.manual_seed(torch_seed(settings.seed, Purpose.WEIGHTS))
        emitted = population_of(recording)  # what is held out may hold more spikes in a bin
        self.population = replace(
            population_of(self.validation.training), distribution=emitted.distribution, largest=emitted.largest
        )
        self.model: Gan = load_gan_family(settings.family).model(config, self.population).to(self.device)
        self.model.share = Share(processes.number, processes.total)
        self.optimizers = self.model.optimizers()
        self.steps = 0
        self.in_step = False
        self.trained_s = 0.0
        self.similarity: tuple[Similarity, ...] = ()
        self.judged_at_step = 0
        self.one_step: OneStepScore | None = None
        self.stopping = None if self.validation.kept is None else StoppingRule(self.validation, self.device, processes)
        self._random = torch.Generator(self.device)
        self._latest: dict[str, Tensor] = {}

    @property
    def over(self) -> bool:
        """Whether the part that is kept has ended the training."""
        return self.stopping is not None and self.stopping.over

    def step(self) -> float:
        """Make one training step.

        Returns
        -------
        float
            The loss.

        Raises
        ------
        FailureError
            If it is not finite.
        """
        began = time.perf_counter()
        self.in_step = True
        self._random.manual_seed(torch_seed(self.settings.seed, Purpose.TRAINING_STEP, self.steps))
        loss = self.model.learn(self.steps, self._data, self.optimizers, self._random)
        if not np.isfinite(loss):
            raise FailureError(
                f"training diverged at step {self.steps} (loss {loss}); the last checkpoint is sound:"
                " try another seed or preset"
            )
        self.steps += 1
        if self.stopping is not None:
            self.stopping.after_step(self.steps, self.model, self._sample_as_kept)
        self.trained_s += self.processes.of_first(lambda: time.perf_counter() - began)
        self.in_step = False
        return loss

    def time_steps(self) -> tuple[float, ...]:
        """Time a step of each stage on a copy, so that the run itself stays as it is; in s, of the first process.

        The very first step is not timed, as a model begins in it.
        """
        model, last = deepcopy(self.model), self.model.first_stage_steps
        optimizers = model.optimizers()
        self._time_step(model, optimizers, 0)
        stages = [1] * (last > 0) + [last + LATE] * (last < ENDLESS)
        timed = tuple(min(self._time_step(model, optimizers, step) for _ in range(TIMED_STEPS)) for step in stages)
        return self.processes.of_first(lambda: timed)

    def _time_step(self, model: Gan, optimizers: dict[str, torch.optim.Optimizer], step: int) -> float:
        self._random.manual_seed(torch_seed(self.settings.seed, Purpose.STEP_TIMING))
        began = time.perf_counter()
        model.learn(step, self._data, optimizers, self._random)
        return time.perf_counter() - began

    @torch.no_grad()
    def sample(self, windows: int, seed: int, driven_as: Recording | None = None, bins: int | None = None) -> NDArray:
        """Draw windows from the averaged generator, as calibrated.

        Parameters
        ----------
        windows : int
        seed : int
        driven_as : Recording, default the training data
            Whose conditions drive the windows.
        bins : int >= 1, default those of a window in training
            Of each window; a family that makes windows makes no others.

        Returns
        -------
        array of shape (windows, bins, units)
        """
        random = torch.Generator(self.device).manual_seed(torch_seed(seed, Purpose.TRAINING_SAMPLES))
        data = self._data if driven_as is None else TrainingData(driven_as, self.device)
        length = self.settings.config.window_bins if bins is None else bins
        lead_in = min(self.model.lead_in_bins, data.bins - length)
        run_bins = data.longest_run_bins(LONGEST_RUN_BINS, length) if self.model.lead_in_bins else length
        runs = max(BLOCKS, -(-windows // (run_bins // length)))
        parts = []
        for start in range(0, runs, RUNS_AT_ONCE):
            drives = data.drives(min(RUNS_AT_ONCE, runs - start), run_bins, lead_in, random)
            parts.append(self.model.draw(drives, run_bins, random).to(data.dtype).cpu().numpy())
        drawn = replace(
            self.validation.training, counts=np.concatenate(parts), driven_by=None, lengths=None, starts_s=None
        )
        cut = random_windows(drawn, length, random_stream(seed, Purpose.SAMPLE_WINDOWS))
        return join_windows(cut)[:windows]

    def _sample_as_kept(self, windows: int, seed: int) -> NDArray:
        return self.sample(windows, seed, self.validation.kept)

    def tensors(self) -> dict[str, Tensor]:
        """Name the tensors of a checkpoint that are neither the model's nor the optimizers'."""
        best = self.stopping.best_weights if self.stopping is not None else {}
        parts = {"best": best, "latest": self._latest}
        return {f"{part}.{name}": value for part, values in parts.items() for name, value in values.items()}

    def resume(self, described: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Continue from what a checkpoint says of the stages, and from its other tensors."""
        stages = described.get("stages")
        if stages is None:
            return  # of a version that had no rule
        self.model.plan_first_stage(stages["likelihood_steps"])
        self.model.end_first_stage(stages["first_stage_steps"])
        best, self._latest = (
            {name.removeprefix(part): value for name, value in tensors.items() if name.startswith(part)}
            for part in ("best.", "latest.")
        )
        if self.stopping is not None:
            self.stopping.resume(stages["stopping"], best)

    def stages(self) -> dict[str, Any]:
        """Describe the stages for a checkpoint; JSON."""
        return {
            "likelihood_steps": self.model.likelihood_steps,
            "first_stage_steps": self.model.first_stage_steps,
            "stopping": None if self.stopping is None else self.stopping.describe(),
        }

    def go_on(self) -> None:
        """Return from what `finish` kept to the latest weights, which further steps begin from."""
        self.model.calibration.zero_()
        self.model.keep_stage(1)
        self.one_step = None
        if self._latest:
            self.model.average.load_state_dict(self._latest)
            self._latest = {}

    def finish(self) -> None:
        """Keep the best weights by the part that is kept, calibrate, and keep the stage nearer to the training data.

        A critic that was stopped early may do harm.
        """
        if self.stopping is not None and self.stopping.best_weights and not self._latest:
            self._latest = {name: value.clone() for name, value in self.model.average.state_dict().items()}
            self.model.average.load_state_dict(self.stopping.best_weights)
        if not self.settings.calibrate_rates:
            return
        stages = self.model.stages(self.steps)
        errors, last = {}, stages[-1]
        for stage in stages:
            self.model.keep_stage(stage)
            self.calibrate()
            if len(stages) > 1:
                errors[stage] = self.validation.distance_to_training(
                    lambda windows: self.sample(windows, seed=torch_seed(self.settings.seed, Purpose.STAGE_CHOICE))
                )
        if errors and min(errors, key=errors.__getitem__) != last:
            self.model.keep_stage(min(errors, key=errors.__getitem__))
            self.calibrate()

    def calibrate(self) -> None:
        """Find the log odds at which every unit of the averaged generator has its rate in the training data.

        Wasserstein distance cares little for a few per cent of a rate. Stochastic approximation: the shift is the log
        ratio of wanted and found odds, in ever smaller shares. Fluorescence stays as it is: the odds of a transient
        are not its mean.
        """
        if self.population.distribution == "fluorescence":
            return
        wanted = self.validation.expected_counts()
        least = 0.5 / self.validation.training.recorded_bins
        most = 1 - least if self.population.distribution == "bernoulli" else np.inf
        silent = torch.as_tensor(wanted == 0, device=self.device)
        wanted = np.clip(wanted, least, most)
        self.model.calibration.zero_()
        for round_ in range(CALIBRATION_ROUNDS):
            sampled = self.sample(CALIBRATION_WINDOWS, seed=torch_seed(self.settings.seed, Purpose.CALIBRATION, round_))
            found = np.clip(expected_counts(sampled), least, most)
            shift = np.log(wanted / found)
            if self.population.distribution == "bernoulli":
                shift -= np.log((1 - wanted) / (1 - found))
            share = 1 / (1 + round_ / 2)
            self.model.calibration += torch.as_tensor(share * shift, dtype=torch.float32, device=self.device)
        self.model.calibration[silent] = SILENT_LOG_ODDS

    def judge(self) -> tuple[Similarity, ...]:
        """Measure the similarity to what was held out (or, where nothing was, to a fifth of the training data)."""
        self.similarity = self.validation.judge(
            lambda windows: self.sample(windows, self.settings.seed, self.validation.judged)
        )
        self.judged_at_step = self.steps
        return self.similarity

    def predict(self) -> OneStepScore | None:
        """Score how well the model, as it is kept, predicts each bin of what was held out from those before it."""
        validation = self.validation
        self.one_step = teacher_forced_score(self.model, validation.training, validation.judged, self.settings.seed)
        return self.one_step


def _check(recording: Recording, settings: Settings, processes: Processes) -> None:
    """Make sure that the family can learn this recording as it is set, and that processes can share its batches."""
    if FAMILIES[settings.family].binary:
        require_binary(recording, settings.family)
    config = settings.config
    if config.window_bins % config.stride**2:
        raise BadInputError(f"expected windows of a multiple of {config.stride**2} bins, found {config.window_bins}")
    batches = [size for name in ("batch", "likelihood_batch") if (size := getattr(config, name, 0))]
    shared = math.gcd(*batches)
    if shared % processes.total:
        suited = ", ".join(str(number) for number in range(1, shared + 1) if shared % number == 0)
        raise BadInputError(
            f"expected processes that share batches of {' and '.join(map(str, batches))} evenly ({suited}), found"
            f" {processes.total}; start as many as one of these"
        )
