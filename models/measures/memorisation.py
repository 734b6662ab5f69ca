"""Memorisation: does a model give back the windows that it was trained on?

A model that learned the population lies as near to held-out windows as to those of its training; one that
learned its training windows by heart lies nearer to these (Meehan, Chaudhuri, Dasgupta, AISTATS 2020).
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu

from spikeloop.models.errors import BadInputError

__all__ = ["exact_duplicates", "memorisation_auc", "nearest_distances"]

Windows = NDArray[np.uint8]

ROWS = 1024  # windows compared at once


def memorisation_auc(sampled: Windows, training: Windows, held_out: Windows) -> float:
    """Probability that a sampled window's distance to training is smaller than one's to held-out windows.

    Parameters
    ----------
    sampled, training, held_out : arrays of shape (windows, bins, units)
        As many for training as held out, and from as many repeats, or the larger set would be nearer by chance.

    Returns
    -------
    0.5 where nothing is memorised, towards 1 where windows are; ties count half

    Raises
    ------
    BadInputError
        If training and held-out windows differ in number.
    """
    if len(training) != len(held_out):
        raise BadInputError(f"expected as many training as held-out windows, found {len(training)}, {len(held_out)}")
    to_training, to_held_out = nearest_distances(sampled, training), nearest_distances(sampled, held_out)
    return float(mannwhitneyu(to_held_out, to_training).statistic / (len(sampled) ** 2))


def nearest_distances(windows: Windows, others: Windows) -> NDArray[np.float64]:
    """Squared Euclidean distance (of 0/1 counts: Hamming) from each window to the nearest of the others, (windows,)."""
    flat, other = (each.reshape(len(each), -1).astype(np.float32) for each in (windows, others))
    other_norm = np.square(other).sum(axis=1)
    nearest = np.empty(len(flat))
    for start in range(0, len(flat), ROWS):
        rows = flat[start : start + ROWS]
        nearest[start : start + ROWS] = (other_norm - 2 * rows @ other.T).min(axis=1) + np.square(rows).sum(axis=1)
    return nearest


def exact_duplicates(sampled: Windows, recorded: Windows) -> float:
    """Share of the sampled windows with any spike that occur among the recorded ones."""
    known = {window.tobytes() for window in recorded}
    spiking = [window.tobytes() for window in sampled if window.any()]
    return sum(window in known for window in spiking) / max(1, len(spiking))
