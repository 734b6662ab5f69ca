import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import poisson

from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.reaches import random_reaches
from spikeloop.models.recordings.simulated_cortex import (
    CORTEX_BIN_S,
    RunningCortex,
    m1_sim,
    make_cortex,
    rates,
    respond,
)

REST = np.zeros((30_000, 2))  # ten minutes


@pytest.fixture(scope="module")
def recording():
    return m1_sim()


def quiet(truth):
    """The same units without shared noise."""
    return replace(truth, loadings=np.zeros_like(truth.loadings))


def alike(units, baseline_hz, suppression):
    """Untuned units, without shared noise."""
    each = np.ones(units)
    tuning = {"direction_gains": 0 * each, "speed_gains": 0 * each}
    truth = replace(make_cortex(units), baselines_hz=baseline_hz * each, suppression=suppression * each, **tuning)
    return quiet(truth)


def well_modulated(truth):
    """The better half of the units."""
    modulation = truth.direction_gains * np.sqrt(truth.baselines_hz)
    return modulation > np.median(modulation)


def fitted_direction(velocity, counts, latency):
    """Of the cosine tuning of one unit to the velocity some bins earlier, and with speed; in rad."""
    felt = velocity[: len(velocity) - latency]
    design = np.column_stack([np.ones(len(felt)), np.hypot(*felt.T), felt])
    _, _, x, y = np.linalg.lstsq(design, counts[latency:].astype(float), rcond=None)[0]
    return np.arctan2(y, x)


def turned(angle, other):
    """From one angle to another, -pi to pi."""
    return np.angle(np.exp(1j * (angle - other)))


def pairs(correlation):
    return correlation[np.triu_indices(len(correlation), 1)]


def test_preferred_directions_are_recovered_from_the_recording(recording):
    truth = make_cortex()
    error = [
        turned(fitted_direction(recording.conditions[0], recording.counts[0, :, u], latency), direction)
        for u, (latency, direction) in enumerate(zip(truth.latency_bins, truth.preferred_directions, strict=True))
    ]
    error_degrees = np.abs(np.rad2deg(error))[well_modulated(truth)]
    assert error_degrees.max() < 10
    assert error_degrees.mean() < 2


def test_preferred_directions_cover_the_circle():
    directions = np.sort(make_cortex(32, seed=3).preferred_directions % (2 * np.pi))
    assert np.diff(directions, append=directions[0] + 2 * np.pi).max() < 2 * 2 * np.pi / 32


def test_latencies_are_recovered_by_cross_correlation(recording):
    truth = make_cortex()
    velocity, counts = recording.conditions[0], recording.counts[0]
    misjudged = []
    for u in np.flatnonzero(well_modulated(truth)):
        direction = truth.preferred_directions[u]
        along = velocity @ [np.cos(direction), np.sin(direction)]
        correlation = [np.corrcoef(along[7 - lag : len(along) - lag], counts[7:, u])[0, 1] for lag in range(8)]
        misjudged.append(np.argmax(correlation) - truth.latency_bins[u])
    assert np.abs(misjudged).max() <= 1
    assert np.count_nonzero(misjudged) <= 0.1 * len(misjudged)
    assert np.abs(misjudged).max() <= 1


def test_spikes_answer_a_velocity_after_the_latency_and_never_before():
    truth = make_cortex()
    jump = np.zeros((40, 2))
    jump[20:] = (300, -200)
    still, moved = (rates(truth, velocity) for velocity in (0 * jump, jump))
    first = (still != moved).argmax(axis=0)
    np.testing.assert_array_equal(first, 20 + truth.latency_bins)
    assert set(truth.latency_bins) == {0, 1, 2, 3, 4}
    counts = respond(truth, jump, seed=1)
    np.testing.assert_array_equal(counts[:20], respond(truth, 0 * jump, seed=1)[:20])


def test_rates_spread_as_in_motor_cortex(recording):
    rates_hz = recording.counts[0].mean(axis=0) / CORTEX_BIN_S
    assert 8 < rates_hz.mean() < 12
    assert 1 < rates_hz.min() < 2
    assert 30 < rates_hz.max() < 45
    assert np.median(rates_hz) < 0.85 * rates_hz.mean()  # a long tail


