"""What drives a stream, as it comes over MQTT."""

from collections import deque
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.recordings.condition import Condition
from spikeloop.streamer.conditions.drive import Drive
from spikeloop.streamer.conditions.feeds import require_channels
from spikeloop.streamer.conditions.hold import FURTHEST_S, ConditionReport, HeldCondition
from spikeloop.streamer.mqtt.payloads import ConditionMessage

__all__ = ["MQTT", "MqttCondition"]

MQTT = "mqtt"  # as a user asks for it
LONGEST_QUEUE = 4096  # messages that came since the last step


class MqttCondition(Drive):
    """What messages on the topic `condition` say; held and then let go to rest as by `HeldCondition`.

    Parameters
    ----------
    channels : sequence of Condition
        The model's channels.
    hold_s, decay_s : float >= 0, s
        How long the last value holds, and in how long it then falls to rest.

    Raises
    ------
    BadInputError
        If the model has no channels.
    """

    known_ahead = False
    asked = MQTT

    def __init__(self, channels: Sequence[Condition], hold_s: float = 0.5, decay_s: float = 0.5) -> None:
        require_channels(channels)
        self._channels = tuple(channels)
        self._held = HeldCondition(channels, hold_s, decay_s)
        self._arrived: deque[tuple[float, tuple[float, ...], float]] = deque(maxlen=LONGEST_QUEUE)

    def offer(self, message: ConditionMessage, now_s: float) -> str | None:
        """Keep a message until the next bin is due; from one thread, any.

        Parameters
        ----------
        now_s : float, s
            The present on LSL's clock.

        Returns
        -------
        str or None
            Why the message is refused; None where it is not.
        """
        if len(message.values) != len(self._channels):
            names = ", ".join(channel.name for channel in self._channels)
            return f"values: expected {len(self._channels)} ({names}), found {len(message.values)}"
        stamp_s = now_s if message.stamp_s is None else message.stamp_s
        self._arrived.append((stamp_s, message.values, now_s))
        if abs(stamp_s - now_s) > FURTHEST_S:
            return (
                f"stamp_s: expected a time within {FURTHEST_S:g} s of LSL's clock, which is at {now_s:.3f}, found"
                f" {stamp_s:.3f}; leave it out to have the time of arrival"
            )
        return None

    def at(self, ends_s: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the conditions, (bins, channels), of bins by their ends on LSL's clock."""
        while self._arrived:
            stamp_s, values, now_s = self._arrived.popleft()
            self._held.offer(np.array([stamp_s]), np.array([values]), now_s)
        return self._held.at(ends_s)

    def report(self) -> ConditionReport:
        """Return the figures so far."""
        return self._held.report()

    def describe(self, bins: int) -> dict[str, Any]:
        """Add the figures of what came."""
        return super().describe(bins) | asdict(self.report())
