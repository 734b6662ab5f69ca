"""The population vector: every unit votes for its preferred direction, the more so the more it fires."""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from spikeloop.models.arrays import Counts, Floats
from spikeloop.models.decoders.decoder import check_bin, check_training, fitted
from spikeloop.models.errors import BadInputError

__all__ = ["PopulationVectorDecoder", "Tuning", "fit_tuning"]

HISTORY_BINS = 10
SIGNIFICANCE = 0.05  # below which a regression on velocity is taken for tuning


@dataclass(frozen=True, eq=False)
class Tuning:
    """Counts of a bin as baseline + modulation * (velocity along the preferred direction).

    Attributes
    ----------
    baseline : array of shape (units,), counts per bin
        At rest.
    modulation : array of shape (units,), counts per bin and cm/s
    preferred : array of shape (units, 2)
        Unit vectors; zero where the modulation is.
    tuned : array of shape (units,), bool
        Whether the regression is significant.
    """

    baseline: Floats
    modulation: Floats
    preferred: Floats
    tuned: NDArray[np.bool_]


class PopulationVectorDecoder:
    """Population vector (Georgopoulos et al. 1986, Science 233:1416; 1988, J. Neurosci. 8:2928) of a boxcar's rates.

    A unit's vote is its rate less its baseline, over its modulation. The sum of the votes along preferred directions
    is scaled to velocity by one factor, regressed on the training data, as Koyama et al. (2010, J. Comput. Neurosci.
    29:73) compare it. As in the first papers, only units with significant tuning vote.

    Parameters
    ----------
    history_bins : int >= 1, default 10
        Of the boxcar; bins before the first count as holding the mean.

    Attributes
    ----------
    tuning : Tuning or None
        As fitted; None before.

    Raises
    ------
    BadInputError
        If there is no history.
    """

    def __init__(self, history_bins: int = HISTORY_BINS) -> None:
        if history_bins < 1:
            raise BadInputError(f"expected history_bins of 1 or more, found {history_bins}")
        self.history_bins = history_bins
        self.tuning: Tuning | None = None

    def fit(self, counts: Counts, kinematics: NDArray[np.floating]) -> None:
        """Fit every unit's tuning to the velocity (bins, 2), and the factor."""
        found = self.tuning = fit_tuning(counts, kinematics)
        modulation = np.where(found.tuned, found.modulation, np.inf)
        votes = found.preferred / modulation[:, np.newaxis] / self.history_bins
        at_rest, usual = found.baseline @ votes, counts.mean(axis=0, dtype=np.float64) @ votes
        before = np.tile(usual - at_rest, (self.history_bins, 1))
        padded = np.concatenate([before[1:], counts @ votes - at_rest])
        factor = _slope(sliding_window_view(padded, self.history_bins, axis=0).sum(axis=-1), kinematics)
        self._recent, self._votes, self._at_rest = before * factor, votes * factor, at_rest * factor

    def step(self, counts: Counts) -> Floats:
        """Velocity (2,) of the next bin."""
        check_bin(counts, len(fitted(self.tuning).baseline))
        self._recent[:-1] = self._recent[1:]
        self._recent[-1] = counts @ self._votes - self._at_rest
        return self._recent.sum(axis=0)


def fit_tuning(counts: Counts, velocity: NDArray[np.floating]) -> Tuning:
    """Linear regression of every unit's counts on the velocity.

    Significant by the F test of both slopes; as bins aren't independent, units pass it more easily than it says.

    Parameters
    ----------
    counts : array of shape (bins, units)
    velocity : array of shape (bins, 2)

    Returns
    -------
    Tuning

    Raises
    ------
    BadInputError
        If bins differ or are fewer than 4, or the velocity isn't finite or of two columns.
    """
    check_training(counts, velocity)
    if velocity.shape[1] != 2 or len(velocity) < 4:
        raise BadInputError(f"expected a velocity of shape (4 bins or more, 2), found {velocity.shape}")
    design = np.column_stack([np.ones(len(velocity)), velocity])
    baseline, *slopes = np.linalg.lstsq(design, counts.astype(np.float64), rcond=None)[0]
    modulation = np.hypot(*slopes)
    preferred = np.stack(slopes, axis=1) / np.where(modulation > 0, modulation, 1.0)[:, np.newaxis]
    unexplained = (counts - design @ [baseline, *slopes]).var(axis=0)
    varies = np.ptp(counts, axis=0) > 0
    ratio = unexplained / np.where(varies, counts.var(axis=0, dtype=np.float64), 1.0)
    p_value = ratio ** ((len(counts) - 3) / 2)  # of F with 2 and bins - 3 degrees of freedom
    return Tuning(baseline, modulation, preferred, tuned=varies & (p_value < SIGNIFICANCE))


def _slope(cause: Floats, effect: NDArray[np.floating]) -> float:
    """Least-squares factor from cause to effect; 0 where there is no cause."""
    square = np.square(cause).sum()
    return float((cause * effect).sum() / square) if square > 0 else 0.0
