"""Linear decoders: what counts tell about kinematics."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from spikeloop.models.errors import BadInputError

__all__ = [
    "Decodable",
    "Decoder",
    "KalmanDecoder",
    "RidgeDecoder",
    "fit_kalman",
    "fit_ridge",
    "r_squared",
]

Counts = NDArray[np.uint8]
Floats = NDArray[np.float64]

HISTORY_BINS = 10
FOLDS = 5  # contiguous: neighbouring bins are too alike to be told to different sides
PENALTIES = np.logspace(-4, 2, 13)  # per training bin, of standardised counts
LEAST_NOISE = 1e-3  # of a unit's variance, so that silent units and copies leave the noise covariance invertible
RICCATI_TOLERANCE, MOST_RICCATI_STEPS = 1e-10, 100_000


class Decoder(Protocol):
    """What has learned to tell kinematics from counts."""

    def decode(self, counts: Counts) -> Floats:
        """Kinematics (bins, columns) of counts (bins, units), each bin from itself and earlier ones."""
        ...


@dataclass(frozen=True, eq=False)
class Decodable:
    """Counts and the kinematics that went with them.

    Attributes
    ----------
    counts : array of shape (bins, units)
    kinematics : array of shape (bins, columns)
    """

    counts: Counts
    kinematics: NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class RidgeDecoder:
    """Ridge regression on the counts of a bin and those before it.

    Attributes
    ----------
    mean, scale : arrays (units,) that standardise counts
    weights : array of shape (history_bins, units, columns), oldest bin first
    offset : array (columns,), the mean kinematics
    penalties : array (columns,), as chosen, per training bin
    """

    mean: Floats
    scale: Floats
    weights: Floats
    offset: Floats
    penalties: Floats

    def decode(self, counts: Counts) -> Floats:
        """Kinematics (bins, columns); bins before the first are taken to hold the mean count."""
        histories = _histories((_checked(counts, self.mean) - self.mean) / self.scale, len(self.weights))
        return histories @ self.weights.reshape(-1, self.weights.shape[2]) + self.offset


@dataclass(frozen=True, eq=False)
class KalmanDecoder:
    """Steady-state Kalman filter (Wu et al. 2006): x(t) = carry x(t - 1) + gain z(t).

    The state's constant is the `offset` and the `mean`: x is centred kinematics, z are standardised counts.

    Attributes
    ----------
    mean, scale : arrays (units,) that standardise counts
    offset : array (columns,), the mean kinematics
    carry : array of shape (columns, columns), (1 - gain observation) transition
    gain : array of shape (columns, units)
    """

    mean: Floats
    scale: Floats
    offset: Floats
    carry: Floats
    gain: Floats

    def decode(self, counts: Counts) -> Floats:
        """Kinematics (bins, columns), from the mean kinematics on."""
        drive = ((_checked(counts, self.mean) - self.mean) / self.scale) @ self.gain.T
        state = np.zeros(len(self.offset))
        for bin_drive in drive:  # each row becomes the state of its bin
            state = self.carry @ state + bin_drive
            bin_drive[:] = state
        return drive + self.offset


def fit_ridge(counts: Counts, kinematics: NDArray[np.floating], history_bins: int = HISTORY_BINS) -> RidgeDecoder:
    """Ridge regression of bin t from the counts of bins t - history_bins + 1 to t.

    The penalty is chosen for each column as the one of least squared error in cross-validation over contiguous blocks.

    Parameters
    ----------
    counts : array of shape (bins, units)
    kinematics : array of shape (bins, columns)

    Raises
    ------
    BadInputError
        If bins differ, or are fewer than the blocks' histories need.
    """
    if history_bins < 1 or len(counts) < FOLDS * (history_bins + 1):
        raise BadInputError(
            f"expected {FOLDS} blocks of more than {history_bins} bins (history_bins, at least 1), found"
            f" {len(counts)} bins; give more data or a shorter history"
        )
    mean, scale, offset = _standards(counts, kinematics)
    histories, targets = _histories((counts - mean) / scale, history_bins), kinematics - offset
    blocks = list(zip(np.array_split(histories, FOLDS), np.array_split(targets, FOLDS), strict=True))
    squares = [(one.T @ one, one.T @ other) for one, other in blocks]
    gram, product = (np.sum(each, axis=0) for each in zip(*squares, strict=True))
    errors = np.zeros((len(PENALTIES), targets.shape[1]))
    for (tested, truth), (own_gram, own_product) in zip(blocks, squares, strict=True):
        bins = len(targets) - len(truth)
        for row, weights in enumerate(_solve_ridge(gram - own_gram, product - own_product, PENALTIES * bins)):
            errors[row] += np.square(truth - tested @ weights).sum(axis=0)
    chosen = errors.argmin(axis=0)
    solutions = _solve_ridge(gram, product, PENALTIES * len(targets))
    weights = np.stack([solutions[row][:, column] for column, row in enumerate(chosen)], axis=-1)
    return RidgeDecoder(
        mean, scale, weights.reshape(history_bins, counts.shape[1], -1), offset, penalties=PENALTIES[chosen]
    )


def fit_kalman(counts: Counts, kinematics: NDArray[np.floating]) -> KalmanDecoder:
    """Kalman filter of linear dynamics and linear tuning, at its steady state.

    Wu et al., "Bayesian population decoding of motor cortical activity using a Kalman filter", Neural Computation
    2006: transition, observation and both noise covariances by least squares; the gain is that of later bins, when
    the uncertainty has settled.

    Parameters
    ----------
    counts : array of shape (bins, units)
    kinematics : array of shape (bins, columns), e.g. position and velocity

    Raises
    ------
    BadInputError
        If bins differ, or there are not more than units and columns together.
    """
    if len(counts) <= counts.shape[1] + kinematics.shape[1]:
        raise BadInputError(f"expected more bins than units and columns, found {counts.shape} and {kinematics.shape}")
    mean, scale, offset = _standards(counts, kinematics)
    spikes, states = (counts - mean) / scale, kinematics - offset
    transition, jitter = _regress(states[:-1], states[1:])
    observation, noise = _regress(states, spikes)
    noise += LEAST_NOISE * np.eye(len(noise))
    informed = np.linalg.solve(noise, observation).T  # (columns, units): observation' noise^-1
    gain = _settled(transition, jitter, informed @ observation) @ informed
    return KalmanDecoder(mean, scale, offset, carry=(np.eye(len(offset)) - gain @ observation) @ transition, gain=gain)


def r_squared(truth: NDArray[np.floating], decoded: NDArray[np.floating]) -> Floats:
    """Coefficient of determination, 1 - squared error / squared deviation from the mean.

    Parameters
    ----------
    truth, decoded : arrays of shape (bins, columns)

    Returns
    -------
    array of shape (columns,); NaN where the truth never varies.

    Raises
    ------
    BadInputError
        If shapes differ.
    """
    if truth.shape != decoded.shape:
        raise BadInputError(f"expected decoded kinematics of shape {truth.shape}, found {decoded.shape}")
    error = np.square(truth - decoded).sum(axis=0, dtype=np.float64)
    deviation = np.square(truth - truth.mean(axis=0, dtype=np.float64)).sum(axis=0)
    varies = np.ptp(truth, axis=0) > 0
    return np.where(varies, 1 - error / np.where(varies, deviation, 1.0), np.nan)


def _checked(counts: Counts, mean: Floats) -> Counts:
    if counts.ndim != 2 or counts.shape[1] != len(mean):
        raise BadInputError(f"expected counts of shape (bins, {len(mean)} units), found {counts.shape}")
    return counts


def _standards(counts: Counts, kinematics: NDArray[np.floating]) -> tuple[Floats, Floats, Floats]:
    """Mean and scale of the counts (1 for silent units), and the mean kinematics."""
    if counts.ndim != 2 or kinematics.ndim != 2 or len(counts) != len(kinematics):
        raise BadInputError(
            f"expected counts (bins, units) and kinematics (bins, columns) of as many bins,"
            f" found {counts.shape} and {kinematics.shape}"
        )
    deviation = counts.std(axis=0, dtype=np.float64)
    scale = np.where(np.ptp(counts, axis=0) > 0, deviation, 1.0)
    return counts.mean(axis=0, dtype=np.float64), scale, kinematics.mean(axis=0, dtype=np.float64)


def _histories(standardised: Floats, history_bins: int) -> Floats:
    """Each bin and those before it, (bins, history_bins * units), oldest first."""
    padded = np.pad(standardised, ((history_bins - 1, 0), (0, 0)))
    return sliding_window_view(padded, history_bins, axis=0).swapaxes(1, 2).reshape(len(standardised), -1)


def _solve_ridge(gram: Floats, product: Floats, penalties: Floats) -> list[Floats]:
    """Weights (features, columns) for every penalty."""
    values, vectors = np.linalg.eigh(gram)
    rotated = vectors.T @ product
    return [vectors @ (rotated / (np.maximum(values, 0) + penalty)[:, np.newaxis]) for penalty in penalties]


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
