"""How a bundle's units are tuned: their rates while the model is driven in one direction after the other."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from spikeloop.exporters.bundle import Bundle
from spikeloop.models.arrays import Floats
from spikeloop.models.recordings.condition import Condition, rest_of
from spikeloop.streamer.launch.population import Population

__all__ = ["Tuning", "direction_channels", "measure_tuning"]

DIRECTIONS = 8
SPEED = 0.5  # of the channels' range
BINS, SETTLING_BINS = 240, 10  # of each direction
SEED = 2**61  # far from those that users choose


@dataclass(frozen=True, eq=False)
class Tuning:
    """Rates by direction.

    Attributes
    ----------
    channels : tuple of int
        The two channels that were driven, by their place among the model's.
    directions : array of shape (directions,), rad
    rates_hz : array of shape (directions, units), Hz
    preferred : array of shape (units,), rad
        Direction of the mean of the directions, weighted by rate.
    depth : array of shape (units,), 0 to 1
        Length of that mean, twice: about the modulation over the mean rate.
    """

    channels: tuple[int, int]
    directions: Floats
    rates_hz: Floats
    preferred: Floats
    depth: Floats


def direction_channels(channels: tuple[Condition, ...]) -> tuple[int, int] | None:
    """Find the two channels that a direction drives: velocities x and y, else positions; None where there are none."""
    names = [channel.name.lower() for channel in channels]
    for kind in ("velocity", "position"):
        if {f"{kind} x", f"{kind} y"} <= set(names):
            return names.index(f"{kind} x"), names.index(f"{kind} y")
    return None


def measure_tuning(bundle: Bundle, stopped: Callable[[], bool] = lambda: False) -> Tuning | None:
    """Drive a bundle's model in eight directions, which takes about a second.

    Parameters
    ----------
    bundle : Bundle
    stopped : callable
        Asked now and then; where it answers True there is no result.

    Returns
    -------
    Tuning or None
        None where the model has no channels for a direction.
    """
    card = bundle.card
    driven = direction_channels(card.channels)
    if driven is None or card.signal != "spikes":
        return None
    directions = np.arange(DIRECTIONS) * 2 * np.pi / DIRECTIONS
    population = Population(bundle, SEED, "cpu")
    rates = []
    for direction in directions:
        if stopped():
            return None
        values = rest_of(card.channels).astype(np.float64)
        for channel, share in zip(driven, (np.cos(direction), np.sin(direction)), strict=True):
            asked = card.channels[channel]
            reach = min(asked.high - asked.rest, asked.rest - asked.low)
            values[channel] = asked.rest + SPEED * share * reach
        counts = population.steps(SETTLING_BINS + BINS, values)[SETTLING_BINS:]
        rates.append(counts.mean(axis=0, dtype=np.float64) / card.bin_size_s)
    rates_hz = np.array(rates)
    total = rates_hz.sum(axis=0)
    pull = (rates_hz * np.exp(1j * directions)[:, np.newaxis]).sum(axis=0) / np.where(total > 0, total, 1)
    return Tuning(driven, directions, rates_hz, np.angle(pull), np.minimum(2 * np.abs(pull), 1.0))
