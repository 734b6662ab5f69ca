import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spikeloop.streamer.engine import Engine
from spikeloop.streamer.source import EVENT_TIMES, LATENT, SPIKES, WindowSource, seeded


@pytest.fixture(scope="module")
def engine(bundle):
    return Engine(bundle, "cpu")


@given(steps=st.lists(st.integers(1, 700), min_size=1, max_size=12), seed=st.integers(0, 2**64))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
def test_any_sequence_of_steps_gives_the_same_spikes(engine, steps, seed):
    whole = WindowSource(engine, seed).take(sum(steps))
    source = WindowSource(engine, seed)
    np.testing.assert_array_equal(np.concatenate([source.take(bins) for bins in steps]), whole)
    assert whole.shape == (sum(steps), 96)
    assert whole.dtype == np.uint8


def test_seeds_differ_and_so_do_purposes(engine):
    assert not np.array_equal(WindowSource(engine, 0).take(100), WindowSource(engine, 1).take(100))
    drawn = {seeded(0, purpose).integers(2**63) for purpose in (LATENT, SPIKES, EVENT_TIMES)}
    assert len(drawn) == 3


def test_spikes_come_as_often_as_their_probability_says(engine):
    """Standardised by the variance of Bernoulli draws, sums over windows are standard normal."""
    counts = WindowSource(engine, 3).take(32 * 4000).reshape(4000, 32, 96)
    probability = engine.run(seeded(3, LATENT).standard_normal((4000, 8), np.float32))
    z = (counts.sum(axis=0) - probability.sum(axis=0)) / np.sqrt((probability * (1 - probability)).sum(axis=0))
    assert abs(z.mean()) < 4 / np.sqrt(z.size)
    assert abs(z.std() - 1) < 0.06


def test_each_run_of_the_generator_is_reported(engine):
    told = []
    WindowSource(engine, 0, told.append).take(32 * 8 * 3)
    assert len(told) == 3
    assert all(seconds > 0 for seconds in told)
