from dataclasses import replace

import numpy as np
import pytest
import scipy.signal
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeloop.models.drift.alarm import REPEATED_AFTER_S, DriftAlarm, calibrate
from spikeloop.models.drift.block_counts import HALVED, LOST, MULTIPLIED
from spikeloop.models.errors import BadInputError

BIN_S = 0.02
MINUTE = round(60 / BIN_S)
RATES_HZ = np.array([20.0, 12.0, 9.0, 7.0, 5.0, 4.0, 3.0, 0.0])
UNITS, SILENT = len(RATES_HZ), 7


def population(seed, minutes, depth=0.8, bins_of_memory=20):
    """Poisson counts (bins, units) about a common rate that rises and falls within some 0.4 s."""
    random = np.random.Generator(np.random.Philox(seed))
    memory = np.exp(-1 / bins_of_memory)
    noise = random.standard_normal(round(minutes * MINUTE))
    drive = np.asarray(scipy.signal.lfilter([np.sqrt(1 - memory**2)], [1, -memory], noise))
    rate = np.exp(depth * drive - depth**2 / 2)
    return random.poisson(rate[:, np.newaxis] * RATES_HZ * BIN_S).astype(np.uint8)


@pytest.fixture(scope="module")
def reference():
    return calibrate(population(0, minutes=30), BIN_S)


@pytest.fixture(scope="module")
def hours():
    """Three fresh ones."""
    return [population(seed, minutes=60) for seed in range(1, 4)]


def alarms_of(reference, counts):
    return DriftAlarm(reference).add(counts)


def test_matched_stream_raises_fewer_false_alarms_than_set(reference, hours):
    assert reference.false_alarms_per_hour == 0.1
    assert sum(len(alarms_of(reference, hour)) for hour in hours) <= 1


def test_thresholds_follow_the_false_alarm_rate(reference, hours):
    often = calibrate(population(0, minutes=30), BIN_S, false_alarms_per_hour=30)
    assert np.all(often.thresholds <= reference.thresholds)
    raised = sum(len(alarms_of(often, hour)) for hour in hours[:2])
    assert 3 <= raised <= 60  # not far below what was set either


@pytest.mark.parametrize("unit", range(SILENT))
def test_lost_unit_is_flagged_within_a_minute_and_first(reference, unit):
    counts = population(10 + unit, minutes=2)
    counts[MINUTE:, unit] = 0
    first = alarms_of(reference, counts)[0]
    assert (first.kind, first.unit) == ("unit lost", unit)
    assert MINUTE - 100 < first.since_bin <= first.bin
    assert MINUTE <= first.bin < 2 * MINUTE
    assert first.score >= 1


@pytest.mark.parametrize("unit", range(SILENT))
@pytest.mark.parametrize("independent", [True, False])
def test_doubled_rate_is_flagged_within_a_minute_and_first(reference, unit, independent):
    counts = population(20 + unit, minutes=2)
    extra = population(40 + unit, minutes=2) if independent else np.roll(counts, 1, axis=0)
    counts[MINUTE:, unit] += extra[MINUTE:, unit]
    first = alarms_of(reference, counts)[0]
    assert (first.kind, first.unit) == ("rate up", unit)
    assert MINUTE <= first.bin < 2 * MINUTE


def test_lost_correlations_are_flagged_though_every_unit_is_as_before(reference):
    shuffled = np.stack([population(60 + unit, minutes=2)[:, unit] for unit in range(UNITS)], axis=1)
    counts = np.concatenate([population(60, minutes=1), shuffled])
    first = next(alarm for alarm in alarms_of(reference, counts) if alarm.kind == "correlations")
    assert first.unit is None
    assert MINUTE <= first.bin < 2 * MINUTE


def test_common_rise_within_the_reference_is_no_drift(reference):
    counts = population(70, minutes=10)
    window = counts[:, 0].astype(float).reshape(-1, 50).sum(axis=1)
    assert window.max() > 2 * window.mean()  # the rates do double for a second
    assert not alarms_of(reference, counts)


