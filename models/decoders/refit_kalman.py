"""The filter of ReFIT: a velocity Kalman filter that is shown where the cursor is."""

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Counts, Floats
from spikeloop.models.decoders.decoder import SeesPosition, check_bin, check_training, fitted
from spikeloop.models.decoders.kalman import KalmanDecoder
from spikeloop.models.errors import BadInputError

__all__ = ["RefitKalmanDecoder"]


class RefitKalmanDecoder(SeesPosition):
    """Velocity Kalman filter with position feedback, the second innovation of ReFIT-KF (Gilja et al. 2012).

    Counts are linear in velocity and position. As the user sees where the cursor is, the position is known and has no
    uncertainty: what it explains is taken off the counts, and the rest is decoded by a velocity Kalman filter. That is
    the filter of position and velocity whose covariance of the position is set to zero after each step.

    Without positions it is the velocity Kalman filter. The first innovation, `intended_velocity`, is what it is fitted
    to after a closed loop.
    """

    def __init__(self) -> None:
        self._filter = KalmanDecoder()
        self._of_position: Floats | None = None  # (units, 2), counts per cm
        self._position, self._training = np.zeros(2), np.zeros((0, 2))

    def see_training(self, position_cm: NDArray[np.floating]) -> None:
        """Take the positions (bins, 2), cm, of the next fit; of wider bins their mean is taken."""
        self._training = np.asarray(position_cm, np.float64)

    def see(self, position_cm: Floats) -> None:
        """Take the cursor's position (2,), cm, at the beginning of the next bin."""
        self._position = position_cm

    def fit(self, counts: Counts, kinematics: NDArray[np.floating]) -> None:
        """Fit counts to velocity (bins, 2) and to the positions that were given, and the filter to the rest.

        Raises
        ------
        BadInputError
            As of the Kalman filter, or if there are fewer positions than bins.
        """
        check_training(counts, kinematics)
        positions, self._training = self._training, np.zeros((0, 2))
        of_position: Floats = np.zeros((counts.shape[1], 2))
        rest = counts
        if len(positions):
            width = len(positions) // len(counts)
            if not width:
                raise BadInputError(f"expected positions of {len(counts)} bins, found {len(positions)}; give all")
            averaged = positions[: width * len(counts)].reshape(len(counts), width, 2).mean(axis=1)
            design = np.column_stack([kinematics, averaged, np.ones(len(counts))])
            slopes = np.linalg.lstsq(design, counts.astype(np.float64), rcond=None)[0]
            of_position = slopes[kinematics.shape[1] : -1].T.astype(np.float64)
            rest = counts - averaged @ of_position.T
        self._filter.fit(rest, kinematics)
        self._of_position = of_position

    def step(self, counts: Counts) -> Floats:
        """Velocity (columns,), cm/s, of the next bin."""
        of_position = fitted(self._of_position)
        check_bin(counts, len(of_position))
        return self._filter.step(counts - of_position @ self._position)
