"""The ceiling of any decoder: one that knows what its user intends."""

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Counts, Floats
from spikeloop.models.decoders.decoder import DecoderStatus, ReportingDecoder
from spikeloop.streamer.closedloop.experiment.users import User, View

__all__ = ["OracleDecoder", "RememberedUser"]


class RememberedUser:
    """A user whose latest intended velocity is known.

    Attributes
    ----------
    intended_velocity : array of shape (2,), cm/s; at first at rest
    """

    def __init__(self, user: User) -> None:
        self._user = user
        self.intended_velocity: Floats = np.zeros(2)

    def intend(self, view: View) -> Floats:
        """The velocity intended for the next bin, (2,), cm/s."""
        self.intended_velocity = self._user.intend(view)
        return self.intended_velocity

    def follow(self, velocity_cm_s: Floats) -> Floats:
        """The same while the cursor moves by itself."""
        self.intended_velocity = self._user.follow(velocity_cm_s)
        return self.intended_velocity


class OracleDecoder(ReportingDecoder):
    """Gives what its user intends, whatever the counts are; so it exists only inside the loop."""

    def __init__(self, user: RememberedUser) -> None:
        self._user = user

    @property
    def status(self) -> DecoderStatus:
        """It can't decode the calibration block again."""
        return DecoderStatus(live=True)

    def fit(self, counts: Counts, kinematics: NDArray[np.floating]) -> None:
        """There is nothing to learn."""

    def step(self, counts: Counts) -> Floats:  # noqa: ARG002
        """Velocity, (2,), cm/s, of this bin."""
        return self._user.intended_velocity.copy()
