"""How a population drifts over days, as published: profiles, and where each of their values comes from."""

import math
from dataclasses import dataclass, fields, replace
from typing import Any

from spikeloop.models.errors import BadInputError
from spikeloop.models.scalars import checked_number

__all__ = ["CHOSEN", "PROFILES", "DriftProfile", "Origin", "parse_profile"]

CHOSEN = "chosen; no published figure was found"

VAIDYA = "Vaidya et al. 2014 (EMBC 2014:4872): 67 % of the units stable through 15 days, 31 % through 47"
PERGE = (
    "Perge et al. 2013 (J Neural Eng 10:036004): 84 % of the units change their rate, by 49 % of the mean; within a"
    " day there, taken for the change between days here"
)
FRASER = "Fraser & Schwartz 2012 (J Neurophysiol 107:1970): firing properties of units that are kept stay stable"
LINK = "LINK (Temmar et al. 2025, NeurIPS Datasets and Benchmarks; DANDI 001201, 303 days over 1,242 days)"
LINK_ANGLES = f"{LINK}: circular standard deviation of a channel's tuning direction 61.3 degrees, mean of 96 channels"
LINK_DECAY = (
    f"{LINK}: mean R2 of fixed ridge decoders 0.286 on their own day, 0.173 after 1 day, 0.109 after 5, 0.060 after 15,"
    " 0.029 after 30; what that says of tuning is worked out here"
)
LINK_DEPTH = f"{LINK}: standard deviation 0.0077 over mean 0.0120 of a channel's tuning strength, mean of 96 channels"


@dataclass(frozen=True)
class Origin:
    """Where some values of a profile come from: their names, and the source or that they were chosen."""

    fields: tuple[str, ...]
    source: str


@dataclass(frozen=True)
class DriftProfile:
    """How each channel of a population changes over days.

    What wanders is a stationary first-order autoregressive process, so that days are correlated and that day 0 is
    like any other; a channel's change is its value less that of day 0.

    Attributes
    ----------
    name : str
    kept_half_life_days : float > 0, days, default infinite
        After which half of the units of day 0 are still recorded; losses are equally likely on all days.
    found_days : float >= 0, days, default 0
        Mean time until a channel that lost its unit records another one, of any preferred direction; silent until then.
    turn_sd_deg, turn_days : float, degrees and days, default 0 and 30
        Standard deviation and time constant of the slow part of preferred directions.
    turn_day_sd_deg : float, degrees, default 0
        Standard deviation of what a direction has of each day alone.
    gain_sd, gain_days : float, default 0 and 30 days
        Of the natural logarithm of a unit's rate.
    baseline_sd_hz, baseline_days : float, default 0 Hz and 30 days
        Of spikes that nothing modulates, beside those of day 0; less than none are none.
    noise_hz_per_day : float >= 0, Hz, default 0
        By which they grow each day in every channel.
    origins : tuple of Origin
    """

    name: str
    kept_half_life_days: float = math.inf
    found_days: float = 0.0
    turn_sd_deg: float = 0.0
    turn_days: float = 30.0
    turn_day_sd_deg: float = 0.0
    gain_sd: float = 0.0
    gain_days: float = 30.0
    baseline_sd_hz: float = 0.0
    baseline_days: float = 30.0
    noise_hz_per_day: float = 0.0
    origins: tuple[Origin, ...] = ()

    def __post_init__(self) -> None:
        for name, (least, most) in LIMITS.items():
            value = getattr(self, name)
            if not (name == "kept_half_life_days" and value == math.inf):
                checked_number(f"--drift {name}", value, least, most)

    @property
    def values(self) -> dict[str, float]:
        """All numbers, by name."""
        return {name: getattr(self, name) for name in LIMITS}


LIMITS = {
    "kept_half_life_days": (0.01, 1e6),
    "found_days": (0.0, 1e6),
    "turn_sd_deg": (0.0, 360.0),
    "turn_days": (0.01, 1e6),
    "turn_day_sd_deg": (0.0, 360.0),
    "gain_sd": (0.0, 3.0),
    "gain_days": (0.01, 1e6),
    "baseline_sd_hz": (0.0, 1000.0),
    "baseline_days": (0.01, 1e6),
    "noise_hz_per_day": (0.0, 1000.0),
}

PROFILES = {
    profile.name: profile
    for profile in (
        DriftProfile("steady", origins=(Origin(tuple(LIMITS), "nothing drifts"),)),
        DriftProfile(
            "units",  # sorted single units
            kept_half_life_days=26.0,
            found_days=2.0,
            turn_sd_deg=10.0,
            gain_sd=0.35,
            gain_days=5.0,
            baseline_sd_hz=0.5,
            baseline_days=5.0,
            noise_hz_per_day=0.02,
            origins=(
                Origin(("kept_half_life_days",), VAIDYA),
                Origin(("turn_sd_deg",), f"{FRASER}; the value is chosen"),
                Origin(("gain_sd",), PERGE),
                Origin(("found_days", "turn_days", "gain_days", "baseline_sd_hz", "baseline_days",
                        "noise_hz_per_day"), CHOSEN),
            ),
        ),
        DriftProfile(
            "channels",  # threshold crossings, whatever units are behind them
            turn_sd_deg=53.2,
            turn_days=22.0,
            turn_day_sd_deg=30.3,
            gain_sd=0.593,
            gain_days=22.0,
            baseline_sd_hz=0.5,
            baseline_days=22.0,
            noise_hz_per_day=0.02,
            origins=(
                Origin(("turn_sd_deg", "turn_day_sd_deg"), LINK_ANGLES),
                Origin(("turn_sd_deg", "turn_day_sd_deg", "turn_days"), LINK_DECAY),
                Origin(("gain_sd",), LINK_DEPTH),
                Origin(("gain_days", "baseline_sd_hz", "baseline_days", "noise_hz_per_day"), CHOSEN),
            ),
        ),
    )
}  # fmt: skip


def parse_profile(drift: str | DriftProfile) -> DriftProfile:
    """Return the profile that a text names, with the values that it changes, or one that is a profile already.

    Parameters
    ----------
    drift : str or DriftProfile
        `NAME`, or `NAME,VALUE=NUMBER,...`, such as "units,kept_half_life_days=10".

    Raises
    ------
    BadInputError
        If there is no such profile or value.
    """
    if isinstance(drift, DriftProfile):
        return drift
    name, *changes = drift.split(",") if isinstance(drift, str) else [drift]
    if not isinstance(name, str) or name not in PROFILES:
        raise BadInputError(f"--drift: expected {', '.join(PROFILES)}; found {drift!r:.80}")
    profile, given = PROFILES[name], dict(_change(change) for change in changes)
    if not given:
        return profile
    kept = tuple(
        Origin(left, origin.source)
        for origin in profile.origins
        if (left := tuple(each for each in origin.fields if each not in given))
    )
    return replace(profile, **given, name=drift, origins=(*kept, Origin(tuple(given), "given by the caller")))


def _change(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    numbers = {field.name for field in fields(DriftProfile)} & set(LIMITS)
    try:
        number = float(value)
    except ValueError:
        number = None
    if name not in numbers or number is None:
        raise BadInputError(
            f"--drift: expected NAME,VALUE=NUMBER,... with values of {', '.join(LIMITS)}; found {text!r:.80}"
        )
    return name, number
