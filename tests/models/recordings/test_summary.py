"""One line about a recording, and what it is made of."""

import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from spikeloop.models.recordings.conditioning import with_conditions
from spikeloop.models.recordings.recording import Recording, from_counts, from_fluorescence
from spikeloop.models.recordings.summary import format_duration, summarise

COUNTS = npst.arrays(np.uint8, st.tuples(st.integers(1, 4), st.integers(1, 30), st.integers(1, 6)))


@given(counts=COUNTS, bin_size_s=st.floats(1e-3, 1.0))
def test_the_figures_are_those_of_the_array(counts, bin_size_s):
    found = summarise(from_counts(counts, bin_size_s))
    assert (found.trials, found.longest_bins, found.units) == counts.shape
    assert found.duration_s == pytest.approx(counts.shape[0] * counts.shape[1] * bin_size_s)
    rates = counts.sum(axis=(0, 1)) / (counts.shape[0] * counts.shape[1] * bin_size_s)
    assert found.mean_rate_hz == pytest.approx(rates.mean())
    assert (found.lowest_rate_hz, found.highest_rate_hz) == pytest.approx((rates.min(), rates.max()))
    assert (found.lowest_value, found.highest_value) == (counts.min(), counts.max())


@given(counts=COUNTS)
def test_it_is_one_line_and_a_document(counts):
    found = summarise(from_counts(counts, 0.02))
    assert "\n" not in str(found)
    document = json.loads(json.dumps(found.to_dict()))
    assert document["units"] == counts.shape[2]
    assert document["warnings"] == list(found.warnings)


def test_bins_beyond_the_end_of_a_short_trial_do_not_count():
    trials = np.array([[0.0, 0.2], [1.0, 1.1]])
    times = np.array([0.01, 0.05, 0.15, 1.01, 1.09])
    recording = Recording.from_spike_times(times, np.zeros(5, int), 0.1, trials=trials)
    found = summarise(recording)
    assert (found.shortest_bins, found.longest_bins, found.lowest_value) == (1, 2, 1.0)
    assert "2 trials x 1 to 2 bins x 1 unit" in str(found)


def test_conditions_are_named_with_range_and_unit(random):
    values = np.stack([np.linspace(-3, 5, 2000), random.random(2000)], axis=1)
    recording = with_conditions(
        from_counts(random.poisson(0.1, (2000, 3)), 0.02), values, ["velocity x", "contrast"], ["cm/s", ""]
    )
    assert "conditions velocity x -3 to 5 cm/s, contrast 0." in str(summarise(recording))


def test_many_conditions_are_counted(random):
    values = random.random((2000, 20))
    recording = with_conditions(from_counts(random.poisson(0.1, (2000, 3)), 0.02), values, [f"c{i}" for i in range(20)])
    assert str(summarise(recording)).endswith("and 16 more")


def test_fluorescence_has_no_rates(random):
    found = summarise(from_fluorescence(random.random((2000, 4)), 0.1))
    assert found.mean_rate_hz is None
    assert "fluorescence 0" in str(found)
    assert "Hz" not in str(found)


@given(duration_s=st.floats(0, 1e8))
def test_a_duration_says_about_what_it_is(duration_s):
    parts = re.findall(r"([\d.e+-]+) (d|h|min|s)\b", format_duration(duration_s))
    said = sum(float(number) * {"d": 86400, "h": 3600, "min": 60, "s": 1}[unit] for number, unit in parts)
    assert 1 <= len(parts) <= 2
    smallest = {"d": 86400, "h": 3600, "min": 60, "s": 1}[parts[-1][1]]
    assert said == pytest.approx(duration_s, abs=smallest, rel=0.05)


@pytest.mark.parametrize(
    ("duration_s", "said"),
    [(0.5, "0.5 s"), (59.99, "1 min"), (3599.9, "1 h"), (4536, "1 h 16 min"), (90000, "1 d 1 h")],
)
def test_durations_are_rounded_to_whole_units(duration_s, said):
    assert format_duration(duration_s) == said


def test_the_range_of_rates_holds_their_mean_as_it_is_written():
    counts = np.zeros((1000, 2))
    counts[:258, 0] = counts[:257, 1] = 1
    said = str(summarise(from_counts(counts, 0.02)))
    found = re.search(r"mean rate (\S+) Hz \((\S+) to (\S+)\)", said)
    assert found is not None
    mean, low, high = map(float, found.groups())
    assert low <= mean <= high
