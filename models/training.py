"""One training loop for every family: seeded, resumable, judged while it runs.

Every random number of step k comes from (seed, k), so a run that was killed and resumed takes the same
steps as one that was not.
"""

import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spikeloop.models.checkpoint import CHECKPOINT, read_checkpoint, sole_writer, write_checkpoint
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.examination import describe_realism, describe_recording, examine
from spikeloop.models.families import FAMILIES, Settings
from spikeloop.models.interrupts import hold_interrupts
from spikeloop.models.measures.likeness import Likeness
from spikeloop.models.measures.statistics import expected_counts
from spikeloop.models.population import population_of
from spikeloop.models.recordings.recording import Recording, require_binary, with_lead
from spikeloop.models.recordings.windows import BLOCKS, random_windows
from spikeloop.models.training_data import TrainingData

__all__ = ["Progress", "Training", "train"]

SAVE_EVERY_S = 60.0
JUDGE_EVERY_S = 60.0
CALIBRATION_ROUNDS, CALIBRATION_WINDOWS = 8, 2048
LONGEST_RUN_BINS = 1024  # that windows are drawn from, after one lead-in; whole repeats where they are no longer
CHOICE_STEP = 2**41
SILENT_LOG_ODDS = -40.0  # added to those of units that never fired
CALIBRATION_STEP = 2**40  # its random numbers are those of steps that no training reaches


@dataclass(frozen=True)
class Progress:
    """Where a run stands.

    Attributes
    ----------
    likeness : the latest verdict; empty before the first
    resumed : True in the first report of a run that goes on from a checkpoint
    """

    steps: int
    trained_s: float
    likeness: tuple[Likeness, ...] = ()
    resumed: bool = False


