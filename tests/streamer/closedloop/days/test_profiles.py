import math

import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.closedloop.days.drift import (
    stated_kept_share,
    stated_similarity,
    stated_similarity_half_life_days,
)
from spikeloop.streamer.closedloop.days.profiles import PROFILES, DriftProfile, parse_profile


@pytest.mark.parametrize("profile", PROFILES.values(), ids=str)
def test_every_value_that_is_not_at_its_default_says_where_it_comes_from(profile):
    named = {name for origin in profile.origins for name in origin.fields}
    default = DriftProfile("default").values
    assert {name for name, value in profile.values.items() if value != default[name]} <= named <= set(default)
    assert all(origin.source for origin in profile.origins)


@pytest.mark.parametrize(("day", "published"), [(15, 0.67), (47, 0.31)])
def test_single_units_are_kept_as_vaidya_et_al_report(day, published):
    assert stated_kept_share(PROFILES["units"], day) == pytest.approx(published, abs=0.03)


def test_rates_of_single_units_change_as_perge_et_al_report():
    """84 % of the units change, by 49 % of the mean: the mean of |exp(x) - 1|, x normal with the change's variance."""
    deviation = math.sqrt(2) * PROFILES["units"].gain_sd

    def below(at):
        return 0.5 * (1 + math.erf(at / math.sqrt(2)))

    changed = 2 * math.exp(deviation**2 / 2) * below(deviation) - math.exp(deviation**2 / 2) - 2 * below(0) + 1
    assert changed == pytest.approx(0.84 * 0.49, abs=0.02)


def test_directions_of_channels_spread_as_in_link():
    profile = PROFILES["channels"]
    assert math.hypot(profile.turn_sd_deg, profile.turn_day_sd_deg) == pytest.approx(61.27, abs=0.1)


@pytest.mark.parametrize(("day", "published"), [(1, 0.173), (2, 0.143), (5, 0.109), (15, 0.060), (30, 0.029)])
def test_fixed_linear_decoders_lose_with_the_similarity_of_channels_what_they_lose_in_link(day, published):
    """A decoder of R2 r on its own day gives s times what it should at similarity s: r (2 s - 1 + r (1 - s^2))."""
    own_day, similarity = 0.286, stated_similarity(PROFILES["channels"], day)
    assert own_day * (2 * similarity - 1 + own_day * (1 - similarity**2)) == pytest.approx(published, abs=0.02)


def test_the_half_life_is_the_day_of_half_the_similarity():
    for profile in (PROFILES["units"], PROFILES["channels"]):
        assert stated_similarity(profile, stated_similarity_half_life_days(profile)) == pytest.approx(0.5)
    assert stated_similarity_half_life_days(PROFILES["steady"]) == math.inf


def test_values_of_a_profile_can_be_changed_and_are_then_the_callers():
    changed = parse_profile("units,kept_half_life_days=10,gain_sd=0")
    assert (changed.kept_half_life_days, changed.gain_sd) == (10.0, 0.0)
    assert changed.found_days == PROFILES["units"].found_days
    assert [origin.fields for origin in changed.origins if origin.source == "given by the caller"] == [
        ("kept_half_life_days", "gain_sd")
    ]
    assert not any("gain_sd" in origin.fields for origin in changed.origins[:-1])
    assert parse_profile(changed) is changed
    assert parse_profile("channels") is PROFILES["channels"]


@pytest.mark.parametrize(
    "drift", ["none", "", 3, "units,gain_sd", "units,gain_sd=much", "units,name=3", "units,turn=3", "units,gain_sd=-1",
              "units,found_days=nan", "units,kept_half_life_days=0"]
)  # fmt: skip
def test_what_is_no_profile_is_refused(drift):
    with pytest.raises(BadInputError, match="--drift"):
        parse_profile(drift)