def test_rates_are_the_mean_over_noise(recording):
    """Of many runs of one movement; each bin's mean within its sampling error, and none beyond chance."""
    truth, velocity = make_cortex(24), recording.conditions[0, 100:200]
    runs = np.array([respond(truth, velocity, seed) for seed in range(400)])
    error = (runs.mean(axis=0) - rates(truth, velocity)) / (runs.std(axis=0) / np.sqrt(len(runs)) + 1e-3)
    assert abs(error.mean()) < 0.2
    assert 0.8 < error.std() < 1.2
    assert np.abs(error).max() < 6


def test_without_noise_the_mean_count_is_the_baseline_at_any_rate():
    for baseline_hz in (2, 20, 60, 120):
        counts = respond(alike(50, baseline_hz, suppression=0.3), REST[:4000])
        assert counts.mean() / CORTEX_BIN_S == pytest.approx(baseline_hz, rel=4 / math.sqrt(counts.sum()))


def test_dead_time_alone_gives_the_counts_of_a_renewal_process():
    """At least k spikes fit in a bin as often as a Poisson process has k in what k - 1 dead times leave of it."""
    counts = respond(alike(100, 50.0, suppression=0.0), REST[:5000]).ravel()
    free = 1.13  # the free rate per bin that gives 1 spike a bin
    expected = [poisson.sf(k - 1, free * (1 - 0.125 * (k - 1))) for k in (1, 2, 3, 4)]
    assert sum(expected) == pytest.approx(1, abs=0.02)
    np.testing.assert_allclose([(counts >= k).mean() for k in (1, 2, 3, 4)], expected, atol=0.01)
    assert counts.max() <= 8


def test_refractoriness_makes_fast_units_regular_and_slow_ones_poisson():
    def fano(counts):
        return counts.var(axis=0).mean() / counts.mean()

    assert 0.95 < fano(respond(alike(50, 2.0, suppression=0.3), REST[:6000])) < 1.01
    assert 0.70 < fano(respond(alike(50, 50.0, suppression=0.0), REST[:6000])) < 0.82  # (1 - 0.125)^2 in equilibrium
    slow, fast = (respond(alike(50, 50.0, suppression=s), REST[:6000]).reshape(600, 10, 50) for s in (0.0, 0.4))
    assert fano(fast.sum(axis=1)) < 0.85 * fano(slow.sum(axis=1))


@pytest.mark.parametrize("suppression", [0.0, 0.2, 0.4])
def test_a_spike_suppresses_the_next_bin_and_no_later_one(suppression):
    """A bin of m expected spikes pulls the next by suppression x m / (1 + m) for each spike more."""
    counts = respond(alike(100, 50.0, suppression), REST[:6000]).astype(float)
    deviation = counts - counts.mean(axis=0)
    slopes = [(deviation[lag:] * deviation[:-lag]).mean() / deviation.var() for lag in (1, 2, 3)]
    pull = -suppression / 2
    np.testing.assert_allclose(slopes, [pull, pull**2, pull**3], atol=0.01)


def test_shared_noise_correlates_units_as_their_loadings_say_and_nothing_else_does(recording):
    truth, velocity = make_cortex(), recording.conditions[0]
    residual = recording.counts[0] - rates(truth, velocity)
    noise_correlations = pairs(np.corrcoef(residual.T))
    assert 0.015 < noise_correlations.mean() < 0.05
    assert np.quantile(noise_correlations, 0.98) > 0.07
    assert np.corrcoef(noise_correlations, pairs(truth.loadings.T @ truth.loadings))[0, 1] > 0.6

    short = velocity[:30_000]
    alone = respond(quiet(truth), short) - rates(truth, short)
    correlations = pairs(np.corrcoef(alone.T))
    assert correlations.std() == pytest.approx(1 / math.sqrt(len(short)), rel=0.1)
    assert abs(correlations.mean()) < 5e-4


def test_shared_noise_lasts_as_long_as_its_latent():
    """Counts of 60 units on one latent, summed: their autocovariance decays with its time constant."""
    for latent, time_s in enumerate((0.1, 0.3, 1.0)):
        truth = alike(60, 60.0, suppression=0.0)
        truth.loadings[latent] = 0.3
        summed = respond(truth, REST[:20_000], seed=5).sum(axis=1, dtype=float)
        summed -= summed.mean()
        near, far = ((summed[lag:] * summed[:-lag]).mean() for lag in (1, 1 + round(time_s / CORTEX_BIN_S)))
        assert far / near == pytest.approx(math.exp(-1), abs=0.12)


