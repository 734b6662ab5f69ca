"""One training loop for every family: seeded, resumable, judged while it runs.

Every random number of step k comes from (seed, k), so a run that was killed and resumed takes the same
steps as one that was not.
"""

import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spikeloop.models import spike_gan
from spikeloop.models.checkpoint import CHECKPOINT, read_checkpoint, sole_writer, write_checkpoint
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.interrupts import hold_interrupts
from spikeloop.models.measures.likeness import Likeness, Yardstick, judge, make_yardstick, statistics_of
from spikeloop.models.measures.statistics import expected_counts
from spikeloop.models.recordings.recording import Recording, cut_windows, hold_out

__all__ = ["FAMILIES", "Progress", "Settings", "Training", "train"]

FAMILIES = {"spike_gan": (spike_gan.SpikeGan, spike_gan.SpikeGanConfig, spike_gan.PRESETS)}

SAVE_EVERY_S = 60.0
JUDGE_EVERY_S = 30.0
JUDGED_EVERY = 5  # where nothing is held out, every n-th repeat is judged by all the same
JUDGED_WINDOWS = 2048  # at most; enough to rank models, quick enough to watch


@dataclass(frozen=True)
class Settings:
    """What a training run is; two runs with equal settings on equal data take equal steps.

    Attributes
    ----------
    hold_out : every n-th repeat is kept to judge by; 0 trains on all
    config : the family's own settings
    """

    family: str
    preset: str
    config: Any
    hold_out: int = 5
    seed: int = 0


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


def preset(family: str, name: str, hold_out: int = 5, seed: int = 0) -> Settings:
    """Settings by name.

    Raises
    ------
    BadInputError
        If there is no such family or preset.
    """
    if family not in FAMILIES:
        raise BadInputError(f"no family named {family!r}; there are {', '.join(FAMILIES)}")
    presets = FAMILIES[family][2]
    if name not in presets:
        raise BadInputError(f"no preset named {name!r}; {family} has {', '.join(presets)}")
    return Settings(family, name, presets[name], hold_out, seed)


