"""A user over LSL: a human's mouse, or any device that sends a velocity."""

from typing import Self

import numpy as np

from spikeloop.models.arrays import Floats
from spikeloop.models.recordings.condition import Condition
from spikeloop.streamer.closedloop.experiment.users import View
from spikeloop.streamer.lsl.condition import LslCondition
from spikeloop.streamer.lsl.library import import_pylsl

__all__ = ["LslUser"]


FASTEST_CM_S = 100.0  # twice that is clipped
CHANNELS = tuple(Condition(f"velocity {axis}", "cm/s", -FASTEST_CM_S, FASTEST_CM_S) for axis in "xy")
APPEARS_WITHIN_S = 10.0


class LslUser:
    """Follows the LSL stream of a name, from entering to leaving the context: 2 channels, velocity x and y in cm/s.

    Its latest valid sample holds for 0.5 s after its stamp and then decays to rest within 0.5 s; whatever else
    `LslCondition` says of samples and streams holds here. A user who is gone rests.

    Raises
    ------
    BadInputError
        On entering, if there is no such stream within 10 s; the message lists what there is.
    FailureError
        On entering, if pylsl or liblsl is missing.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._condition = LslCondition(name, CHANNELS, appears_within_s=APPEARS_WITHIN_S, option="--user")

    def __enter__(self) -> Self:
        self._now = import_pylsl().local_clock
        self._condition.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._condition.__exit__(*error)

    def intend(self, view: View) -> Floats:  # noqa: ARG002
        """The device's velocity now, (2,), cm/s."""
        return self._velocity()

    def follow(self, velocity_cm_s: Floats) -> Floats:  # noqa: ARG002
        """The same: the user follows the cursor with the device."""
        return self._velocity()

    def _velocity(self) -> Floats:
        return self._condition.at(np.array([self._now()]))[0].astype(np.float64)