def test_drift_is_in_two_units_and_nowhere_else():
    steady, drifting = m1_sim(300), m1_sim(300, drift=True)
    truth = make_cortex(drift=True)
    assert truth.drifting.sum() == 2
    assert not make_cortex().drifting.any()
    np.testing.assert_array_equal(np.any(steady.counts != drifting.counts, axis=(0, 1)), truth.drifting)
    np.testing.assert_array_equal(steady.conditions, drifting.conditions)


def test_drifting_units_fall_silent_and_turn_at_the_stated_pace():
    truth, recording = make_cortex(drift=True), m1_sim(drift=True)
    fading, turning = (int(each.nonzero()[0][0]) for each in (truth.rate_drift_per_h, truth.rotation_rad_per_h))
    thirds = np.split(recording.counts[0], 3)  # of half an hour
    fall = thirds[2][:, fading].mean() / thirds[0][:, fading].mean()
    assert fall == pytest.approx(math.exp(truth.rate_drift_per_h[fading] / 3), rel=0.1)
    latency = int(truth.latency_bins[turning])
    early, _, late = (
        fitted_direction(velocity, counts[:, turning], latency)
        for velocity, counts in zip(np.split(recording.conditions[0], 3), thirds, strict=True)
    )
    assert turned(late, early) == pytest.approx(truth.rotation_rad_per_h[turning] / 3, abs=np.deg2rad(8))
    assert truth.rotation_rad_per_h[turning] / 2 == pytest.approx(math.pi / 2)  # a quarter turn in the half hour


@given(short=st.integers(1, 2500), longer=st.integers(1, 2500), seed=st.integers(0, 2**64))
@settings(max_examples=15, deadline=None)
def test_a_longer_recording_begins_with_the_shorter_one(short, longer, seed):
    one = m1_sim(short * CORTEX_BIN_S, seed, drift=True, units=7)
    more = m1_sim((short + longer) * CORTEX_BIN_S, seed, drift=True, units=7)
    assert one.bins == short
    np.testing.assert_array_equal(one.counts, more.counts[:, :short])
    np.testing.assert_array_equal(one.conditions, more.conditions[:, :short])


@given(segments=st.lists(st.integers(1, 400), min_size=1, max_size=8))
@settings(max_examples=15, deadline=None)
def test_a_run_in_segments_is_the_run_as_a_whole(segments):
    truth = make_cortex(13, seed=2, drift=True)
    velocity = random_reaches(sum(segments), seed=9).velocity_cm_s
    running = RunningCortex(truth, seed=4)
    parts = [running.respond(part) for part in np.split(velocity, np.cumsum(segments)[:-1])]
    np.testing.assert_array_equal(np.concatenate(parts), respond(truth, velocity, seed=4))
    assert running.bins == len(velocity)


def test_rates_of_a_long_movement_are_those_of_its_parts():
    truth, velocity = make_cortex(5), random_reaches(2100).velocity_cm_s
    np.testing.assert_array_equal(rates(truth, velocity)[:300], rates(truth, velocity[:300]))
    np.testing.assert_array_equal(rates(truth, velocity)[1500:], rates(truth, velocity[400:])[1100:])


def test_the_recording_is_what_the_truth_answers_to_its_conditions():
    recording = m1_sim(60, seed=8, units=5)
    assert [(each.name, each.unit) for each in recording.channels] == [("velocity x", "cm/s"), ("velocity y", "cm/s")]
    np.testing.assert_array_equal(recording.counts[0], respond(make_cortex(5, 8), recording.conditions[0], 8))


