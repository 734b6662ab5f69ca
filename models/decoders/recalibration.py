"""Intended velocities of a user, estimated from a closed loop, to fit a decoder anew."""

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError

__all__ = ["intended_velocity"]


def intended_velocity(
    velocity: NDArray[np.floating],
    position_cm: NDArray[np.floating],
    target_cm: NDArray[np.floating],
    on_target: NDArray[np.bool_],
) -> Floats:
    """Velocity (bins, 2) turned to point from the cursor to the target, its speed kept; zero on the target.

    The first innovation of ReFIT (Gilja et al. 2012, Nat. Neurosci. 15:1752): in a closed loop the user is taken to
    have aimed straight at the target at every moment, and to have wanted to stand still on it.

    Bins without a target have no intended velocity: leave them out of all arrays, and of the counts to fit on, before,
    e.g. by `np.isfinite(target_cm).all(axis=1)`.

    Parameters
    ----------
    velocity : array of shape (bins, 2), cm/s
        As decoded.
    position_cm, target_cm : arrays of shape (bins, 2), cm
        Of the cursor when the velocity was decoded, and of the target.
    on_target : array of shape (bins,), bool
        Whether the cursor was within the target's radius.

    Returns
    -------
    array of shape (bins, 2), cm/s

    Raises
    ------
    BadInputError
        If shapes don't fit or anything isn't finite.
    """
    shape = (len(on_target), 2)
    arrays = (velocity, position_cm, target_cm)
    if on_target.ndim != 1 or any(array.shape != shape for array in arrays):
        raise BadInputError(
            f"expected velocity, position and target of shape {shape} and on_target ({shape[0]},), found"
            f" {', '.join(str(array.shape) for array in arrays)} and {on_target.shape}"
        )
    if not all(np.isfinite(array).all() for array in arrays):
        raise BadInputError(
            "expected finite velocities, positions and targets, found NaN or infinity; leave bins without a target out"
        )
    offset = np.subtract(target_cm, position_cm, dtype=np.float64)
    distance = np.hypot(*offset.T)
    there = on_target | (distance == 0)
    speed = np.where(there, 0.0, np.hypot(*velocity.T))
    return offset * (speed / np.where(there, 1.0, distance))[:, np.newaxis]
