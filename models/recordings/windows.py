"""Pieces of a recording: windows side by side or at random places, and parts to judge by."""

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.recording import Recording, part_of

__all__ = ["BLOCKS", "cut_windows", "hold_out", "random_windows"]

BLOCKS = 20  # that a recording without repeats is cut into, where parts of it are drawn at random


def cut_windows(recording: Recording, window_bins: int) -> NDArray[np.uint8]:
    """Cut every repeat into adjacent windows; none crosses from one repeat into the next.

    Returns
    -------
    array of shape (windows, window_bins, units). What is left at a repeat's end is dropped.

    Raises
    ------
    BadInputError
        If a repeat is shorter than a window.
    """
    per_repeat = recording.bins // window_bins
    if per_repeat == 0:
        raise BadInputError(
            f"{recording.name}: expected repeats of at least {window_bins} bins (one window), found {recording.bins}"
        )
    return recording.counts[:, : per_repeat * window_bins].reshape(-1, window_bins, recording.units)


def random_windows(recording: Recording, window_bins: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """Windows at random places inside repeats, as many as would lie side by side.

    A fixed grid would show only as many phases of a repeated stimulus as a repeat has windows, and would sample
    every phase evenly, which no model that draws its windows one by one can do.

    Returns
    -------
    array of shape (blocks, windows, window_bins, units), a block being a repeat. A recording of fewer than
    `BLOCKS` repeats is cut into contiguous blocks, where they are long enough.

    Raises
    ------
    BadInputError
        If a repeat is shorter than a window.
    """
    counts = _blocks(recording, window_bins)
    blocks, bins, _ = counts.shape
    if bins < window_bins:
        raise BadInputError(
            f"{recording.name}: expected repeats of at least {window_bins} bins (one window), found {bins}"
        )
    first = random.integers(bins - window_bins + 1, size=(blocks, bins // window_bins))
    return counts[np.arange(blocks)[:, np.newaxis, np.newaxis], first[:, :, np.newaxis] + np.arange(window_bins)]


def _blocks(recording: Recording, window_bins: int) -> NDArray[np.uint8]:
    """The counts in `BLOCKS` stretches of time or more, (blocks, bins, units), or in fewer of two windows each."""
    pieces = min(-(-BLOCKS // recording.repeats), recording.bins // (2 * window_bins))
    if pieces < 2:
        return recording.counts
    bins = recording.bins // pieces
    return recording.counts[:, : pieces * bins].reshape(-1, bins, recording.units)


def hold_out(recording: Recording, every: int) -> tuple[Recording, Recording]:
    """Split off data to judge by: every `every`-th repeat, or the last part where there are too few repeats.

    Returns
    -------
    (training, held out), of which the second is 1 / `every` of the whole
    """
    if every < 2:
        raise BadInputError(f"expected to hold out one part in 2 or more, found one in {every}; raise --hold-out")
    if recording.repeats >= every:
        held = np.arange(recording.repeats) % every == every - 1
        parts = part_of(recording, ~held), part_of(recording, held)
    else:
        cut = recording.bins - recording.bins // every
        if cut == recording.bins:
            raise BadInputError(
                f"{recording.name}: expected at least {every} bins, to hold out one in {every}, found {recording.bins};"
                " lower --hold-out"
            )
        parts = part_of(recording, bins=slice(cut)), part_of(recording, bins=slice(cut, None))
    return parts
