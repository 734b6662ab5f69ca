"""Which trial is meant: by its begin and end, or by the number or name of a trial that each spike has."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.spike_times import Trials, range_of, trains_of
from spikeloop.models.scalars import shown

__all__ = ["stretches_of", "trials_of_ids"]

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


def stretches_of(
    trains: Sequence[Floats],
    spikes: tuple[ArrayLike, ArrayLike],
    trials: ArrayLike | None,
    bin_size_s: float,
    start_s: float | None,
    stop_s: float | None,
    name: str,
) -> tuple[Trials, list[NDArray[np.int64]] | None]:
    """Return the stretches of time in which spikes are counted, and the trial of each spike where spikes name it.

    Parameters
    ----------
    trains : sequence of arrays, s
        The spikes of each unit.
    spikes : (array, array)
        Times and units of the same spikes, as they were given.
    trials : array of shape (trials, 2), s, or (spikes,), or None
        As of `Recording.from_spike_times`, like `start_s`, `stop_s` and `name`.
    bin_size_s : float > 0, s
    start_s, stop_s : float, s, or None
    name : str

    Raises
    ------
    BadInputError
        If trials have another shape, or no bin fits.
    """
    times, unit_ids = spikes
    if trials is None:
        return range_of(trains, bin_size_s, start_s, stop_s, name), None
    if np.ndim(trials) == 1 and np.shape(trials) == np.shape(times):
        trial, number, _ = trials_of_ids(np.asarray(trials))
        one = range_of(trains, bin_size_s, start_s, stop_s, name)
        which, _ = trains_of(trial, unit_ids, name)
        stretches = Trials(np.repeat(one.starts_s, number), np.repeat(one.bins, number))
        return stretches, [train.astype(np.int64) for train in which]
    if np.ndim(trials) == 2 and np.shape(trials)[1] == 2:
        begin, end = np.asarray(trials, np.float64).T
        return Trials.between(begin, end, bin_size_s, name), None
    raise BadInputError(
        f"{name}: expected trials of shape (trials, 2), of begin and end, or a trial for each of the"
        f" {sum(map(len, trains))} spikes, found {shown(trials)}"
    )