@given(st.lists(st.integers(0, 700), min_size=1, max_size=12))
@settings(max_examples=15, deadline=None)
def test_chunks_change_nothing(reference, sizes):
    counts = population(80, minutes=0.5)
    counts[300:, 0] = 0
    counts[600:, 4] *= 4
    chunked, whole = DriftAlarm(reference), DriftAlarm(reference)
    segments = np.split(counts, np.minimum(np.cumsum(sizes), len(counts)))
    raised = [alarm for segment in segments for alarm in chunked.add(segment)]
    at_once = whole.add(counts)
    assert at_once
    assert [replace(a, score=1.0) for a in raised] == [replace(a, score=1.0) for a in at_once]
    for kind, scores in whole.scores.items():
        assert chunked.scores[kind] == pytest.approx(scores, abs=1e-9)


def test_persisting_alarm_is_told_once_in_ten_minutes(reference):
    counts = population(90, minutes=25)
    counts[:, 0] = 0
    told = [alarm for alarm in alarms_of(reference, counts) if alarm.kind == "unit lost"]
    assert [alarm.unit for alarm in told] == [0, 0, 0]
    assert [alarm.persists for alarm in told] == [False, True, True]
    assert np.all(np.diff([alarm.bin for alarm in told]) * BIN_S >= REPEATED_AFTER_S)


def test_drift_that_ended_is_told_anew(reference):
    counts = population(91, minutes=40)
    counts[:MINUTE, 0] = 0
    counts[30 * MINUTE :, 0] = 0
    told = [alarm for alarm in alarms_of(reference, counts) if alarm.unit == 0]
    assert [alarm.persists for alarm in told] == [False, False]
    assert told[1].bin > 30 * MINUTE


def test_gap_drops_the_block_that_was_begun(reference):
    counts = population(92, minutes=1)
    gapped, whole = DriftAlarm(reference), DriftAlarm(reference)
    block = reference.block_bins
    gapped.add(counts[: 40 * block])
    gapped.add(np.full((block - 1, UNITS), 200, np.uint8))  # would raise every score, were it judged
    gapped.add(counts[40 * block :], contiguous=False)
    whole.add(counts)
    for kind, scores in whole.scores.items():
        assert gapped.scores[kind] == pytest.approx(scores, abs=1e-9)


def test_bins_are_counted_across_gaps(reference):
    alarm = DriftAlarm(reference)
    alarm.add(population(93, minutes=1)[:1003])
    silent = population(94, minutes=1)
    silent[:, 0] = 0
    raised = alarm.add(silent, contiguous=False)
    assert raised[0].unit == 0
    assert (raised[0].bin + 1 - 1003) % reference.block_bins == 0
    assert raised[0].since_bin >= 1000


def test_scores_rise_from_nought_to_the_alarm_and_start_again(reference):
    alarm = DriftAlarm(reference)
    assert all(not scores.any() for scores in alarm.scores.values())
    silent = population(95, minutes=1)
    silent[:, 0] = 0
    seen = []
    for first in range(0, 400, reference.block_bins):
        raised = alarm.add(silent[first : first + reference.block_bins])
        seen.append(alarm.scores["unit lost"][0])
        if raised:
            break
    assert seen[-1] == 0
    assert max(seen) > 0.5
    assert max(seen) < 1


def test_silent_unit_is_watched_for_spikes_alone_and_not_flagged_without(reference):
    assert reference.rare == (SILENT,)
    unwatched = [SILENT + kind * UNITS for kind in (LOST, HALVED, MULTIPLIED)]
    assert np.flatnonzero(~np.isfinite(reference.thresholds)).tolist() == unwatched
    assert all(alarm.unit != SILENT for alarm in alarms_of(reference, population(96, minutes=20)))
    late = reference.late()
    assert [kind for kind, units in late.items() if SILENT in units] == ["unit lost", "rate down"]


def test_expected_delays_foretell_the_measured_ones(reference):
    for unit in range(SILENT):
        delays = []
        for seed in range(100, 107):
            counts = population(seed, minutes=1)
            counts[:, unit] = 0
            raised = [a for a in alarms_of(reference, counts) if (a.kind, a.unit) == ("unit lost", unit)]
            delays.append((raised[0].bin + 1) * BIN_S)
        assert 0.6 < np.median(delays) / reference.expected_delay_s[unit] < 1.6


