"""Kalman filter of linear dynamics and linear tuning, at its steady state."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Counts, Floats
from spikeloop.models.decoders.decoder import check_bin, fitted, standards_of
from spikeloop.models.errors import BadInputError

__all__ = ["KalmanDecoder", "SteadyFilter", "fit_kalman"]

LEAST_NOISE = 1e-3  # of a unit's variance, so that silent units and copies leave the noise covariance invertible
RICCATI_TOLERANCE, MOST_RICCATI_STEPS = 1e-10, 100_000


@dataclass(frozen=True, eq=False)
class SteadyFilter:
    """x(t) = carry x(t - 1) + gain z(t): x is centred kinematics, z are standardised counts.

    Attributes
    ----------
    mean, scale : arrays of shape (units,)
        Standardise counts.
    offset : array of shape (columns,)
        The mean kinematics.
    carry : array of shape (columns, columns)
        (1 - gain observation) transition.
    gain : array of shape (columns, units)
    """

    mean: Floats
    scale: Floats
    offset: Floats
    carry: Floats
    gain: Floats


class KalmanDecoder:
    """Steady-state Kalman filter (Wu et al. 2006); fitted on velocity alone, the velocity Kalman filter.

    Attributes
    ----------
    filter : SteadyFilter or None
        As fitted; None before.
    """

    def __init__(self) -> None:
        self.filter: SteadyFilter | None = None

    def fit(self, counts: Counts, kinematics: NDArray[np.floating]) -> None:
        """Fit dynamics and tuning, and begin at the mean kinematics."""
        found = self.filter = fit_kalman(counts, kinematics)
        self._weights = found.gain / found.scale
        self._drift = -self._weights @ found.mean
        self._state = np.zeros(len(found.offset))

    def step(self, counts: Counts) -> Floats:
        """Kinematics (columns,) of the next bin."""
        steady = fitted(self.filter)
        check_bin(counts, len(steady.mean))
        self._state = steady.carry @ self._state + self._weights @ counts + self._drift
        return self._state + steady.offset


def fit_kalman(counts: Counts, kinematics: NDArray[np.floating]) -> SteadyFilter:
    """Kalman filter of linear dynamics and linear tuning, at its steady state.

    Wu et al., "Bayesian population decoding of motor cortical activity using a Kalman filter", Neural Computation
    2006: transition, observation and both noise covariances by least squares; the gain is that of later bins, when
    the uncertainty has settled.

    Parameters
    ----------
    counts : array of shape (bins, units)
    kinematics : array of shape (bins, columns)
        E.g. position and velocity.

    Returns
    -------
    SteadyFilter

    Raises
    ------
    BadInputError
        If bins differ, there are not more than units and columns together, or kinematics aren't finite.
    """
    standards = standards_of(counts, kinematics)
    if len(counts) <= counts.shape[1] + kinematics.shape[1]:
        raise BadInputError(
            f"expected more bins than units and columns, found {counts.shape} and {kinematics.shape}; give more data"
        )
    spikes, states = (counts - standards.mean) / standards.scale, kinematics - standards.offset
    transition, jitter = _regress(states[:-1], states[1:])
    observation, noise = _regress(states, spikes)
    noise += LEAST_NOISE * np.eye(len(noise))
    informed = np.linalg.solve(noise, observation).T  # (columns, units): observation' noise^-1
    gain = _settled(transition, jitter, informed @ observation) @ informed
    carry = (np.eye(len(transition)) - gain @ observation) @ transition
    return SteadyFilter(standards.mean, standards.scale, standards.offset, carry, gain)


def _regress(causes: Floats, effects: Floats) -> tuple[Floats, Floats]:
    """Least-squares map from causes to effects, (effects, causes), and the covariance of what it leaves over."""
    slopes: Floats = np.linalg.lstsq(causes, effects, rcond=None)[0].astype(np.float64)
    rest = effects - causes @ slopes
    return slopes.T, rest.T @ rest / len(rest)


def _settled(transition: Floats, jitter: Floats, information: Floats) -> Floats:
    """Posterior covariance to which a Kalman filter settles, by its own recursion."""
    one = np.eye(len(transition))
    posterior = np.zeros_like(one)
    for _ in range(MOST_RICCATI_STEPS):
        prior = transition @ posterior @ transition.T + jitter
        before, posterior = posterior, prior @ np.linalg.inv(one + information @ prior)
        if np.abs(posterior - before).max() <= RICCATI_TOLERANCE * np.abs(posterior).max():
            break
    return posterior
