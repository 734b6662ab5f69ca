"""What looks wrong in a recording is warned of; what is well is not."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.exporters.formats.read import read_recording
from spikeloop.models.recordings.conditioning import with_conditions
from spikeloop.models.recordings.plausibility import LEAST_BINS, LEAST_IN_COPY, warnings_of
from spikeloop.models.recordings.recording import Recording, from_counts, from_fluorescence


def counts_at(rate: float, bins: int = 4000, units: int = 8, seed: int = 0) -> np.ndarray:
    """Poisson counts of so many spikes a bin, (bins, units)."""
    return np.random.default_rng(seed).poisson(rate, (bins, units))


def said(recording: Recording) -> str:
    return " | ".join(warnings_of(recording))


@pytest.mark.parametrize(
    "name", ["retina", "m1_jango", "rat_m1_ms", "calcium_odor", "m1-sim:120", "packets:1:1000", "packets:2:1000"]
)
def test_real_and_simulated_recordings_look_well(name, data_folder):
    assert warnings_of(read_recording(name, folder=data_folder)) == ()


@given(seed=st.integers(0, 2**31), rate_hz=st.floats(1, 100), units=st.integers(2, 40))
def test_independent_units_look_well(seed, rate_hz, units):
    assert warnings_of(from_counts(counts_at(rate_hz * 0.02, 2000, units, seed), 0.02)) == ()


@given(units=st.integers(2, 20), seed=st.integers(0, 1000))
def test_transposed_counts_are_told_with_the_option(units, seed):
    counts = counts_at(0.2, 1000, units, seed)
    assert "give --transpose, or leave it out where it was given" in said(from_counts(counts.T, 0.02))
    assert "--transpose" not in said(from_counts(counts, 0.02))


@pytest.mark.parametrize(("bin_size_s", "what"), [(1e-4, "more than"), (10.0, "less than")])
def test_a_rate_that_no_population_has_leads_to_the_units_of_time(bin_size_s, what):
    rate = 0.1 if what == "more than" else 0.05
    (found,) = warnings_of(from_counts(counts_at(rate, 4000, 8), bin_size_s))
    assert what in found
    assert "--bin-size-ms" in found
    assert "--time-unit" in found


def test_silent_units_are_named_and_the_others_counted():
    counts = counts_at(0.2)
    counts[:, [1, 3, 4, 6]] = 0
    assert "4 units (unit 1, unit 3, unit 4 and 1 more) without a spike" in said(from_counts(counts, 0.02))


def test_a_recording_without_a_spike_is_told_in_one_warning():
    (found,) = warnings_of(from_counts(np.zeros((4000, 3)), 0.02))
    assert "no unit has a spike" in found


@given(pair=st.tuples(st.integers(0, 7), st.integers(0, 7)).filter(lambda pair: pair[0] < pair[1]))
def test_a_copy_of_a_unit_is_found(pair):
    counts = counts_at(0.2)
    counts[:, pair[1]] = counts[:, pair[0]]
    assert f"1 unit is a copy of another (unit {pair[1]} of unit {pair[0]})" in said(from_counts(counts, 0.02))


def test_units_of_few_spikes_are_no_copies():
    counts = counts_at(0.2)
    counts[:, :2] = 0
    counts[: LEAST_IN_COPY - 1, :2] = 1
    assert "cop" not in said(from_counts(counts, 0.02))


@given(multiple=st.integers(2, 50))
def test_scaled_counts_are_told(multiple):
    counts = np.minimum(counts_at(0.3, 2000), 5) * multiple
    assert f"multiple of {multiple}" in said(from_counts(counts, 0.5))


def test_a_large_recording_is_looked_at_in_little_memory(random):
    counts = np.zeros((1, 1_000_000, 50), np.uint8)
    counts[:, ::200] = random.integers(0, 2, (1, 5000, 50))  # silent at first, as where times never fall
    counts[:, :1000] = 0
    recording = from_counts(counts, 0.001)
    tracemalloc.start()
    warnings_of(recording)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * counts.nbytes


def test_times_among_counts_are_told():
    times = np.sort(np.random.default_rng(0).integers(0, 250, (2000, 2)), axis=0)
    assert "--unit-key" in said(from_counts(times, 0.02))


def test_few_bins_are_told():
    assert "only 999 bins" in said(from_counts(counts_at(0.2, LEAST_BINS - 1), 0.02))
    assert said(from_counts(counts_at(0.2, LEAST_BINS), 0.02)) == ""


def test_a_constant_condition_is_named():
    values = np.stack([np.ones(4000), np.arange(4000.0)], axis=1)
    found = said(with_conditions(from_counts(counts_at(0.2), 0.02), values, ["speed", "time"]))
    assert "constant throughout" in found
    assert "speed;" in found


def test_fluorescence_is_not_judged_as_spikes():
    assert said(from_fluorescence(np.full((2000, 3), 900.0), 0.1)) == ""
