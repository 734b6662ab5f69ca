import numpy as np
import pytest

from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.streamer.closedloop.days.drift import (
    SILENT,
    draw_drift,
    kept_share,
    stated_kept_share,
    stated_similarity,
    tuning_similarity,
)
from spikeloop.streamer.closedloop.days.profiles import PROFILES, DriftProfile, parse_profile

CHANNELS, DAYS = 20_000, 31


def drawn(profile, channels=CHANNELS, days=DAYS, seed=0):
    return draw_drift(profile, channels, days, random_stream(seed, Purpose.DRIFT_OVER_DAYS))


@pytest.mark.parametrize("name", ["units", "channels", "units,turn_sd_deg=40,turn_days=5,kept_half_life_days=8"])
def test_kept_units_and_tuning_similarity_are_as_the_profile_states(name):
    profile = parse_profile(name)
    states, within = drawn(profile), 4 / np.sqrt(CHANNELS)  # four standard errors of a mean of values from -1 to 1
    days = range(DAYS)
    np.testing.assert_allclose(kept_share(states), [stated_kept_share(profile, day) for day in days], atol=within)
    np.testing.assert_allclose(
        tuning_similarity(states), [stated_similarity(profile, day) for day in days], atol=within
    )


def test_day_0_is_the_model_itself_and_a_steady_profile_stays_so():
    for states in (drawn(PROFILES["units"])[:1], drawn(PROFILES["steady"])):
        for state in states:
            np.testing.assert_array_equal(state.unit, np.arange(CHANNELS))
            assert state.kept.all()
            assert not state.turn_rad.any()
            assert (state.gain == 1).all()
            assert not state.noise_hz.any()


def test_channels_record_different_units_and_those_found_are_others_than_before():
    states = drawn(PROFILES["units"], 200)
    for state in states:
        recorded = state.unit[state.unit != SILENT]
        assert len(np.unique(recorded)) == len(recorded)
        np.testing.assert_array_equal(state.unit[state.kept], np.flatnonzero(state.kept))
    found = ~states[-1].kept & (states[-1].unit != SILENT)
    assert found.any()
    assert np.ptp(states[-1].turn_rad[found]) > np.pi


def test_a_channel_is_silent_for_the_stated_time():
    profile = DriftProfile("lost", kept_half_life_days=5.0, found_days=3.0)
    loss, finding = 1 - 0.5 ** (1 / 5), 1 / 4
    silent = loss * (1 - finding) / (finding + loss * (1 - finding))  # of days, once as many are found as lost
    states = drawn(profile, days=60)
    assert np.mean(states[-1].unit == SILENT) == pytest.approx(silent, abs=0.02)


def test_gains_wander_with_the_stated_deviation_and_are_alike_on_days_that_are_near():
    profile = DriftProfile("gains", gain_sd=0.4, gain_days=5.0)
    logs = np.log([state.gain for state in drawn(profile)])
    for lag in (1, 5, 20):
        assert logs[lag].var() == pytest.approx(2 * 0.4**2 * -np.expm1(-lag / 5), rel=0.05)
    steps = np.diff(logs, axis=0)
    assert np.corrcoef(logs[10], logs[11])[0, 1] > 0.8
    assert steps[1:].var() == pytest.approx(2 * 0.4**2 * -np.expm1(-1 / 5), rel=0.05)


def test_noise_grows_and_is_never_negative():
    states = drawn(DriftProfile("noise", baseline_sd_hz=1.0, noise_hz_per_day=0.1))
    assert min(state.noise_hz.min() for state in states) == 0
    assert states[-1].noise_hz.mean() > states[10].noise_hz.mean() > states[1].noise_hz.mean()
    steady = drawn(DriftProfile("noise", noise_hz_per_day=0.1))
    np.testing.assert_allclose([state.noise_hz.mean() for state in steady], 0.1 * np.arange(DAYS))


def test_more_days_begin_with_the_states_of_fewer():
    fewer, more = drawn(PROFILES["units"], 50, 5), drawn(PROFILES["units"], 50, 9)
    for one, other in zip(fewer, more, strict=False):
        for name in ("unit", "kept", "turn_rad", "gain", "noise_hz"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
