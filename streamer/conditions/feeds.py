"""What drives a stream, bin after bin: rest, constant values, a file's, or the phase of a repeated stimulus."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.condition import Condition, phases, rest_of
from spikeloop.streamer.conditions.drive import Drive

__all__ = ["ArrayFeed", "ConditionFeed", "ConstantFeed", "PhaseFeed", "RestFeed", "limits_of", "require_channels"]

Values = NDArray[np.float32]

MARGIN = 0.5  # of a channel's range, that values may lie beyond it; what is further is in another unit


class ConditionFeed(Drive):
    """A drive that is known ahead of time, and so has values for any number of bins at once."""

    known_ahead = True

    @abstractmethod
    def next(self, bins: int) -> Values:
        """Return the conditions of the next bins, (bins, channels), however many were asked for before."""

    def skip(self, bins: int) -> None:
        """Leave out the conditions of the next bins; where all bins have the same, there is nothing to do."""

    def at(self, ends_s: Floats) -> Values:
        """Return the conditions of the next bins, (bins, channels); their times change nothing."""
        return self.next(len(ends_s))


@dataclass(eq=False)
class RestFeed(ConditionFeed):
    """Every channel at rest, without end."""

    channels: tuple[Condition, ...]
    asked: str = ""

    def next(self, bins: int) -> Values:
        return np.tile(rest_of(self.channels), (bins, 1))


@dataclass(eq=False)
class ConstantFeed(ConditionFeed):
    """The same values, one a channel, in every bin."""

    values: tuple[float, ...]
    asked: str = "constant"

    def next(self, bins: int) -> Values:
        return np.tile(np.array(self.values, np.float32), (bins, 1))


@dataclass(eq=False)
class ArrayFeed(ConditionFeed):
    """One row of values a bin, and rest after their end.

    Attributes
    ----------
    values : array of shape (bins, channels), float32
    channels : tuple of Condition
        The model's channels, which define rest.
    """

    values: Values
    channels: tuple[Condition, ...]
    asked: str = "array"
    _next: int = field(default=0, init=False)

    def next(self, bins: int) -> Values:
        """Return the conditions of the next bins, (bins, channels)."""
        given = self.values[self._next : self._next + bins]
        self._next += len(given)
        missing = bins - len(given)
        return np.concatenate([given, np.tile(rest_of(self.channels), (missing, 1))])

    def skip(self, bins: int) -> None:
        self._next = min(self._next + bins, len(self.values))

    def describe(self, bins: int) -> dict[str, Any]:
        """Add the bins at rest after the end of the values; more values may have been read than bins went out."""
        return super().describe(bins) | {"resting_bins": max(0, bins - len(self.values))}


@dataclass(eq=False)
class PhaseFeed(ConditionFeed):
    """The phase of a stimulus that is shown again and again.

    Attributes
    ----------
    period : int, bins
        Length of the stimulus.
    first : int, bins
        Phase of the first bin.
    """

    period: int
    first: int = 0
    asked: str = "phase"
    _given: int = field(default=0, init=False)

    def next(self, bins: int) -> Values:
        """Return the conditions of the next bins, (bins, 1)."""
        self._given += bins
        return phases(self.first + self._given - bins, bins, self.period)

    def skip(self, bins: int) -> None:
        self._given += bins


def require_channels(channels: Sequence[Condition]) -> None:
    """Raise BadInputError for a model without channels, which nothing can drive."""
    if not channels:
        raise BadInputError(
            "--condition: expected a model that is driven by conditions, found one without; leave --condition out, or"
            " choose another model (spikeloop models lists them)"
        )


def limits_of(channels: Sequence[Condition]) -> NDArray[np.float64]:
    """Return the least and the greatest value that make sense: the range, of a non-cyclic channel widened by half.

    Returns
    -------
    array of shape (2, channels), float64
    """
    low, high = (np.array([getattr(channel, side) for channel in channels]) for side in ("low", "high"))
    margin = np.where([channel.cyclic for channel in channels], 0, MARGIN * (high - low))
    return np.stack([low - margin, high + margin])
