"""Fit a baseline and keep it as a checkpoint, like what is trained step by step."""

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.errors import BadInputError
from spikeloop.models.families.baselines import Sampled, draw_bins
from spikeloop.models.families.k_pairwise import KPairwise
from spikeloop.models.families.k_pairwise_likelihood import log_likelihood
from spikeloop.models.families.registry import load_baseline
from spikeloop.models.measures.one_step import OneStepScore, one_step_score
from spikeloop.models.measures.similarity import Similarity
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.repeats import join_recorded
from spikeloop.models.recordings.windows import STRETCHES
from spikeloop.models.training.checkpoint import CHECKPOINT, read_checkpoint, sole_writer, write_checkpoint
from spikeloop.models.training.validation import Validation, describe_realism, describe_recording, prepare_validation

__all__ = ["WINDOW_BINS", "fit"]

WINDOW_BINS = 32  # that baselines are judged by, as the paper's windows


def fit(
    recording: Recording,
    family: str,
    folder: Path,
    preset: str = "default",
    hold_out: int = 5,
    seed: int = 0,
    on_progress: Callable[[float], None] = lambda share: None,
) -> tuple[Similarity, ...]:
    """Fit a baseline, compare it with what is held out, and write a checkpoint that exports like any other.

    Parameters
    ----------
    recording : Recording
    family : str
        A baseline.
    folder : pathlib.Path
        Of the checkpoint.
    preset : str
    hold_out : int >= 0
        Every n-th repeat is held out; 0 fits all.
    seed : int >= 0
    on_progress : callable (float)
        Receives the share of the fit that is done.

    Returns
    -------
    tuple of Similarity
        To what was held out.

    Raises
    ------
    BadInputError
        If there is no such family or preset, the recording doesn't suit it, or another process writes to the folder.
    FailureError
        If the disk refuses.
    """
    baseline = load_baseline(family)
    if preset not in baseline.presets:
        raise BadInputError(f"no preset named {preset!r}; {family} has {', '.join(baseline.presets)}")
    config = baseline.presets[preset]
    if hasattr(config, "seed"):
        config = dataclasses.replace(config, seed=seed)
    validation = prepare_validation(recording, hold_out, WINDOW_BINS, seed)
    with sole_writer(folder):
        _check_nothing_is_lost(folder, family, recording)
        began = time.perf_counter()
        model = baseline.fit(validation.training, config, on_progress)
        fitted_s = time.perf_counter() - began

        def sample(windows: int) -> NDArray[np.uint8]:
            return draw_bins(model, windows * WINDOW_BINS, seed).reshape(windows, WINDOW_BINS, -1)

        similarity = validation.judge(sample)
        one_step = _one_step(model, validation, seed)
        parameters = {f"parameters.{name}": value for name, value in model.arrays().items()}
        reference = {f"reference.{name}": value for name, value in validation.reference().items()}
        settings = {"family": family, "preset": preset, "config": dataclasses.asdict(config)}
        description = {
            "recording": describe_recording(recording),
            "settings": settings | {"hold_out": hold_out, "held_out_stretches": STRETCHES, "seed": seed},
            "steps": 0,
            "trained_s": fitted_s,
            "realism": describe_realism(validation.judged_on, 0, similarity, one_step),
        }
        write_checkpoint(folder, parameters | reference, description)
    return similarity


def _one_step(model: Sampled, validation: Validation, seed: int) -> OneStepScore | None:
    """Score a k-pairwise model, whose bins are independent; a dichotomized Gaussian's likelihood has no closed form."""
    if not isinstance(model, KPairwise):
        return None
    judged, training = (join_recorded(part.counts, part.lengths) for part in (validation.judged, validation.training))
    return one_step_score(log_likelihood(model, judged, random_stream(seed, Purpose.ONE_STEP)), judged, training)


def _check_nothing_is_lost(folder: Path, family: str, recording: Recording) -> None:
    """Refuse a folder with a checkpoint of another family or recording; the same is fitted anew."""
    if not (folder / CHECKPOINT).exists():
        return
    _, there = read_checkpoint(folder)
    found = there["settings"]["family"], there["recording"]["name"], there["recording"]["sha256"]
    described = describe_recording(recording)
    if found != (family, described["name"], described["sha256"]):
        raise BadInputError(f"{folder} holds another run ({found[0]} of {found[1]}); choose another --out")
