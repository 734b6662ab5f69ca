"""Which trial is meant by the number, or the name, of a trial that each spike has."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["trials_of_ids"]

SPREAD = 2  # as many numbers, from the first to the last, as there are trials with spikes: beyond, they are labels


def trials_of_ids(ids: NDArray) -> tuple[NDArray[np.int64], int, str]:
    """Number trials from 0 on, and keep the place of those without spikes.

    Whole numbers are counted on from the lowest: of 1, 2 and 4, these are the trials 0, 1 and 3, and trial 2 has no
    spike. Texts, and numbers of which fewer than half occur, are labels, which are sorted.

    Parameters
    ----------
    ids : array of shape (spikes,)
        Numbers or text.

    Returns
    -------
    trial : array of shape (spikes,), int64
    trials : int
        How many there are.
    numbering : str
        What was done, such as "1 to 4 are trials 0 to 3, of which 1 has no spike"; "" where ids are the numbers.
    """
    labels, which = np.unique(ids, return_inverse=True)
    which = which.reshape(-1).astype(np.int64)
    whole = labels.dtype.kind in "iu" or (labels.dtype.kind == "f" and bool((labels % 1 == 0).all()))
    spread = int(labels[-1]) - int(labels[0]) + 1 if whole and len(labels) else 0
    if not 0 < spread <= SPREAD * len(labels):
        numbering = (
            f"{labels[0]} to {labels[-1]} are trials 0 to {len(labels) - 1}, in this order" if len(labels) else ""
        )
        return which, len(labels), numbering
    trial = np.array([int(label) - int(labels[0]) for label in labels], np.int64)[which]
    silent = spread - len(labels)
    if not silent and labels[0] == 0:
        return trial, spread, ""
    numbering = f"{int(labels[0])} to {int(labels[-1])} are trials 0 to {spread - 1}"
    if silent:
        numbering += f", of which {silent} {'has' if silent == 1 else 'have'} no spike"
    return trial, spread, numbering
