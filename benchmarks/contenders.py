"""The models whose realism is compared: what each is, on which recording, and its training, kept in runs/realism.

`python -m benchmarks.contenders RECORDING MODEL --minutes M` trains one, on one core, or goes on with it.
"""

import dataclasses
import json
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import tyro
from tyro.conf import Positional

from spikeloop.exporters.formats.read import read_recording
from spikeloop.models.families.registry import preset
from spikeloop.models.recordings.conditioning import with_phase
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.simulated import correlated_groups, packets
from spikeloop.models.training.progress import Progress
from spikeloop.models.training.run import Training
from spikeloop.models.training.trainer import train

__all__ = ["CONTENDERS", "RECORDINGS", "curve_of", "run_of", "training_of"]

RUNS = Path(__file__).parents[1] / "runs" / "realism"

RECORDINGS = {
    "retina": lambda: read_recording("retina"),
    "rat_m1_ms": lambda: read_recording("rat_m1_ms"),
    "patterns": lambda: correlated_groups(10240, window_bins=12, units=2, spike_probability=0.1, seed=1),
    "groups": lambda: correlated_groups(10240, window_bins=128, units=16, seed=1),
    "packets": lambda: packets(10240, seed=1).recording,
}
WINDOW_BINS = {"patterns": 12, "groups": 128, "rat_m1_ms": 64}
LIKELIHOOD_STEPS = 1500  # of the first stage alone where it is not the retina


@dataclasses.dataclass(frozen=True)
class Contender:
    """A model as it is set, and whether it is told the phase of the stimulus and ends when its rule says so."""

    family: str
    preset: str
    phase: bool = False
    ends_early: bool = True
    otherwise: tuple[tuple[str, object], ...] = ()


CONTENDERS = {
    "phase": Contender("causal_gan", "fast", phase=True),
    "vae_gan": Contender("vae_gan", "fast", phase=True),
    "vae": Contender("vae", "fast", phase=True),
    "causal": Contender("causal_gan", "fast"),
    "likelihood": Contender("causal_gan", "fast", otherwise=(("adversarial", False),)),
    "windowed": Contender("spike_gan", "long", ends_early=False),
    "paper": Contender("spike_gan", "paper", ends_early=False),
    "fully_connected": Contender("spike_gan", "fully_connected", ends_early=False),
}
ModelName = Literal["phase", "vae_gan", "vae", "causal", "likelihood", "windowed", "paper", "fully_connected"]


def run_of(recording: str, model: str) -> Path:
    """The folder of its checkpoint."""
    return RUNS / f"{recording}-{model}"


def training_of(recording: str, model: str) -> Training:
    """The model before its training, every 5th repeat held out."""
    contender = CONTENDERS[model]
    settings = preset(contender.family, contender.preset, stop_early=contender.ends_early)
    config = dataclasses.replace(settings.config, **dict(contender.otherwise))
    if recording != "retina":
        config = dataclasses.replace(
            config, window_bins=WINDOW_BINS.get(recording, config.window_bins), likelihood_steps=LIKELIHOOD_STEPS
        )
    source: Recording = RECORDINGS[recording]()
    source = with_phase(source) if contender.phase else source
    return Training(source, dataclasses.replace(settings, config=config), "cpu")


def curve_of(recording: str, model: str) -> list[dict[str, float]]:
    """Minutes trained and mean E/F, as it went."""
    path = run_of(recording, model) / "curve.json"
    return json.loads(path.read_text()) if path.exists() else []


def main(
    recording: Positional[Literal["retina", "rat_m1_ms", "patterns", "groups", "packets"]],
    model: Positional[ModelName],
    minutes: float = 20.0,
) -> None:
    """Train one model on one core."""
    torch.set_num_threads(1)
    folder = run_of(recording, model)
    training = training_of(recording, model)
    curve = curve_of(recording, model)

    def note(progress: Progress) -> None:
        trained_min = progress.trained_s / 60
        if progress.similarity and training.judged_at_step != (curve[-1]["step"] if curve else -1):
            ratio = float(np.nanmean([each.ratio for each in progress.similarity]))
            curve.append({"step": training.judged_at_step, "minutes": trained_min, "mean_ratio": ratio})
            (folder / "curve.json").write_text(json.dumps(curve))
            print(
                f"{recording} {model}: {trained_min:.1f} min, step {progress.steps}, mean E/F {ratio:.2f}", flush=True
            )

    for each in train(training, folder, minutes, on_progress=note):
        print(f"  {each.statistic} {each.ratio:.2f}")


if __name__ == "__main__":
    tyro.cli(main)
