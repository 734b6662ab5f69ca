"""What each part of the causal generator brings: motor cortex, trained with it and without it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spikeloop.exporters.formats.read import read_recording
from spikeloop.models.evaluation.responses import evaluate_responses, respond, split_as_trained
from spikeloop.models.families.registry import preset
from spikeloop.models.random_streams import Purpose, torch_seed
from spikeloop.models.training.run import Training

RECORDING, LEAD_BINS, HOLD_OUT, SEED = "m1_jango", 3, 5, 0
AS_BEFORE: dict[str, Any] = {
    "state_size": 192, "modes": 4, "factors": 64, "drives_units": False, "own_history": 0, "dropout": 0.5,
    "likelihood_steps": 700,
}  # fmt: skip
CANDIDATES: dict[str, dict[str, Any]] = {
    "as before": AS_BEFORE,
    "own history": AS_BEFORE | {"own_history": 4},
    "and fewer factors": AS_BEFORE | {"own_history": 4, "factors": 16, "modes": 6, "state_size": 128, "dropout": 0.3},
    "and conditions on each unit: `short`": {},
    "the same, likelihood alone": {"adversarial": False},
}
SHOWN = ("population_count_divergence", "correlation", "fano_factor", "lag_1_autocorrelation")


def measure(seconds: float) -> dict:
    """Train every candidate for so many seconds at most, and let it answer to the held-out movement."""
    return {
        "about": f"`causal_gan`, preset `short`, on {RECORDING} under its kinematics, at most {seconds:g} s of"
        " steps each, less where the rule ends it, seed 0; judged on the last fifth. E/F of the whole stream; its"
        " variance of population counts over that recorded; R2 of a ridge decoder that learned from the model's"
        " answers over that of one that learned from the recording, the least and the mean of four channels.",
        "rows": [_row(name, changes, seconds) for name, changes in CANDIDATES.items()],
    }


def _row(name: str, changes: dict[str, Any], seconds: float) -> dict:
    settings = preset("causal_gan", "short", HOLD_OUT, SEED, LEAD_BINS)
    settings = replace(settings, config=replace(settings.config, **changes), stop_early=True)
    recording = read_recording(RECORDING)
    run = Training(recording, settings, "cpu")
    while run.trained_s < seconds and not run.over:
        run.step()
    run.finish()
    channels = run.recording.channels
    parts = split_as_trained(recording, RECORDING, channels, LEAD_BINS, HOLD_OUT)
    judged = evaluate_responses(respond(_stream(run), parts), parts)
    assert judged.continuous is not None
    ratios = {row.statistic: row.ratio for row in judged.continuous.rows}
    ridge = [row.ratio for row in judged.decoding if row.decoder == "ridge"]
    print(f"{name}: {run.steps} steps, {run.trained_s:.0f} s", flush=True)
    return {
        "candidate": name,
        "steps": run.steps,
        "trained (s)": run.trained_s,
        **{statistic: ratios[statistic] for statistic in SHOWN},
        "variance ratio": judged.continuous.population_variance_ratio,
        "R2 ratio, least": min(ridge),
        "mean": sum(ridge) / len(ridge),
    }


def _stream(run: Training) -> Callable[[int, NDArray[np.float32]], NDArray[np.uint8]]:
    """Make one endless stream of a trained model."""
    generator, random = run.model.calibrated(), torch.Generator().manual_seed(torch_seed(SEED, Purpose.BENCHMARK))
    state = generator.first_state(1, random)

    @torch.no_grad()
    def answer(bins: int, conditions: NDArray[np.float32]) -> NDArray[np.uint8]:
        nonlocal state
        values, state = generator(torch.from_numpy(conditions)[None], generator.noise(1, bins, random), state)
        return values[0].numpy().astype(np.uint8)

    return answer
