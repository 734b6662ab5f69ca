"""Training on a session that drifts, with its time and without."""

from dataclasses import replace

import numpy as np
import pytest

from spikeloop.models.families.registry import preset
from spikeloop.models.recordings.cutting import part_of
from spikeloop.models.recordings.recording import Recording, from_counts
from spikeloop.models.recordings.session_time import with_session_time
from spikeloop.models.training.run import Training

UNITS, BINS, STEPS = 6, 8000, 40
SIZES = {"state_size": 16, "drive_size": 8, "features": 8, "likelihood_batch": 8, "lead_in_bins": 16}


@pytest.fixture(scope="module")
def session() -> Recording:
    """Units whose rates double over the session."""
    rates = np.linspace(0.2, 0.4, BINS)[:, np.newaxis]
    return from_counts(np.random.default_rng(3).random((BINS, UNITS)) < rates, 0.02)


def rates_of_parts(recording: Recording) -> tuple[np.ndarray, np.ndarray]:
    """Train briefly; the mean counts of each held-out part, of the recording and of the model under its conditions."""
    settings = preset("causal_gan", "short")
    settings = replace(settings, config=replace(settings.config, **SIZES))
    run = Training(recording, settings, "cpu")
    for _ in range(STEPS):
        run.step()
    held_out = run.validation.judged
    parts = [part_of(held_out, slice(number, number + 1)) for number in range(held_out.repeats)]
    drawn = [run.sample(200, seed=1, driven_as=part).mean() for part in parts]
    return np.array([part.counts.mean() for part in parts]), np.array(drawn)


def test_with_its_time_a_session_whose_rates_double_is_learned_and_without_it_is_not(session):
    recorded, drawn = rates_of_parts(with_session_time(session))
    _, without = rates_of_parts(session)
    assert len(recorded) == 5
    assert (np.diff(drawn) > 0).all()
    assert drawn[-1] / drawn[0] == pytest.approx(recorded[-1] / recorded[0], rel=0.2)
    assert np.abs(without - recorded).mean() > 2 * np.abs(drawn - recorded).mean()
