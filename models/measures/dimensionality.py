"""How many dimensions a population's activity has, from one bin to a whole window."""

import numpy as np

from spikeloop.models.arrays import Floats, Windows
from spikeloop.models.measures.statistics import pairwise_covariance

__all__ = ["SCALE", "participation_ratio"]

SCALE = 4  # between one time scale and the next


def participation_ratio(windows: Windows) -> Floats:
    """Participation ratio of the counts in 1, 4, 16, ... bins: (trace C)^2 / trace C^2, C the covariance of units.

    It is the number of units where these are independent and vary alike, and 1 where all follow one course (Gao et al.
    2017, bioRxiv 214262; Mazzucato et al. 2016, Front Syst Neurosci 10:11). Few bins bias it downwards, at equal sample
    sizes a model as much as a recording.

    Parameters
    ----------
    windows : array of shape (windows, bins, units)

    Returns
    -------
    array of shape (scales,): as many as fit into a window, which is cut into sums side by side; what is left over is
    dropped. 0 at a scale at which nothing varies.
    """
    ratios = []
    while True:
        covariance = pairwise_covariance(windows)
        square = np.square(covariance).sum()
        ratios.append(np.trace(covariance) ** 2 / square if square > 0 else 0.0)
        number, bins, units = windows.shape
        if bins < SCALE:
            return np.array(ratios)
        kept = bins // SCALE
        together = windows[:, : kept * SCALE].reshape(number, kept, SCALE, units)
        windows = together.sum(axis=2, dtype=np.float32 if windows.dtype.kind == "f" else np.int32)
