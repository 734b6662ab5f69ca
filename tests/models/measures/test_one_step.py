import math
from dataclasses import asdict

import numpy as np
import pytest
from scipy.stats import poisson

from spikeloop.models.measures.one_step import OneStepScore, bits_per_spike, one_step_score, parse_one_step

ONSET, STAYING = 0.05, 0.6  # probability of a spike after none, and after a spike


def markov_chain(bins, random):
    """A unit whose spike depends on the last bin, (bins, 1), and the log probability of its bins, in nats."""
    uniform = random.random(bins)
    spikes = np.zeros(bins, np.uint8)
    for bin_ in range(1, bins):
        spikes[bin_] = uniform[bin_] < (STAYING if spikes[bin_ - 1] else ONSET)
    chance = np.where(np.concatenate(([0], spikes[:-1])) > 0, STAYING, ONSET)
    return spikes[:, np.newaxis], float(np.log(np.where(spikes > 0, chance, 1 - chance)).sum())


def scored(likelihood, counts, training) -> OneStepScore:
    score = one_step_score(likelihood, counts, training)
    assert score is not None
    return score


def entropy(probability):
    """In bits, of a spike or none."""
    return -sum(share * math.log2(share) for share in (probability, 1 - probability))


def test_it_is_the_log_likelihood_above_poisson_units_of_constant_rates(random):
    counts = random.poisson([0.2, 1.5, 0.0], (500, 3)).astype(np.uint8)
    constant = poisson.logpmf(counts, counts.mean(axis=0)).sum()
    assert bits_per_spike(constant, counts) == pytest.approx(0, abs=1e-9)
    assert bits_per_spike(constant + 100, counts) == pytest.approx(100 / math.log(2) / counts.sum())


def test_a_markov_chain_scores_what_its_past_tells_of_it(random):
    """Beyond independent units that is the mutual information of a bin and the bin before it."""
    counts, likelihood = markov_chain(200_000, random)
    score = scored(likelihood, counts, counts)
    rate = ONSET / (1 + ONSET - STAYING)
    information = entropy(rate) - rate * entropy(STAYING) - (1 - rate) * entropy(ONSET)
    found = score.bits_per_spike - score.independent_bits_per_spike
    assert found == pytest.approx(information / rate, rel=0.03)
    assert (score.bins, score.spikes) == (200_000, int(counts.sum()))


def test_independent_units_have_the_counts_of_the_training_data(random):
    training, held_out = (random.poisson([0.3, 2.0], (4000, 2)).astype(np.uint8) for _ in range(2))
    score = scored(0.0, held_out, training)
    assert score.independent_bits_per_spike == pytest.approx(0, abs=0.01)  # Poisson they are
    once = scored(0.0, held_out.clip(max=1), training.clip(max=1))
    assert once.independent_bits_per_spike > 0.1  # at most one spike a bin is less uncertain than Poisson
    assert math.isfinite(scored(0.0, held_out, 0 * training).independent_bits_per_spike)


def test_where_there_is_no_spike_there_is_no_score():
    silence = np.zeros((10, 2), np.uint8)
    assert one_step_score(-1.0, silence, silence) is None
    assert math.isnan(bits_per_spike(-1.0, silence))


def test_a_bound_is_told_as_one():
    assert OneStepScore(0.25, 0.02, False, 100, 20).in_words().startswith("0.250 bits per spike (independent units 0.0")
    assert OneStepScore(0.25, 0.02, True, 100, 20).in_words().startswith("at least 0.250")


def test_a_card_gives_the_score_that_it_holds_and_none_of_anything_else():
    score = OneStepScore(0.25, 0.02, False, 100, 20)
    assert parse_one_step({"one_step": asdict(score)}) == score
    for odd in (None, [], {}, asdict(score) | {"bins": "many"}, asdict(score) | {"spikes": 10**400}):
        assert parse_one_step({"one_step": odd}) is None
    assert parse_one_step({}) is None
