"""The server's part of the measurement of latency: what pages and the stream report, and what it answers."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats
from spikeloop.models.scalars import is_whole
from spikeloop.streamer.dashboard.frames import Kind, document_body
from spikeloop.streamer.dashboard.hub import Hub
from spikeloop.streamer.dashboard.play.latency import AimTimes, StageTimes
from spikeloop.streamer.dashboard.play.setup import fields_of

__all__ = ["Timing"]


class Timing:
    """Measures the latency of those who play.

    Parameters
    ----------
    hub : Hub
    now : callable
        LSL's clock, s.

    Attributes
    ----------
    stages : StageTimes
    """

    def __init__(self, hub: Hub, now: Callable[[], float]) -> None:
        self.stages = StageTimes()
        self._hub, self._now = hub, now
        self._aims = AimTimes()

    def begin_run(self) -> None:
        """Begin with a run of the stream."""
        self._aims = AimTimes()

    def aimed(self, number: Any, player: int, conditions: NDArray[np.float32]) -> None:
        """Note an aim, where its page gave it a number as the hand had moved."""
        if is_whole(number):
            self._aims.aimed(int(number), player, self._now(), conditions)

    def decoded(self, first_bin: int, bins: int) -> None:
        """Note that the cursor has moved by bins."""
        now_s = self._now()
        for bin in range(first_bin, first_bin + bins):
            self._aims.decoded(bin, now_s)

    def drove(self, first_bin: int, ends_s: Floats, conditions: NDArray[np.float32]) -> None:
        """Tell pages which bins their aims drove."""
        for aim in self._aims.drove(first_bin, ends_s, conditions):
            self.stages.expect(aim)
            self._hub.publish(Kind.LATENCY, document_body({"aim": aim.number, "bin": aim.bin}), aim.player)

    def shown(self, payload: bytes, number: int) -> None:
        """Take what a page measured of its frames; BadInputError where it is nothing of that."""
        self.stages.complete(number, fields_of(payload, "samples")["samples"])
        self._hub.publish(Kind.LATENCY, document_body(self.stages.document()))

    def clock(self, payload: bytes, number: int) -> None:
        """Say what time it is, so that a page knows how its clock differs."""
        asked = fields_of(payload, "sent_ms")["sent_ms"]
        self._hub.publish(Kind.LATENCY, document_body({"sent_ms": asked, "server_s": self._now()}), number)
