"""Segments of a recording: windows side by side or at random places, and parts that are held out."""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.cutting import part_of, split_where
from spikeloop.models.recordings.recording import Recording

__all__ = [
    "BLOCKS",
    "LEAST_HELD_BINS",
    "STRETCHES",
    "count_short",
    "cut_conditions",
    "cut_windows",
    "hold_out",
    "holds_out_repeats",
    "long_enough",
    "random_blocks",
    "random_places",
    "random_window_count",
    "random_windows",
    "stretches_held_out",
]

BLOCKS = 20  # that a recording without repeats is cut into, where parts of it are drawn at random
STRETCHES = 5  # of a recording with too few repeats, of each of which the last part is held out
LEAST_HELD_BINS = 256  # of each such part: eight windows of 32 bins
LEAST_TO_SPARE_ONE = 4  # windows that fit; with fewer, one less would leave too much of a repeat out
MOST_UNEVEN = 2  # times as long as all repeats may those be, on average, that are held out


def cut_windows(recording: Recording, window_bins: int) -> NDArray[np.uint8]:
    """Cut every repeat into adjacent windows; none crosses from one repeat into the next.

    Parameters
    ----------
    recording : Recording
    window_bins : int >= 1

    Returns
    -------
    array of shape (windows, window_bins, units)
        What is left at a repeat's end is dropped, and so are repeats shorter than a window.

    Raises
    ------
    BadInputError
        If every repeat is shorter than a window.
    """
    return _cut(recording, recording.counts, window_bins)


def cut_conditions(recording: Recording, window_bins: int) -> NDArray[np.float32]:
    """Cut what drove the population as `cut_windows` cuts its counts, (windows, window_bins, channels)."""
    return _cut(recording, recording.conditions, window_bins)


