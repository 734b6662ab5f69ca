import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.exporters.formats.read import read_recording
from spikeloop.models.recordings.orientation import differences_of_rates, orientation_warning
from spikeloop.models.recordings.recording import from_counts, from_fluorescence
from spikeloop.models.recordings.simulated_cortex import m1_sim


def in_trials(counts: np.ndarray, bins: int) -> np.ndarray:
    """Cut (1, bins, units) into trials."""
    return counts[0, : counts.shape[1] // bins * bins].reshape(-1, bins, counts.shape[2])


@pytest.fixture(scope="module", params=["retina", "m1_jango", "rat_m1_ms", "m1-sim"])
def recorded(request, data_folder):
    """Counts of shape (trials, bins, units)."""
    if request.param == "m1-sim":
        return in_trials(m1_sim(120).counts, 200)
    counts = read_recording(request.param, folder=data_folder).counts
    if request.param == "rat_m1_ms":  # at 1 ms
        counts = counts[:200].reshape(200, 100, 20, -1).sum(axis=2)
    return counts if len(counts) > 1 else in_trials(counts, 300)


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))), ids=str)
def test_trials_are_warned_of_where_the_units_are_on_another_axis(recorded, axes):
    warning = orientation_warning(from_counts(recorded.transpose(axes), 0.02))
    if axes[2] == 2:
        assert warning is None
    else:
        assert warning is not None
        order = warning.rpartition("--axes ")[2].split(",")
        assert order.index("units") == axes.index(2)


@pytest.mark.parametrize("bins", [300, 4000])
def test_a_continuous_recording_is_warned_of_where_it_lies_on_its_side(recorded, bins):
    counts = recorded.reshape(-1, recorded.shape[2])[:bins]
    assert orientation_warning(from_counts(counts, 0.02)) is None
    assert "--axes units,bins" in (orientation_warning(from_counts(counts.T, 0.02)) or "")


@given(
    shape=st.tuples(*[st.integers(1, 40)] * 3),
    rate=st.sampled_from([0.02, 0.3, 3.0]),
    seed=st.integers(0, 2**16),
)
def test_noise_of_one_rate_is_not_warned_of(shape, rate, seed):
    random = np.random.Generator(np.random.Philox(seed))
    assert orientation_warning(from_counts(random.poisson(rate, shape), 0.02)) is None


def test_silence_and_fluorescence_are_not_warned_of(random):
    assert orientation_warning(from_counts(np.zeros((20, 30)), 0.02)) is None
    traces = random.gamma(1, np.arange(1, 31)[:, np.newaxis] * np.ones(20))
    assert orientation_warning(from_fluorescence(traces, 0.02)) is None


def test_differences_of_rates_are_those_that_poisson_counts_were_drawn_with(random):
    rates = random.gamma(2.0, 1.0, 50)
    counts = random.poisson(rates, (30, 200, 50))
    expected = rates.var() / rates.mean() ** 2
    centred = rates - rates.mean()
    shared = max(0.0, np.mean(centred[1:] * centred[:-1])) / rates.mean() ** 2
    found = differences_of_rates(from_counts(counts, 0.02))
    np.testing.assert_allclose(found, [0, 0, expected - shared], rtol=0.05, atol=1e-3)


def test_differences_that_neighbours_share_hardly_count(random):
    rates = 1 + np.sin(np.linspace(0, 20, 400))
    counts = random.poisson(rates[:, np.newaxis], (400, 50))
    found = differences_of_rates(from_counts(counts, 0.02))
    assert 0 < found[1] <= 0.11 * rates.var() / rates.mean() ** 2


def test_a_long_recording_of_few_units_is_looked_at_in_little_memory():
    counts = np.zeros((3_000_000, 1), np.uint8)
    counts[::50] = 1
    recording = from_counts(counts, 0.001)
    tracemalloc.start()
    assert orientation_warning(recording) is None
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40e6


@pytest.mark.parametrize("trials", [1, 2, 4])
def test_few_units_in_few_trials_are_not_warned_of_where_rates_follow_a_stimulus(trials, random):
    rates = np.repeat(random.gamma(0.5, 1.0, 300), 2)[:, np.newaxis] * np.ones(4)
    assert orientation_warning(from_counts(random.poisson(rates, (trials, 600, 4)), 0.02)) is None