class Training:
    """A model in training on one recording: its weights, its optimizers, and how far it came."""

    def __init__(self, recording: Recording, settings: Settings, device: str = "auto") -> None:
        self.recording = recording = with_lead(recording, settings.lead_bins)
        self.settings = settings
        self.device = _device(device)
        self._check(recording)
        config = settings.config
        self.examination = examine(recording, settings.hold_out, config.window_bins, settings.seed)
        self._data = TrainingData(self.examination.training, self.device)
        self._reference = self.examination.reference()
        torch.manual_seed(settings.seed)  # the initial weights
        emitted = population_of(recording)  # what is held out may hold more spikes in a bin
        self.population = replace(
            population_of(self.examination.training), distribution=emitted.distribution, largest=emitted.largest
        )
        self.model = FAMILIES[settings.family][0](config, self.population).to(self.device)
        self.optimizers = self.model.optimizers()
        self.steps = 0
        self.trained_s = 0.0
        self.likeness: tuple[Likeness, ...] = ()
        self.judged_at_step = 0
        self._random = torch.Generator(self.device)

    def step(self) -> float:
        """Take one training step; the critic's loss."""
        began = time.perf_counter()
        self._random.manual_seed(_step_seed(self.settings.seed, self.steps))
        loss = self.model.learn(self.steps, self._data, self.optimizers, self._random)
        if not np.isfinite(loss):
            raise FailureError(
                f"training diverged at step {self.steps} (loss {loss}); the last checkpoint is sound:"
                " try another seed or preset"
            )
        self.steps += 1
        self.trained_s += time.perf_counter() - began
        return loss

    @torch.no_grad()
    def sample(self, windows: int, seed: int, driven_as: Recording | None = None) -> NDArray:
        """Windows drawn from the averaged generator, as calibrated, (windows, bins, units).

        Parameters
        ----------
        driven_as : the recording whose conditions drive them; the training data where none is given
        """
        random = torch.Generator(self.device).manual_seed(seed)
        data = self._data if driven_as is None else TrainingData(driven_as, self.device)
        length = self.settings.config.window_bins
        lead_in = min(self.model.lead_in_bins, data.bins - length)
        run_bins = min(data.bins, LONGEST_RUN_BINS) if self.model.lead_in_bins else length
        runs = max(BLOCKS, -(-windows // (run_bins // length)))
        parts = []
        for start in range(0, runs, 256):
            drives = data.drives(min(256, runs - start), run_bins, lead_in, random)
            parts.append(self.model.draw(drives, run_bins, random).to(data.dtype).cpu().numpy())
        drawn = replace(self.examination.training, counts=np.concatenate(parts), driven_by=None)
        cut = random_windows(drawn, length, np.random.Generator(np.random.Philox(seed)))
        return cut.reshape(-1, *cut.shape[2:])[:windows]

    def finish(self) -> None:
        """Calibrate, and keep the stage that comes nearer to the training data; a critic cut short may do harm."""
        if not self.settings.calibrate_rates:
            return
        stages = self.model.stages(self.steps)
        errors = {}
        for stage in stages:
            self.model.keep_stage(stage)
            self.calibrate()
            if len(stages) > 1:
                errors[stage] = self.examination.distance_to_training(
                    lambda windows: self.sample(windows, seed=_step_seed(self.settings.seed, CHOICE_STEP))
                )
        if errors and min(errors, key=errors.__getitem__) != stages[-1]:
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
        wanted = self.examination.counts_of_windows()
        least = 0.5 / self.examination.training.counts[..., 0].size
        most = 1 - least if self.population.distribution == "bernoulli" else np.inf
        silent = torch.as_tensor(wanted == 0, device=self.device)
        wanted = np.clip(wanted, least, most)
        self.model.calibration.zero_()
        for round_ in range(CALIBRATION_ROUNDS):
            sampled = self.sample(CALIBRATION_WINDOWS, seed=_step_seed(self.settings.seed, CALIBRATION_STEP + round_))
            found = np.clip(expected_counts(sampled), least, most)
            shift = np.log(wanted / found)
            if self.population.distribution == "bernoulli":
                shift -= np.log((1 - wanted) / (1 - found))
            share = 1 / (1 + round_ / 2)
            self.model.calibration += torch.as_tensor(share * shift, dtype=torch.float32, device=self.device)
        self.model.calibration[silent] = SILENT_LOG_ODDS

    def judge(self) -> tuple[Likeness, ...]:
        """Likeness to the repeats that were held out (or, where none were, to a fifth of the training data)."""
        self.likeness = self.examination.judge(
            lambda windows: self.sample(windows, self.settings.seed, self.examination.judged)
        )
        self.judged_at_step = self.steps
        return self.likeness

    def save(self, folder: Path) -> None:
        """Write a checkpoint, whole or not at all; the previous one stays until it is replaced.

        Raises
        ------
        FailureError
            If the disk refuses.
        """
        tensors = dict(self.model.state_dict())
        for name, optimizer in self.optimizers.items():
            for index, moments in optimizer.state_dict()["state"].items():
                tensors |= {f"optimizer.{name}.{index}.{key}": value for key, value in moments.items()}
        arrays = {name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}
        arrays |= {f"reference.{name}": value for name, value in self._reference.items()}
        write_checkpoint(folder, arrays, self._description())

    def resume(self, folder: Path) -> bool:
        """Go on from the checkpoint in a folder; False where there is none.

        Raises
        ------
        BadInputError
            If the checkpoint is damaged or belongs to another run.
        """
        if not (folder / CHECKPOINT).exists():
            return False
        arrays, description = read_checkpoint(folder)
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        expected = self._description()
        for key in ("recording", "settings"):
            if description[key] != expected[key]:
                raise BadInputError(
                    f"{folder} holds another run ({_first_difference(description[key], expected[key])});"
                    " choose another --out, or repeat its settings to go on with it"
                )
        self.model.load_state_dict({key: tensors[key] for key in self.model.state_dict()})
        for name, optimizer in self.optimizers.items():
            state = optimizer.state_dict()
            state["state"] = _nest(tensors, f"optimizer.{name}.")
            optimizer.load_state_dict(state)
        self.steps, self.trained_s = description["steps"], description["trained_s"]
        realism = description["realism"]
        self.likeness = tuple(Likeness(**each) for each in realism["statistics"].values())
        self.judged_at_step = realism["judged_at_step"]
        return True

    def _check(self, recording: Recording) -> None:
        if self.settings.family == "spike_gan":
            require_binary(recording, self.settings.family)
        config = self.settings.config
        if config.window_bins % config.stride**2:
            raise BadInputError(
                f"expected windows of a multiple of {config.stride**2} bins, found {config.window_bins}"
            )

    def _description(self) -> dict[str, Any]:
        described = {
            "recording": describe_recording(self.recording),
            "settings": dataclasses.asdict(self.settings),
            "steps": self.steps,
            "trained_s": self.trained_s,
            "realism": describe_realism(self.examination.judged_on, self.judged_at_step, self.likeness),
        }
        return json.loads(json.dumps(described))  # as it reads back: tuples are lists


def train(
    training: Training,
    folder: Path,
    minutes: float | None,
    steps: int | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> tuple[Likeness, ...]:
    """Train up to a total time or number of steps, whichever comes first; the likeness reached.

    Goes on from the folder's checkpoint where there is one. Saves at once, every minute, at the end, and when
    interrupted, as the only writer of the folder.

    Parameters
    ----------
    minutes, steps : in total, what was trained before a resume included; one of them is needed

    Raises
    ------
    BadInputError
        If another training writes to the folder, or its checkpoint is damaged or of another run.
    FailureError
        If training diverges or the disk refuses.
    """
    if minutes is None and steps is None:
        raise BadInputError("expected a time or a number of steps to train for; give --minutes or --steps")
    with sole_writer(folder):
        return _train(training, folder, minutes, steps, on_progress)


def _train(
    training: Training,
    folder: Path,
    minutes: float | None,
    steps: int | None,
    on_progress: Callable[[Progress], None],
) -> tuple[Likeness, ...]:
    resumed = training.resume(folder)
    found_steps = training.steps if resumed else -1
    training.model.calibration.zero_()  # what is trained on is calibrated anew at the end
    training.model.keep_stage(1)
    on_progress(Progress(training.steps, training.trained_s, training.likeness, resumed))
    if not resumed:
        training.save(folder)  # so that a disk that refuses is known at once
    saved = judged = training.trained_s
    try:
        for _ in _steps(training, minutes, steps):
            if training.trained_s - judged >= JUDGE_EVERY_S:
                judged = training.trained_s
                training.judge()
            if training.trained_s - saved >= SAVE_EVERY_S:
                saved = training.trained_s
                training.save(folder)
            on_progress(Progress(training.steps, training.trained_s, training.likeness))
        training.finish()
        training.judge()
    except FailureError:
        raise  # what diverged is not worth keeping
    except BaseException:
        if training.steps > found_steps:  # else what is there is this, and finished perhaps
            training.save(folder)
        raise
    training.save(folder)
    return training.likeness


def _steps(training: Training, minutes: float | None, steps: int | None) -> Iterator[None]:
    while (minutes is None or training.trained_s < 60 * minutes) and (steps is None or training.steps < steps):
        with hold_interrupts():  # or a step would be saved half-done
            training.step()
        yield


def _step_seed(seed: int, step: int) -> int:
    return int(np.random.SeedSequence((seed, step)).generate_state(1, np.uint64)[0] >> 1)


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise BadInputError("no CUDA device that torch can use; take --device cpu or auto")
    return torch.device(name)


def _nest(tensors: dict[str, Tensor], prefix: str) -> dict[int, dict[str, Tensor]]:
    nested: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith(prefix):
            index, name = key.removeprefix(prefix).split(".")
            nested.setdefault(int(index), {})[name] = value
    return nested


def _first_difference(found: dict[str, Any], expected: dict[str, Any]) -> str:
    for key, value in expected.items():
        if isinstance(value, dict) and isinstance(found.get(key), dict) and found[key] != value:
            return _first_difference(found[key], value)
        if found.get(key) != value:
            return f"{key}: {found.get(key)!r:.60}, now {value!r:.60}"
    return "other settings"