class Training:
    """A model in training on one recording: its weights, its optimizers, and how far it came."""

    def __init__(self, recording: Recording, settings: Settings, device: str = "auto") -> None:
        self.recording = recording
        self.settings = settings
        self.device = _device(device)
        unseen, self.judged_part = hold_out(recording, settings.hold_out or JUDGED_EVERY)
        self.training_part = unseen if settings.hold_out else recording
        self._check_recording()
        torch.manual_seed(settings.seed)  # the initial weights
        rates = torch.as_tensor(expected_counts(self.training_part.counts), dtype=torch.float32)
        self.model = FAMILIES[settings.family][0](settings.config, rates).to(self.device)
        self.optimizers = self.model.optimizers()
        self.steps = 0
        self.trained_s = 0.0
        self.likeness: tuple[Likeness, ...] = ()
        self.judged_at_step = 0
        self._yardstick = self._make_yardstick(unseen)
        self._reference = statistics_of(cut_windows(self.training_part, settings.config.window_bins))
        self._counts = torch.as_tensor(self.training_part.counts, device=self.device)
        self._random = torch.Generator(self.device)

    @property
    def judged_on(self) -> str:
        return "held-out repeats" if self.settings.hold_out else "training data"

    def step(self) -> float:
        """Take one training step; the critic's loss."""
        began = time.perf_counter()
        self._random.manual_seed(_step_seed(self.settings.seed, self.steps))
        loss = self.model.learn(self.steps, self._real_windows, self.optimizers, self._random)
        if not np.isfinite(loss):
            raise FailureError(
                f"training diverged at step {self.steps} (loss {loss}); the last checkpoint is sound:"
                " try another seed or preset"
            )
        self.steps += 1
        self.trained_s += time.perf_counter() - began
        return loss

    @torch.no_grad()
    def sample(self, windows: int, seed: int) -> NDArray[np.uint8]:
        """Windows drawn from the averaged generator, (windows, bins, units)."""
        random = torch.Generator(self.device).manual_seed(seed)
        latent_size = self.settings.config.latent_size
        parts = []
        for start in range(0, windows, 256):
            latent = torch.randn(min(256, windows - start), latent_size, generator=random, device=self.device)
            probability = self.model.average(latent)
            drawn = torch.rand(probability.shape, generator=random, device=self.device) < probability
            parts.append(drawn.to(torch.uint8).cpu().numpy())
        return np.concatenate(parts)

    def judge(self) -> tuple[Likeness, ...]:
        """Likeness to the repeats that were held out (or, where none were, to a fifth of the training data)."""
        self.likeness = judge(self.sample(self._yardstick.windows, seed=self.settings.seed), self._yardstick)
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
        tensors |= {f"reference.{name}": torch.as_tensor(value) for name, value in self._reference.items()}
        write_checkpoint(folder, tensors, self._description())

    def resume(self, folder: Path) -> bool:
        """Go on from the checkpoint in a folder; False where there is none.

        Raises
        ------
        BadInputError
            If the checkpoint is damaged or belongs to another run.
        """
        if not (folder / CHECKPOINT).exists():
            return False
        tensors, description = read_checkpoint(folder)
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

    def _make_yardstick(self, unseen: Recording) -> Yardstick:
        bins = self.settings.config.window_bins
        training, held_out = cut_windows(unseen, bins), cut_windows(self.judged_part, bins)
        random = np.random.Generator(np.random.Philox(self.settings.seed))
        return make_yardstick(training, held_out[: min(JUDGED_WINDOWS, len(training))], random)

    def _real_windows(self, windows: int) -> Tensor:
        """Random windows of the training repeats; none crosses a seam."""
        repeats, bins, _ = self._counts.shape
        length = self.settings.config.window_bins
        draw = {"generator": self._random, "device": self.device}
        repeat = torch.randint(repeats, (windows, 1), **draw)
        start = torch.randint(bins - length + 1, (windows, 1), **draw)
        return self._counts[repeat, start + torch.arange(length, device=self.device)].float()

    def _check_recording(self) -> None:
        largest = int(self.training_part.counts.max())
        if largest > 1:
            raise BadInputError(
                f"{self.recording.name}: expected at most one spike in a bin, found {largest};"
                f" bin finer than {self.recording.bin_size_s * 1000:g} ms"
            )
        counts = self.training_part.counts
        if np.all(counts == counts[:1, :1]):
            raise BadInputError(
                f"{self.recording.name}: expected units that spike now and then, found constant ones only"
            )
        window_bins = self.settings.config.window_bins
        if min(self.training_part.bins, self.judged_part.bins) < window_bins:
            raise BadInputError(
                f"{self.recording.name}: expected parts of at least {window_bins} bins (one window) to train on and to"
                f" judge by, found {self.training_part.bins} and {self.judged_part.bins}; is it (bins, units)?"
            )
        if self.settings.config.window_bins % self.settings.config.stride**2:
            raise BadInputError(
                f"expected windows of a multiple of {self.settings.config.stride**2} bins,"
                f" found {self.settings.config.window_bins}"
            )

    def _description(self) -> dict[str, Any]:
        recording = self.recording
        described = {
            "recording": {
                "name": recording.name,
                "origin": recording.origin,
                "repeats": recording.repeats,
                "bins": recording.bins,
                "bin_size_s": recording.bin_size_s,
                "unit_names": recording.unit_names,
                "sha256": sha256(np.ascontiguousarray(recording.counts)).hexdigest(),
            },
            "settings": dataclasses.asdict(self.settings),
            "steps": self.steps,
            "trained_s": self.trained_s,
            "realism": {
                "judged_on": self.judged_on,
                "judged_at_step": self.judged_at_step,
                "statistics": {each.statistic: dataclasses.asdict(each) for each in self.likeness},
            },
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
        training.judge()
    except FailureError:
        raise  # what diverged is not worth keeping
    except BaseException:
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
