"""What drives a stream that a program steers: a feed that goes on by itself, until somebody sets other values."""

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.condition import Condition
from spikeloop.streamer.conditions.drive import Drive
from spikeloop.streamer.conditions.feeds import ConditionFeed, ConstantFeed, PhaseFeed, require_channels
from spikeloop.streamer.conditions.opening import feed_of

__all__ = ["STEERED", "SteeredDrive", "by_itself"]

STEERED = "steered"  # as a user asks for it


def by_itself(asked: str) -> str:
    """Return what drives a stream while nobody steers it: `rest` of `steered:rest`; other words as they are."""
    return asked.removeprefix(f"{STEERED}:")


class SteeredDrive(Drive):
    """Values that a program sets, from any thread; a feed of its own where none are set.

    Values hold until others are set or they are let go. The phase of a repeated stimulus runs on from where it is set.

    Parameters
    ----------
    channels : sequence of Condition
        The model's channels.
    feed : ConditionFeed
        Drives the model while nobody does, and goes on meanwhile.

    Raises
    ------
    BadInputError
        If the model has no channels.
    """

    known_ahead = False

    def __init__(self, channels: Sequence[Condition], feed: ConditionFeed) -> None:
        require_channels(channels)
        self.asked = f"{STEERED}:{feed.asked or 'rest'}"
        self._channels, self._own = tuple(channels), feed
        self._set: ConditionFeed | None = None
        self._times_set = self._steered_bins = 0
        self._lock = threading.Lock()

    def set(self, values: ArrayLike | None) -> None:
        """Drive the model by these values from the next bin on, or let go.

        Parameters
        ----------
        values : array of shape (channels,), or None
            In the units of the model's channels; None lets go.

        Raises
        ------
        BadInputError
            If there is not one finite number for each channel, or one lies further beyond its channel's range than
            half its width.
        """
        chosen = None
        if values is not None:
            chosen = feed_of(values, self._channels)
            if not isinstance(chosen, ConstantFeed):
                raise BadInputError(f"--condition: expected {len(self._channels)} values, one a channel, found rows")
            if len(self._channels) == 1 and self._channels[0].cyclic:
                chosen = PhaseFeed(self._channels[0].period, int(chosen.next(1)[0, 0]))
        with self._lock:
            self._set = chosen
            self._times_set += chosen is not None

    def at(self, ends_s: Floats) -> NDArray[np.float32]:
        own = self._own.next(len(ends_s))
        with self._lock:
            chosen = self._set
            self._steered_bins += len(ends_s) if chosen is not None else 0
            return own if chosen is None else chosen.next(len(ends_s))

    def describe(self, bins: int) -> dict[str, Any]:
        """Add how often values were set, and for how many bins they drove the model."""
        return super().describe(bins) | {"times_set": self._times_set, "steered_bins": self._steered_bins}
