"""The drift of a population, day by day, and its statistics: what a profile states, and what was drawn of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats
from spikeloop.streamer.closedloop.days.profiles import DriftProfile

__all__ = [
    "SILENT",
    "DayState",
    "draw_drift",
    "kept_share",
    "stated_kept_share",
    "stated_similarity",
    "stated_similarity_half_life_days",
    "tuning_similarity",
]

SILENT = -1
LONGEST_DAYS = 100_000.0  # that a half-life is looked for in


@dataclass(frozen=True, eq=False)
class DayState:
    """What the channels of a population record on a day.

    Attributes
    ----------
    unit : array of shape (channels,), int64
        The unit of the model that a channel records; `SILENT` where it records none.
    kept : array of shape (channels,), bool
        Whether it has been that of day 0 all the time.
    turn_rad : array of shape (channels,), rad
        By which its preferred direction is turned, counter-clockwise, from that of the unit in the model.
    gain : array of shape (channels,)
        Factor on its spikes.
    noise_hz : array of shape (channels,), Hz
        Spikes besides, which nothing modulates.
    """

    unit: NDArray[np.int64]
    kept: NDArray[np.bool_]
    turn_rad: Floats
    gain: Floats
    noise_hz: Floats


def draw_drift(profile: DriftProfile, channels: int, days: int, random: np.random.Generator) -> tuple[DayState, ...]:
    """Draw the state of each day; on day 0 every channel records its own unit as the model has it.

    Parameters
    ----------
    profile : DriftProfile
    channels : int >= 1
    days : int >= 1
        More days begin with the states of fewer.
    random : numpy.random.Generator
    """
    turnover = _Turnover(profile, channels)
    slow_turn = _Wandering(math.radians(profile.turn_sd_deg), profile.turn_days, channels, random)
    day_turn = _Wandering(math.radians(profile.turn_day_sd_deg), 0.0, channels, random)
    gain = _Wandering(profile.gain_sd, profile.gain_days, channels, random)
    baseline = _Wandering(profile.baseline_sd_hz, profile.baseline_days, channels, random)
    states = []
    for day in range(days):
        if day:
            turnover.move_on(random)
            for wandering in (slow_turn, day_turn, gain, baseline):
                wandering.move_on(random)
        states.append(
            DayState(
                unit=turnover.unit.copy(),
                kept=turnover.kept.copy(),
                turn_rad=turnover.turn_rad + slow_turn.change + day_turn.change,
                gain=np.exp(gain.change),
                noise_hz=np.maximum(baseline.change + profile.noise_hz_per_day * day, 0.0),
            )
        )
    return tuple(states)


class _Wandering:
    """A stationary first-order autoregressive process for each channel; its change since day 0."""

    def __init__(self, deviation: float, time_days: float, channels: int, random: np.random.Generator) -> None:
        self._stays = math.exp(-1 / time_days) if time_days > 0 else 0.0
        self._deviation = deviation
        self._first = self._now = deviation * random.standard_normal(channels)

    @property
    def change(self) -> Floats:
        return self._now - self._first

    def move_on(self, random: np.random.Generator) -> None:
        kick = self._deviation * math.sqrt(1 - self._stays**2)
        self._now = self._stays * self._now + kick * random.standard_normal(len(self._now))


class _Turnover:
    """Which unit each channel records; a unit that is lost may be found again, by any channel, as another one."""

    def __init__(self, profile: DriftProfile, channels: int) -> None:
        self._loss = 1 - 0.5 ** (1 / profile.kept_half_life_days)
        self._finding = 1 / (1 + profile.found_days)
        self.unit, self.kept = np.arange(channels), np.ones(channels, bool)
        self.turn_rad = np.zeros(channels)

    def move_on(self, random: np.random.Generator) -> None:
        """Go to the next day; as many random numbers, whatever happens."""
        channels = len(self.unit)
        lost = random.random(channels) < self._loss
        tries, order = random.random(channels), random.permutation(channels)
        turns = random.uniform(-math.pi, math.pi, channels)
        self.unit[lost], self.kept[lost] = SILENT, False
        free = order[~np.isin(order, self.unit)]
        finders = np.flatnonzero((self.unit == SILENT) & (tries < self._finding))
        self.unit[finders] = free[: len(finders)]  # as many are free as channels are silent
        self.turn_rad[finders] = turns[finders]


def stated_kept_share(profile: DriftProfile, day: float) -> float:
    """Share of the units of day 0 that are expected to be recorded on all days up to this one."""
    return 0.5 ** (day / profile.kept_half_life_days)


def stated_similarity(profile: DriftProfile, day: float) -> float:
    """Expected tuning similarity between day 0 and another day: the mean over channels of the cosine of the turn.

    A channel that lost its unit counts 0, as it is silent or has another one of any direction. For a turn of variance
    2 V, which is normal, the mean cosine is exp(-V).
    """
    if day <= 0:
        return 1.0
    slow, of_day = math.radians(profile.turn_sd_deg) ** 2, math.radians(profile.turn_day_sd_deg) ** 2
    half_variance = of_day + slow * -math.expm1(-day / profile.turn_days)
    return stated_kept_share(profile, day) * math.exp(-half_variance)


def stated_similarity_half_life_days(profile: DriftProfile) -> float:
    """Days after which the expected tuning similarity is half; infinite where it never is."""
    low, high = 0.0, LONGEST_DAYS
    if stated_similarity(profile, high) > 0.5:
        return math.inf
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (middle, high) if stated_similarity(profile, middle) > 0.5 else (low, middle)
    return high


def kept_share(states: Sequence[DayState]) -> Floats:
    """Share of channels that still record their unit of day 0, (days,)."""
    return np.array([state.kept.mean() for state in states])


def tuning_similarity(states: Sequence[DayState]) -> Floats:
    """Mean over channels of the cosine of the turn since day 0, 0 for those silent, (days,)."""
    return np.array([np.mean(np.cos(state.turn_rad) * (state.unit != SILENT)) for state in states])
