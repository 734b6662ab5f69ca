"""How close the causal families come to each other: the Spike-GAN, the autoencoder and the hybrid of both."""

from statistics import mean
from typing import Any

import torch

from spikeloop.exporters.formats.read import read_recording
from spikeloop.models.families.registry import preset, suited_preset
from spikeloop.models.measures.similarity import mean_ratio
from spikeloop.models.recordings.conditioning import with_phase
from spikeloop.models.training import forecast
from spikeloop.models.training.run import Training

FAMILIES, SEEDS = ("causal_gan", "vae", "vae_gan"), (0, 1, 2)
RECORDINGS: dict[str, dict[str, Any]] = {
    "retina": {"driven": with_phase},
    "m1_jango": {"lead_bins": 3},
    "calcium_odor": {},
}


def measure(seconds: float) -> dict:
    """Train every family on every recording, with every seed."""
    torch.set_num_threads(1)
    ratios = {
        (recording, family): [_mean_ratio(recording, family, seed, seconds) for seed in SEEDS]
        for recording in RECORDINGS
        for family in FAMILIES
    }
    return {
        "about": f"Mean E/F on held-out data after at most {seconds:g} s of steps on one core, seeds"
        f" {', '.join(map(str, SEEDS))}; the retina under the phase of the movie, m1_jango under its kinematics.",
        "rows": [_row(*case, found, mean(ratios[case[0], FAMILIES[0]])) for case, found in ratios.items()],
    }


def _row(recording: str, family: str, ratios: list[float], beside: float) -> dict:
    row = {"recording": recording, "family": family, "mean E/F": mean(ratios)}
    return row | {
        f"least and most of {len(ratios)} seeds": f"{min(ratios):.2f} to {max(ratios):.2f}",
        f"over that of {FAMILIES[0]}": mean(ratios) / beside,
    }


def _mean_ratio(name: str, family: str, seed: int, seconds: float) -> float:
    setup = RECORDINGS[name]
    recording = setup.get("driven", lambda same: same)(read_recording(name))
    settings = preset(
        family, suited_preset(family, recording), seed=seed, lead_bins=setup.get("lead_bins", 0), stop_early=True
    )
    run = Training(recording, settings, "cpu")
    forecast.plan(run, seconds / 60)
    while run.trained_s < seconds and not run.over:
        run.step()
    run.finish()
    found = mean_ratio(run.judge())
    print(f"{name}, {family}, seed {seed}: {run.steps} steps, {run.trained_s:.0f} s, mean E/F {found:.2f}", flush=True)
    return found
