"""Memorisation: whether a model reproduces the windows that it was trained on.

A model that learned the population lies as near to held-out windows as to those of its training; one that
memorised its training windows lies nearer to these. (A test of two distances, as that of Meehan, Chaudhuri
and Dasgupta, AISTATS 2020, which compares distances of model and held-out windows to training.)
"""

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Windows
from spikeloop.models.errors import BadInputError

__all__ = ["exact_duplicates", "known_windows", "memorisation_auc", "nearest_distances"]


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
    from scipy.stats import mannwhitneyu

    to_training, to_held_out = nearest_distances(sampled, training), nearest_distances(sampled, held_out)
    return float(mannwhitneyu(to_held_out, to_training).statistic / (len(sampled) ** 2))


def nearest_distances(windows: Windows, others: Windows) -> NDArray[np.float64]:
    """Squared Euclidean distance (of 0/1 counts: Hamming) from each window to the nearest of the others, (windows,)."""
    # float32 holds sums of small integers exactly up to 2**24
    largest = int(max(windows.max(initial=0), others.max(initial=0)))
    exact = np.float32 if largest**2 * windows[0].size < 2**24 else np.float64
    flat, other = (those.reshape(len(those), -1).astype(exact) for those in (windows, others))
    other_norm = np.square(other).sum(axis=1)
    nearest = np.empty(len(flat))
    for start in range(0, len(flat), ROWS):
        rows = flat[start : start + ROWS]
        nearest[start : start + ROWS] = (other_norm - 2 * rows @ other.T).min(axis=1) + np.square(rows).sum(axis=1)
    return nearest


def known_windows(counts: Iterable[NDArray[np.uint8]], window_bins: int) -> frozenset[bytes]:
    """Digests of every window with any spike, at every place of a recording's repeats, (bins, units) each."""
    known = set()
    for repeat in counts:
        for start in range(len(repeat) - window_bins + 1):
            window = repeat[start : start + window_bins]
            if window.any():
                known.add(_digest(window))
    return frozenset(known)


def exact_duplicates(sampled: Windows, known: frozenset[bytes]) -> float:
    """Share of the sampled windows with any spike that are among the known ones."""
    spiking = [_digest(window) for window in sampled if window.any()]
    return sum(digest in known for digest in spiking) / max(1, len(spiking))


def _digest(window: NDArray[np.uint8]) -> bytes:
    return blake2b(np.ascontiguousarray(window).data, digest_size=12).digest()
