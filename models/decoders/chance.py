"""The floor that any decoder must beat: movement that looks right and knows nothing."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Counts, Floats
from spikeloop.models.decoders.decoder import check_bin, check_training, fitted

__all__ = ["Autoregression", "ChanceDecoder", "fit_autoregression"]


@dataclass(frozen=True, eq=False)
class Autoregression:
    """Mean, standard deviation and lag-1 correlation of each column of kinematics, arrays (columns,)."""

    mean: Floats
    deviation: Floats
    correlation: Floats


class ChanceDecoder:
    """Ignores the counts and draws a first-order autoregressive process, each column by itself.

    It has the mean, standard deviation and lag-1 correlation of the kinematics it was fitted on.

    Parameters
    ----------
    random : numpy.random.Generator
        Of the draws; a second fit doesn't begin it anew.

    Attributes
    ----------
    process : Autoregression or None
        As fitted; None before.
    """

    def __init__(self, random: np.random.Generator) -> None:
        self.process: Autoregression | None = None
        self._random = random

    def fit(self, counts: Counts, kinematics: NDArray[np.floating]) -> None:
        """Measure the kinematics, and draw where to begin."""
        check_training(counts, kinematics)
        found = self.process = fit_autoregression(kinematics)
        self._units = counts.shape[1]
        self._kick = found.deviation * np.sqrt(1 - found.correlation**2)
        self._state = found.deviation * self._random.standard_normal(len(found.mean))

    def step(self, counts: Counts) -> Floats:
        """Kinematics (columns,) of the next bin."""
        process = fitted(self.process)
        check_bin(counts, self._units)
        self._state = process.correlation * self._state + self._kick * self._random.standard_normal(len(self._state))
        return process.mean + self._state


def fit_autoregression(kinematics: NDArray[np.floating]) -> Autoregression:
    """Moments of kinematics (bins, columns); the lag-1 correlation of a column that never varies is 0."""
    mean = kinematics.mean(axis=0, dtype=np.float64)
    centred = np.where(np.ptp(kinematics, axis=0) > 0, kinematics - mean, 0.0)
    square = np.square(centred).sum(axis=0)
    correlation = (centred[1:] * centred[:-1]).sum(axis=0) / np.where(square > 0, square, 1.0)
    return Autoregression(mean, centred.std(axis=0), correlation)