def test_every_seed_is_another_cortex_another_movement_and_another_run():
    one, same, other = (m1_sim(20, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.counts, same.counts)
    assert not np.array_equal(one.conditions, other.conditions)
    assert not np.array_equal(make_cortex(seed=1).baselines_hz, make_cortex(seed=2).baselines_hz)
    assert not np.array_equal(respond(make_cortex(), REST[:50], 1), respond(make_cortex(), REST[:50], 2))


def test_any_velocity_is_answered_within_bounds():
    wild = np.array([[3e38, -3e38], [0, 0], [-1e5, 1e5]], np.float32).repeat(50, axis=0)
    expected = rates(make_cortex(), wild)
    assert np.isfinite(expected).all()
    assert expected.max() == pytest.approx(150 * CORTEX_BIN_S)
    assert respond(make_cortex(), wild).max() <= 8


@pytest.mark.parametrize("bin_size_s", [0.005, 0.02, 0.05])
def test_reaches_are_as_long_and_as_fast_as_said_and_stay_in_the_workspace(bin_size_s):
    reaches = random_reaches(round(600 / bin_size_s), bin_size_s, seed=1)
    np.testing.assert_allclose(np.diff(reaches.position_cm, axis=0) / bin_size_s, reaches.velocity_cm_s[1:], atol=1e-9)
    assert np.abs(reaches.position_cm).max() <= 10 + 1e-9
    assert (np.abs(reaches.position_cm).max(axis=0) > 9).all()
    speed = np.hypot(*reaches.velocity_cm_s.T)
    moving = np.concatenate([[0], speed > 1e-9, [0]])
    first, last = np.flatnonzero(np.diff(moving) == 1), np.flatnonzero(np.diff(moving) == -1)
    lasting_s = (last - first)[:-1] * bin_size_s
    peaks = np.array([speed[a:b].max() for a, b in zip(first, last, strict=True)])[:-1]
    assert 350 < len(peaks) < 550
    assert lasting_s.min() >= 0.4
    assert lasting_s.max() <= 1.4 + 2 * bin_size_s  # corrections included
    assert 18 < peaks.min() < 25
    assert 50 < peaks.max() < 60.01
    holding_s = (first[1:] - last[:-1]) * bin_size_s
    assert 0.2 - 2 * bin_size_s <= holding_s.min()
    assert holding_s.max() <= 0.8
    submovements = [((speed[a + 1 : b - 1] < speed[a : b - 2]) & (speed[a + 1 : b - 1] < speed[a + 2 : b])).sum()
                    for a, b in zip(first, last, strict=True)]  # fmt: skip
    assert 0.1 < np.mean(submovements) < 0.35  # speed falls and rises again


def test_a_reach_has_the_speed_profile_of_minimum_jerk():
    """In most reaches peak speed is 1.875 times the mean, in the middle (Flash & Hogan 1985)."""
    speed = np.hypot(*random_reaches(60_000, 0.001, seed=2).velocity_cm_s.T)
    moving = np.concatenate([[0], speed > 1e-9, [0]])
    first, last = np.flatnonzero(np.diff(moving) == 1)[:-1], np.flatnonzero(np.diff(moving) == -1)[:-1]
    reaches = [speed[a:b] for a, b in zip(first, last, strict=False)]
    ratio = np.array([reach.max() / reach.mean() for reach in reaches])
    middle = np.array([reach.argmax() / len(reach) for reach in reaches])
    assert np.median(ratio) == pytest.approx(1.875, rel=0.01)
    assert np.median(middle) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: m1_sim(0), "duration from 0.02 to 86400 s, found 0"),
        (lambda: m1_sim(math.nan), "found nan"),
        (lambda: m1_sim(1e6), r"found 1e\+06"),
        (lambda: make_cortex(0), "expected 1 units or more, found 0"),
        (lambda: make_cortex(1, drift=True), "expected 2 units or more for drift, found 1"),
        (lambda: make_cortex(seed=-1), "seed of 0 or more, found -1"),
        (lambda: random_reaches(0), "found 0 of 0.02 s"),
        (lambda: random_reaches(5, 0.0), "found 5 of 0 s"),
        (lambda: rates(make_cortex(), np.zeros((5, 3))), r"shape \(bins, 2\) in cm/s, found \(5, 3\)"),
        (lambda: respond(make_cortex(), np.zeros((0, 2))), r"found \(0, 2\)"),
        (lambda: respond(make_cortex(), [[0, math.inf]]), "with NaN or infinity"),
        (lambda: RunningCortex(make_cortex()).respond([["fast", "slow"]]), r"found \(1, 2\) of <U4"),
    ],
)
def test_impossible_requests_are_refused(call, message):
    with pytest.raises(BadInputError, match=message):
        call()
