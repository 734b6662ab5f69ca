"""The alarm of halved rates and of units that begin to fire, against Wald's delays and the false alarms promised."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeloop.models.drift.alarm import DriftAlarm, calibrate
from spikeloop.models.drift.block_counts import ADDED, BEGUN_SPIKES, HALVED, MOST_EVIDENCE, fires_rarely

BLOCK_S = 0.2  # bins as long as blocks
HOUR = round(3600 / BLOCK_S)
RATES_HZ = np.array([40.0, 8.0, 2.0, 0.5, 0.1, 0.0, 0.0])
UNITS, SILENT = len(RATES_HZ), 5


def poisson(random, rates_hz, blocks):
    return random.poisson(BLOCK_S * np.asarray(rates_hz), (blocks, len(rates_hz)))


def changed(random, unit, rate_hz, blocks=HOUR):
    return poisson(random, np.where(np.arange(UNITS) == unit, rate_hz, RATES_HZ), blocks)


def first_of(unit, reference, counts):
    return next(alarm for alarm in DriftAlarm(reference).add(counts) if alarm.unit == unit)


@pytest.fixture(scope="module")
def reference():
    return calibrate(poisson(np.random.Generator(np.random.Philox(1)), RATES_HZ, HOUR), BLOCK_S)


def threshold_and_expected_s(reference, kind, unit):
    channel = kind * UNITS + unit
    return reference.thresholds[channel], reference.expected_delay_s[channel]


@pytest.mark.parametrize("unit", [1, 2, 3])
def test_halved_rate_takes_what_theory_says(reference, random, unit):
    """Wald: threshold over information, of half the rate against the lowest that the sample allows."""
    threshold, expected_s = threshold_and_expected_s(reference, HALVED, unit)
    low = 1 - 2 / np.sqrt(RATES_HZ[unit] * 3600)
    theory_s = threshold / (RATES_HZ[unit] * (0.5 * np.log(0.5 / low) + low - 0.5))
    assert expected_s == pytest.approx(theory_s, rel=0.25)
    blocks = round(4 * theory_s / BLOCK_S)
    found = [first_of(unit, reference, changed(random, unit, RATES_HZ[unit] / 2, blocks)) for _ in range(9)]
    assert sum(alarm.kind == "rate down" for alarm in found) >= 8
    assert 0.5 < np.median([(alarm.bin + 1) * BLOCK_S for alarm in found]) / theory_s < 1.7


@given(rate_hz=st.floats(0.3, 30.0), seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_silent_unit_that_begins_to_fire_is_flagged_when_theory_says(reference, rate_hz, seed):
    """Wald: threshold over evidence, of a Poisson count that passes from no more than the sample allows."""
    threshold, _ = threshold_and_expected_s(reference, ADDED, SILENT)
    highest = -np.log(0.025) / HOUR  # rate at which no spike in the sample has a probability of 0.025
    spikes = np.arange(60)
    evidence = spikes * np.log(1 + BEGUN_SPIKES / highest) - BEGUN_SPIKES
    a_block = scipy.stats.poisson.pmf(spikes, rate_hz * BLOCK_S) @ np.clip(evidence, -MOST_EVIDENCE, MOST_EVIDENCE)
    random = np.random.Generator(np.random.Philox(seed))
    alarm = first_of(SILENT, reference, changed(random, SILENT, rate_hz, 3000))
    assert alarm.kind == "rate up"
    assert alarm.bin + 1 >= threshold / MOST_EVIDENCE
    assert alarm.bin < 4 * threshold / a_block


def test_expected_delay_of_a_silent_unit_is_that_of_the_train_it_is_watched_for(reference, random):
    threshold, expected_s = threshold_and_expected_s(reference, ADDED, SILENT)
    assert expected_s == pytest.approx(BLOCK_S * threshold / (BEGUN_SPIKES * (MOST_EVIDENCE - 1)), rel=0.05)
    found = [first_of(SILENT, reference, changed(random, SILENT, BEGUN_SPIKES / BLOCK_S, 3000)) for _ in range(15)]
    assert 0.5 < np.median([(alarm.bin + 1) * BLOCK_S for alarm in found]) / expected_s < 1.7


@pytest.mark.parametrize("unit", range(SILENT))
def test_lost_unit_is_no_unit_whose_rate_is_down_too(reference, random, unit):
    raised = [alarm for alarm in DriftAlarm(reference).add(changed(random, unit, 0.0)) if alarm.unit == unit]
    assert raised
    assert {alarm.kind for alarm in raised} == {"unit lost"}


@pytest.mark.parametrize("sample_hours", [0.1, 0.5])
def test_slow_and_rare_units_raise_no_more_false_alarms_than_set(random, sample_hours):
    """One-sided Poisson test, of populations of which a sample shows a few spikes of many units."""
    set_per_hour, raised, hours = 20.0, 0, 0
    for _ in range(3):
        rates_hz = np.append(np.exp(random.uniform(np.log(1e-4), np.log(0.5), 30)), 5.0)
        sample = poisson(random, rates_hz, round(sample_hours * HOUR))
        assert 5 < fires_rarely(sample).sum() < 30
        raised += len(DriftAlarm(calibrate(sample, BLOCK_S, set_per_hour)).add(poisson(random, rates_hz, HOUR)))
        hours += 1
    assert raised <= scipy.stats.poisson.ppf(0.999, set_per_hour * hours)


@given(rate_hz=st.sampled_from([0.0, 4.0, 60.0]), unit=st.integers(0, 2))
@settings(max_examples=6, deadline=None)
def test_the_size_of_bins_changes_no_alarm(fine_and_coarse, rate_hz, unit):
    fine, coarse = fine_and_coarse
    random = np.random.Generator(np.random.Philox(unit))
    counts = random.poisson(0.001 * np.array([rate_hz if each == unit else 12.0 for each in range(3)]), (40_000, 3))
    at_1_khz = DriftAlarm(fine).add(counts.astype(np.uint8))
    at_50_hz = DriftAlarm(coarse).add(counts.reshape(-1, 20, 3).sum(axis=1))
    assert at_1_khz
    assert [(alarm.kind, alarm.unit, alarm.bin + 1) for alarm in at_1_khz] == [
        (alarm.kind, alarm.unit, 20 * (alarm.bin + 1)) for alarm in at_50_hz
    ]


@pytest.fixture(scope="module")
def fine_and_coarse():
    """References of one sample, in bins of 1 ms and of 20 ms."""
    sample = np.random.Generator(np.random.Philox(2)).poisson(0.012, (400_000, 3)).astype(np.uint8)
    return calibrate(sample, 0.001), calibrate(sample.reshape(-1, 20, 3).sum(axis=1), 0.02)
