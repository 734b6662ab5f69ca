"""The evidence of drift in a sample itself."""

import numpy as np
import pytest

from spikeloop.models.drift.sample_evidence import judge_sample

RATES = np.array([4.0, 2.0, 1.0])  # of a block
UNITS = len(RATES)


def test_evidence_of_a_silent_poisson_unit_grows_by_its_rate(random):
    judged = judge_sample(random.poisson(RATES, (40_000, UNITS)).astype(float))
    assert judged.drift[:UNITS] == pytest.approx(0.95 * RATES, rel=0.1)
    assert np.all(judged.drift[UNITS:-1] > 0)


def test_units_that_fire_on_their_own_leave_no_correlations_to_lose(random):
    judged = judge_sample(random.poisson(RATES, (40_000, UNITS)).astype(float))
    assert judged.drift[-1] < 1e-3


def test_correlations_that_are_lost_tell(random):
    common = random.gamma(2, 0.5, (20_000, 1))
    judged = judge_sample(random.poisson(RATES * common).astype(float))
    assert 0 < judged.correlation_scale <= 1
    assert judged.drift[-1] > 0.02


def test_excursions_of_every_channel_are_seen_and_their_tails_no_longer_than_those_of_a_right_model(random):
    common = random.gamma(2, 0.5, (40_000, 1))
    judged = judge_sample(random.poisson(RATES * common).astype(float))
    assert len(judged.peaks) == len(judged.drift) == 4 * UNITS + 1
    for peaks in judged.peaks:
        assert len(peaks) > 100
        assert peaks.min() > 0
        high = np.sort(peaks)[-len(peaks) // 20 :]
        assert (high - high[0]).mean() < 1.3