def _cut(recording: Recording, values: NDArray[Any], window_bins: int) -> NDArray[Any]:
    _require_one_window(recording, window_bins)
    channels = values.shape[2]  # may be 0, of which no number of windows can be inferred
    if recording.lengths is None:
        windows = recording.bins // window_bins
        return values[:, : windows * window_bins].reshape(len(values) * windows, window_bins, channels)
    fitting = [bins // window_bins for bins in recording.lengths]
    parts = [
        row[: windows * window_bins].reshape(windows, window_bins, channels)
        for row, windows in zip(values, fitting, strict=True)
    ]
    return np.concatenate(parts)


def _require_one_window(recording: Recording, window_bins: int) -> None:
    if recording.bins < window_bins:
        raise BadInputError(
            f"{recording.name}: expected repeats of at least {window_bins} bins (one window), found {recording.bins}"
        )


def count_short(recording: Recording, window_bins: int) -> int:
    """Count the repeats that are shorter than a window, and so are left out."""
    return int((recording.bins_of_repeats < window_bins).sum())


def long_enough(recording: Recording, window_bins: int) -> Recording:
    """Leave out the repeats that are shorter than a window; where all are, keep all."""
    enough = recording.bins_of_repeats >= window_bins
    return recording if enough.all() or not enough.any() else part_of(recording, enough)


def random_places(
    number: int, bins: int | NDArray[np.int64], window_bins: int, random: np.random.Generator
) -> NDArray[np.int64]:
    """Draw the first bins of windows at random places, so that every bin of a repeat is covered about equally often.

    Places drawn evenly would cover the middle of a repeat up to `window_bins` times as often as its ends. Here the
    repeat is laid out in adjacent windows, one less than fit; the bins left over make two gaps of random lengths, each
    before a random window or after the last. One of the windows is drawn. With n windows every bin is covered at
    least 1 - 2 / n times as often as any other, and with four windows or more a window may begin at any bin.

    Parameters
    ----------
    number : int
        Windows to place.
    bins : int, or array of shape (number,)
        Of a repeat, or of each place's own repeat; at least `window_bins`.
    window_bins : int >= 1
    random : numpy.random.Generator

    Returns
    -------
    array of shape (number,), int64
    """
    fitting = bins // window_bins
    windows = fitting - (fitting >= LEAST_TO_SPARE_ONE)
    left_over = bins - windows * window_bins
    window = random.integers(windows, size=number)
    gap = random.integers(left_over + 1, size=number)
    before, other = random.integers(windows + 1, size=(2, number))
    return window * window_bins + np.where(window >= before, gap, 0) + np.where(window >= other, left_over - gap, 0)


def random_windows(recording: Recording, window_bins: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """Cut windows at random places inside repeats, as many as would lie side by side; see `random_places`.

    They are drawn one by one. Windows side by side would sample every phase of a repeated stimulus equally often,
    which no model that draws its windows one by one can do.

    Returns
    -------
    array of shape (blocks, windows, window_bins, units)
        A block is a repeat. A recording of fewer than `BLOCKS` repeats is cut into contiguous blocks, where they are
        long enough. Of repeats of unequal length each window is a block of its own; see `random_blocks`.

    Raises
    ------
    BadInputError
        If every repeat is shorter than a window.
    """
    if recording.lengths is not None:
        return np.concatenate(random_blocks(recording, window_bins, random))[:, np.newaxis]
    counts = _blocks(recording, window_bins)
    blocks, bins, _ = counts.shape
    _require_one_window(recording, window_bins)
    first = random_places(blocks * (bins // window_bins), bins, window_bins, random).reshape(blocks, -1)
    return counts[np.arange(blocks)[:, np.newaxis, np.newaxis], first[:, :, np.newaxis] + np.arange(window_bins)]


def random_blocks(recording: Recording, window_bins: int, random: np.random.Generator) -> list[NDArray[np.uint8]]:
    """Cut windows at random places, by blocks of windows that lie near each other.

    Returns
    -------
    list of array of shape (windows, window_bins, units)
        The blocks of `random_windows`. Of repeats of unequal length a block is a repeat, or one of several stretches of
        a long one, and has as many windows as its share of all bins, so that every bin is covered about equally often.

    Raises
    ------
    BadInputError
        If every repeat is shorter than a window.
    """
    if recording.lengths is None:
        return list(random_windows(recording, window_bins, random))
    _require_one_window(recording, window_bins)
    repeat, begin, bins = _stretches(recording.bins_of_repeats, window_bins)
    share = np.concatenate(([0.0], np.cumsum(bins) / bins.sum()))
    ends = np.floor(share * random_window_count(recording, window_bins) + random.random()).astype(np.int64)
    block = np.repeat(np.arange(len(bins)), np.diff(ends))
    first = begin[block] + random_places(len(block), bins[block], window_bins, random)
    windows = recording.counts[repeat[block][:, np.newaxis], first[:, np.newaxis] + np.arange(window_bins)]
    return [part for part in np.split(windows, ends[1:-1]) if len(part)]


def _stretches(
    lengths: NDArray[np.int64], window_bins: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Cut repeats that hold more than a share of all bins into stretches: the repeat, first bin and bins of each."""
    kept = np.flatnonzero(lengths >= window_bins)
    least = max(2 * window_bins, -(-int(lengths[kept].sum()) // BLOCKS))
    number = np.maximum(1, lengths[kept] // least)
    edges = [np.arange(parts + 1) * bins // parts for parts, bins in zip(number, lengths[kept], strict=True)]
    begin, bins = (np.concatenate(values) for values in ([edge[:-1] for edge in edges], [*map(np.diff, edges)]))
    return np.repeat(kept, number), begin, bins


def random_window_count(recording: Recording, window_bins: int) -> int:
    """Count the windows that `random_windows` draws from this recording."""
    if recording.lengths is not None:
        return int((recording.bins_of_repeats // window_bins).sum())
    blocks, bins, _ = _blocks(recording, window_bins).shape
    return blocks * (bins // window_bins)


def _blocks(recording: Recording, window_bins: int) -> NDArray[np.uint8]:
    """Cut counts into `BLOCKS` stretches of time or more, (blocks, bins, units), or fewer of two windows each."""
    segments = min(-(-BLOCKS // recording.repeats), recording.bins // (2 * window_bins))
    if segments < 2:
        return recording.counts
    bins = recording.bins // segments
    return recording.counts[:, : segments * bins].reshape(-1, bins, recording.units)


def hold_out(recording: Recording, every: int, stretches: int = STRETCHES) -> tuple[Recording, Recording]:
    """Split off data to judge by: every `every`-th repeat, or parts spread over time where there are too few repeats.

    A session drifts. Were its end held out alone, a model would be judged by a population that it never saw.

    Parameters
    ----------
    recording : Recording
    every : int >= 2
    stretches : int >= 1
        At most, of each repeat where there are too few; fewer, so that of each 256 bins or more are held out.

    Returns
    -------
    training, held_out : Recording
        Of n repeats, n // `every` are held out: 1 of 9 where `every` is 5. Fewer repeats than `every` are cut into
        stretches of time of equal length, of each of which the last n-th is held out. So are repeats of so unequal
        length that those held out would be less than half, or more than twice, as long as all are on average.

    Raises
    ------
    BadInputError
        If `every` is too small or too large.
    """
    if every < 2:
        raise BadInputError(f"expected to hold out one part in 2 or more, found one in {every}; raise --hold-out")
    if holds_out_repeats(recording, every):
        held = _held(recording, every)
        return part_of(recording, ~held), part_of(recording, held)
    if recording.bins < every:
        raise BadInputError(
            f"{recording.name}: expected at least {every} bins, to hold out one in {every}, found {recording.bins};"
            " lower --hold-out"
        )
    trained = np.zeros((recording.repeats, recording.bins), bool)
    for row, bins in zip(trained, recording.bins_of_repeats, strict=True):
        parts = _parts(bins, every, stretches)
        edges = np.arange(parts + 1) * bins // parts
        for begin, end in pairwise(edges.tolist()):
            row[begin : end - (end - begin) // every] = True
    return split_where(recording, trained), split_where(recording, ~trained)


def stretches_held_out(recording: Recording, every: int, stretches: int = STRETCHES) -> int:
    """Return the number of stretches that `hold_out` cuts the longest repeat into.

    They are as many as asked for, or fewer, so that each part that is held out has 256 bins or more.
    """
    return _parts(recording.bins, every, stretches)


def _parts(bins: int, every: int, stretches: int) -> int:
    return int(np.clip(bins // (every * LEAST_HELD_BINS), 1, stretches))


def holds_out_repeats(recording: Recording, every: int) -> bool:
    """Say whether `hold_out` leaves out whole repeats, and not parts of each."""
    if recording.repeats < every:
        return False
    if recording.lengths is None:
        return True
    held = _held(recording, every)
    uneven = recording.bins_of_repeats[held].mean() / recording.bins_of_repeats.mean()
    return bool(1 / MOST_UNEVEN <= uneven <= MOST_UNEVEN)


def _held(recording: Recording, every: int) -> NDArray[np.bool_]:
    return np.arange(recording.repeats) % every == every - 1
