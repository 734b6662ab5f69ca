from dataclasses import replace

import numpy as np
import pytest
import torch

from spikeloop.models.families.causal_gan import CausalGan
from spikeloop.models.families.causal_presets import PRESETS
from spikeloop.models.families.population import population_of
from spikeloop.models.measures.one_step import OneStepScore, bits_per_spike
from spikeloop.models.recordings.cutting import split_where
from spikeloop.models.recordings.recording import from_counts
from spikeloop.models.training.teacher_forced import MOST_SEGMENTS, SEGMENT_BINS, teacher_forced_score

ONSET, STAYING = 0.1, 0.6  # probability of a spike after none, and after a spike
SMALL = replace(
    PRESETS["fast"], window_bins=4, state_size=1, modes=1, features=4, batch=2, encoder_size=4, drive_size=4
)  # fmt: skip


@pytest.fixture
def recording(random):
    """Repeats of 700 bins of a Markov chain."""
    counts = np.zeros((30, 700, 1), np.uint8)
    for bin_ in range(700):
        before = counts[:, bin_ - 1, 0] if bin_ else np.zeros(30)
        counts[:, bin_, 0] = random.random(30) < np.where(before > 0, STAYING, ONSET)
    return from_counts(counts, 0.02)


def log_odds(probability):
    return float(np.log(probability / (1 - probability)))


@torch.no_grad()
def chain_model(recording, slow_latents=0):
    """A network whose weights make it that very chain: its hidden state is the spike of the bin before."""
    model = CausalGan(replace(SMALL, slow_latents=slow_latents), population_of(recording))
    generator = model.average
    for parameter in generator.parameters():
        parameter.zero_()
    generator.input_projection.weight.fill_(1)
    generator.recurrence.weight_ih_l0[2, 0] = 20.0  # tanh(20) is 1
    generator.recurrence.bias_ih_l0[1] = -40.0  # nothing of the state before is kept
    generator.factor_head.weight.fill_(1)
    generator.emission_head.weight.fill_(log_odds(STAYING) - log_odds(ONSET))
    generator.emission_head.bias.fill_(log_odds(ONSET))
    return model


def log_likelihood(counts):
    """Of a piece, (bins,), that knows nothing of what came before."""
    chance = np.where(np.concatenate(([0], counts[:-1])) > 0, STAYING, ONSET)
    return np.log(np.where(counts > 0, chance, 1 - chance)).sum()


def scored(model, training, judged) -> OneStepScore:
    score = teacher_forced_score(model, training, judged, seed=0)
    assert score is not None
    return score


def test_a_network_that_is_a_markov_chain_has_the_score_of_the_chain(recording):
    found = scored(chain_model(recording), recording, recording)
    total = sum(
        log_likelihood(row[:SEGMENT_BINS, 0]) + log_likelihood(row[SEGMENT_BINS:, 0]) for row in recording.counts
    )
    flat = recording.counts.reshape(-1, 1)
    expected = bits_per_spike(total, flat)
    assert found.bits_per_spike == pytest.approx(expected, abs=1e-4)
    assert (found.bins, found.spikes, found.is_bound) == (30 * 700, int(flat.sum()), False)
    assert found.bits_per_spike > found.independent_bits_per_spike + 0.3


def test_of_repeats_of_unequal_length_only_recorded_bins_count(recording):
    lengths = np.where(np.arange(30) % 2, 700, 90)
    uneven = split_where(recording, np.arange(700) < lengths[:, np.newaxis])
    assert uneven.lengths is not None
    found = scored(chain_model(recording), recording, uneven)
    pieces = [
        piece for row, length in zip(recording.counts[:, :, 0], lengths, strict=True)
        for piece in np.split(row[:length], [SEGMENT_BINS]) if len(piece)
    ]  # fmt: skip
    joined = np.concatenate(pieces)[:, np.newaxis]
    expected = bits_per_spike(sum(map(log_likelihood, pieces)), joined)
    assert found.bins == lengths.sum()
    assert found.bits_per_spike == pytest.approx(expected, abs=1e-4)


def test_the_score_of_an_autoencoder_is_a_bound_that_pays_for_what_is_inferred(recording):
    """Here slow latents do nothing, so that what the posterior differs from the prior by is lost."""
    exact = scored(chain_model(recording), recording, recording)
    model = chain_model(recording, slow_latents=2)
    prior = scored(model, recording, recording)
    assert prior.is_bound
    assert prior.bits_per_spike == pytest.approx(exact.bits_per_spike, abs=1e-4)
    assert model.encoder is not None
    with torch.no_grad():
        model.encoder.posterior_head.bias[:2] = 1.0  # means of both innovations
    moved = scored(model, recording, recording)
    cost = 2 * 0.5 * moved.bins / moved.spikes / np.log(2)
    assert prior.bits_per_spike - moved.bits_per_spike == pytest.approx(cost, rel=1e-3)


def test_of_a_long_recording_some_pieces_are_scored(random):
    long = from_counts((random.random((1, 200 * SEGMENT_BINS, 1)) < 0.1).astype(np.uint8), 0.02)
    assert scored(chain_model(long), long, long).bins == MOST_SEGMENTS * SEGMENT_BINS


def test_what_has_no_likelihood_or_no_spikes_has_no_score(recording):
    model = chain_model(recording)
    silent = from_counts(np.zeros((2, 40, 1), np.uint8), 0.02)
    assert teacher_forced_score(model, recording, silent, seed=0) is None
    assert teacher_forced_score(torch.nn.Linear(1, 1), recording, recording, seed=0) is None  # type: ignore[arg-type]