def test_rarely_firing_unit_is_late():
    random = np.random.Generator(np.random.Philox(0))
    sample = random.poisson(BIN_S * np.array([0.1, 10.0]), (30 * MINUTE, 2))
    late = calibrate(sample, BIN_S).late()
    assert late == {"unit lost": (0,), "rate down": (0,), "rate up": (0,)}
    assert set(calibrate(sample, BIN_S).late(within_s=0.1).values()) == {(0, 1)}


def test_loss_of_an_independent_poisson_unit_takes_what_theory_says():
    """Wald: threshold over information, rate (1 - e + e log e) for a rate that falls to a share e of itself."""
    random = np.random.Generator(np.random.Philox(1))
    rate_hz = 8.0
    reference = calibrate(random.poisson(BIN_S * rate_hz, (60 * MINUTE, 3)), BIN_S)
    silent = reference.thresholds[:3] / (rate_hz * 0.95)  # no spike at all: e^-(1 - e) rate per s against
    assert reference.expected_delay_s[:3] == pytest.approx(silent, rel=0.1)
    blocks_an_hour, channels = 3600 / 0.2, 12
    ideal = np.log(blocks_an_hour * channels / 0.1)  # tail of exponent 1 from every block
    assert np.all(reference.thresholds[:3] < 2 * ideal)
    assert np.all(reference.thresholds[:3] > 0.5 * ideal)


def test_independent_units_have_no_correlations_to_lose():
    random = np.random.Generator(np.random.Philox(2))
    reference = calibrate(random.poisson(BIN_S * 8.0, (30 * MINUTE, 5)), BIN_S)
    assert reference.expected_delay_s[-1] > 60
    assert not DriftAlarm(reference).add(random.poisson(BIN_S * 8.0, (30 * MINUTE, 5)))


def test_one_unit_alone_is_watched():
    random = np.random.Generator(np.random.Philox(3))
    reference = calibrate(random.poisson(BIN_S * 8.0, (30 * MINUTE, 1)), BIN_S)
    (first, *_) = DriftAlarm(reference).add(np.zeros((MINUTE, 1)))
    assert (first.kind, first.unit) == ("unit lost", 0)


def test_long_bins_are_blocks_of_their_own():
    random = np.random.Generator(np.random.Philox(4))
    reference = calibrate(random.poisson(4.0, (4000, 2)), bin_size_s=0.5)
    assert reference.block_bins == 1
    assert DriftAlarm(reference).add(np.zeros((40, 2)))[0].bin < 20


@pytest.mark.parametrize(
    ("sample", "words"),
    [
        (np.zeros((14_999, 3)), "at least 15000 bins, found 14999"),
        (np.zeros((15_000, 3)), "some unit fires 20 times"),
        (np.zeros(15_000), r"\(bins, units\)"),
        (np.zeros((15_000, 0)), r"\(bins, units\)"),
        (np.full((15_000, 3), "1"), r"\(bins, units\)"),
        (np.full((15_000, 3), -1), "not negative"),
        (np.full((15_000, 3), 0.5), "whole"),
        (np.full((15_000, 3), np.nan), "whole"),
        (np.full((15_000, 3), np.inf), "whole"),
    ],
)
def test_sample_that_cannot_serve_is_refused(sample, words):
    with pytest.raises(BadInputError, match=words):
        calibrate(sample, BIN_S)


@pytest.mark.parametrize(("bin_size_s", "rate"), [(0, 0.1), (np.nan, 0.1), (0.02, 0), (0.02, np.inf)])
def test_settings_that_make_no_sense_are_refused(bin_size_s, rate):
    with pytest.raises(BadInputError, match="above 0"):
        calibrate(np.ones((20_000, 2)), bin_size_s, rate)


@pytest.mark.parametrize("counts", [np.zeros((5, UNITS + 1)), np.zeros(UNITS)])
def test_counts_of_other_units_are_refused(reference, counts):
    with pytest.raises(BadInputError, match=f"expected counts \\(bins, {UNITS}\\)"):
        DriftAlarm(reference).add(counts)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
def test_values_that_are_no_counts_are_refused_and_leave_no_trace(reference, value):
    alarm, counts = DriftAlarm(reference), population(97, minutes=0.2)
    alarm.add(counts[:55])
    before = alarm.scores
    with pytest.raises(BadInputError, match="leave them out as gaps"):
        alarm.add(np.full((20, UNITS), value))
    for kind, scores in alarm.scores.items():
        assert np.array_equal(scores, before[kind])
