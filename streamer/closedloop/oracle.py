"""The ceiling of any decoder: one that is told what its user intends."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from spikeloop.streamer.closedloop.users import User, View

__all__ = ["OracleDecoder", "RememberedUser"]

Floats = NDArray[np.float64]


class RememberedUser:
    """A user whose latest intention is known.

    Attributes
    ----------
    intention : array of shape (2,), cm/s; at first at rest
    """

    def __init__(self, user: User) -> None:
        self._user = user
        self.intention: Floats = np.zeros(2)

    def intend(self, view: View) -> Floats:
        """The velocity intended for the next bin, (2,), cm/s."""
        self.intention = self._user.intend(view)
        return self.intention

    def follow(self, velocity_cm_s: Floats) -> Floats:
        """The same while the cursor moves by itself."""
        self.intention = self._user.follow(velocity_cm_s)
        return self.intention


class OracleDecoder:
    """Gives what its user intends, whatever the counts are; so it exists only inside the loop."""

    live: Literal[True] = True

    def __init__(self, user: RememberedUser) -> None:
        self._user = user

    def fit(self, counts: NDArray[Any], kinematics: NDArray[np.floating]) -> None:
        """There is nothing to learn."""

    def step(self, counts: NDArray[Any]) -> Floats:  # noqa: ARG002
        """Velocity, (2,), cm/s, of this bin."""
        return self._user.intention.copy()
