"""A causal model's one-step score: the likelihood of held-out bins, each given the recorded bins before it."""

import numpy as np
import torch
from torch import Tensor

from spikeloop.models.arrays import Counts
from spikeloop.models.evenly_spread import evenly_spread
from spikeloop.models.families.causal_gan import CausalGan
from spikeloop.models.families.gan import Gan
from spikeloop.models.families.vae_encoder import Encoder, divergence, slow_latents
from spikeloop.models.measures.one_step import OneStepScore, one_step_score
from spikeloop.models.random_streams import Purpose, torch_seed
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.repeats import join_recorded, pad_repeats, split_repeats

__all__ = ["teacher_forced_score"]

SEGMENT_BINS = 512  # of which each bin is given those before it
MOST_SEGMENTS = 128  # of longer recordings, these are spread evenly over all
SEGMENTS_AT_ONCE = 4  # to save memory


@torch.no_grad()
def teacher_forced_score(model: Gan, training: Recording, judged: Recording, seed: int) -> OneStepScore | None:
    """Score how well a model predicts each bin from the recorded ones before it, its own output aside.

    Parameters
    ----------
    model : Gan
        Calibrated.
    training, judged : Recording
        What it was trained on, and what it predicts.
    seed : int >= 0
        Of the draws of slow latents.

    Returns
    -------
    OneStepScore or None
        Of a model with slow latents a lower bound. None of one without a likelihood (a GAN of windows), of
        fluorescence, and where there is no spike.
    """
    if not isinstance(model, CausalGan) or judged.signal != "spikes":
        return None
    generator, device = model.calibrated().eval(), model.calibration.device
    random = torch.Generator(device).manual_seed(torch_seed(seed, Purpose.ONE_STEP))
    segments = _segments(judged)
    total = 0.0
    for start in range(0, len(segments), SEGMENTS_AT_ONCE):
        some = segments[start : start + SEGMENTS_AT_ONCE]
        lengths = torch.tensor([len(counts) for counts, _ in some], device=device)
        counts, conditions = (
            torch.as_tensor(pad_repeats(part), dtype=torch.float32, device=device) for part in zip(*some, strict=True)
        )
        if model.encoder is None:
            slow, cost = counts.new_zeros(*counts.shape[:2], 0), counts.new_zeros(counts.shape[:2])
        else:
            slow, cost = _inferred(model.encoder, generator.persistence, counts, lengths, random)
        first = generator.first_state(len(counts), random)
        likelihood = generator.log_likelihood(counts, conditions, slow, 0.0, random, first)[0] - cost
        recorded = torch.arange(counts.shape[1], device=device) < lengths[:, None]
        total += likelihood[recorded].double().sum().item()
    known = join_recorded(training.counts, training.lengths)
    return one_step_score(total, np.concatenate([counts for counts, _ in segments]), known, model.encoder is not None)


def _inferred(
    encoder: Encoder, persistence: Tensor, counts: Tensor, lengths: Tensor, random: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Slow latents drawn from the posterior, and its divergence from the prior: the evidence lower bound's parts."""
    posterior = encoder(counts, lengths)
    return slow_latents(posterior.sample(random), persistence), divergence(posterior)


def _segments(recording: Recording) -> list[tuple[Counts, Counts]]:
    """Counts and conditions of repeats, cut into pieces side by side."""
    cut = []
    parts = (split_repeats(part, recording.lengths) for part in (recording.counts, recording.conditions))
    for counts, conditions in zip(*parts, strict=True):
        ends = range(SEGMENT_BINS, len(counts), SEGMENT_BINS)
        cut += zip(np.split(counts, ends), np.split(conditions, ends), strict=True)
    return [cut[place] for place in evenly_spread(len(cut), MOST_SEGMENTS)]
