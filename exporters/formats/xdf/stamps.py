"""When the samples of a regular stream were taken: what its step really is, and where samples are missing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats

__all__ = ["Timing", "timing_of"]

SAME_RATE = 0.01  # relative: a nominal rate that is nearer to the stamps is kept
BURST = 0.25  # of a step: samples nearer than that were stamped together, and the last one's stamp is the right one
WIDE = 1.25  # of a step: where samples may be missing
SHIFT = 0.5  # of a step, by which all later samples come late, where samples are missing
REGULAR, NEAR = 0.6, 0.5  # share of steps that are, and how near they are to the median one, relative
SURE = 4.0  # standard errors
LEAST, MOST = 3, 50  # samples of which the median is taken, to free it from jitter; one of exact stamps
FAR, BLOCKS = 450, 150  # samples, and such medians, before and after a place where samples may be missing
EXACT = 0.02  # of a step, by which exact stamps may differ from equal steps
MANY = 500  # places to look at, one by one
BACK = -10.0  # steps: stamps that go back further are of another clock


@dataclass(frozen=True, eq=False)
class Timing:
    """How a regular stream was sampled.

    Attributes
    ----------
    step_s : float > 0, s
        From sample to sample.
    stamps_s : array of shape (samples,), s
        Free from jitter.
    begins : tuple of int
        The first sample of each stretch without interruption.
    missing : int
        How many samples are missing between the stretches.
    """

    step_s: float
    stamps_s: Floats
    begins: tuple[int, ...]
    missing: int


def timing_of(stamps_s: Floats, resets: Sequence[int], nominal_s: float | None) -> Timing | None:
    """Find the step of a stream, and where samples are missing.

    Jitter is tolerated, and so are samples that were stamped in bursts, as they arrived: samples are missing where all
    later ones come later than those before.

    Parameters
    ----------
    stamps_s : array of shape (samples,), s
    resets : sequence of int
        The first sample of each stretch of one clock, from 0 on.
    nominal_s : float > 0, s, or None
        The step that the stream states; None where it states no rate.

    Returns
    -------
    Timing or None
        None where the stream states no rate and isn't regular.
    """
    inside = np.ones(max(0, len(stamps_s) - 1), bool)
    inside[[begin - 1 for begin in resets if begin]] = False
    step = _rough_step(stamps_s, inside, nominal_s)
    if step is None:
        return None
    inside &= np.diff(stamps_s) > BACK * step
    resets = [0, *(int(place) + 1 for place in np.flatnonzero(~inside))]
    begins = tuple(resets)
    measured, error = step, np.inf
    for _ in range(3):
        begins = tuple(sorted({*resets, *_late(stamps_s, inside, resets, measured)}))
        measured, error = _slope(stamps_s, begins, measured)
    other = nominal_s is None or abs(measured / nominal_s - 1) > max(SAME_RATE, SURE * error / nominal_s)
    longest = int(np.diff([*begins, len(stamps_s)]).max())
    kept = _rounded(measured, longest) if other or nominal_s is None else nominal_s
    stamps = _even(stamps_s, begins, measured)
    cuts = [begin for begin in begins if begin not in set(resets)]
    missing = sum(max(1, round((stamps[cut] - stamps[cut - 1]) / measured - 1)) for cut in cuts)
    return Timing(kept, stamps, begins, missing)


def _rough_step(stamps: Floats, inside: NDArray[np.bool_], nominal: float | None) -> float | None:
    steps = np.diff(stamps)[inside]
    if not len(steps):
        return nominal
    median = float(np.median(steps))
    regular = median > 0 and float((np.abs(steps / median - 1) < NEAR).mean()) >= REGULAR
    if nominal is None:
        return median if regular else None
    if regular and float(np.median(np.abs(steps / median - 1))) < EXACT:
        return median
    far = min(100, len(stamps) - 1)
    of_many = float(np.median((stamps[far:] - stamps[:-far]) / far))
    if regular and abs(of_many / nominal - 1) > 0.002 and abs(of_many / median - 1) < 0.02:
        return of_many
    if any(abs(rough / nominal - 1) < 0.05 for rough in (median, of_many)):
        return nominal
    rough = median if regular else of_many
    return rough if rough > 0 else nominal


def _kept(stamps: Floats, begins: Sequence[int], step: float) -> NDArray[np.int64]:
    """Return the last sample of each burst."""
    last = np.append(np.diff(stamps) >= BURST * step, True)
    last[[begin - 1 for begin in begins if begin]] = True
    return np.flatnonzero(last)


def _late(stamps: Floats, inside: NDArray[np.bool_], resets: Sequence[int], step: float) -> list[int]:
    """Return the samples before which others are missing."""
    wide = np.flatnonzero((np.diff(stamps) > WIDE * step) & inside)
    if not len(wide):
        return []
    kept = _kept(stamps, resets, step)
    late = stamps[kept] / step - kept  # in steps; the same for all samples, but for jitter
    moves = np.diff(late)
    noise = 1.4826 * float(np.median(np.abs(moves - np.median(moves)))) / np.sqrt(2)
    width = int(np.clip(np.ceil((SURE * 1.25 * np.sqrt(2) * noise / SHIFT) ** 2), 1 if noise < EXACT else LEAST, MOST))
    least = max(SHIFT, SURE * 1.25 * noise * np.sqrt(2 / width))
    places = np.searchsorted(kept, wide) + 1
    if len(places) > MANY:
        places = places[_means_rise(late, places, width) > least / 2]
    bounds = np.searchsorted(kept, [*resets, len(stamps)])
    last = len(late) - (LEAST if len(kept) < len(stamps) / 2 else 0)  # the last of bursts may not be whole
    found: list[int] = []
    for place in places[places <= last].tolist():
        segment = int(np.searchsorted(bounds, place, "right")) - 1
        low, high = max(bounds[segment], found[-1] if found else 0), bounds[segment + 1]
        again = bool(found) and place - found[-1] < width
        low = max(bounds[segment], found[-2] if len(found) > 1 else 0) if again else low
        if _lowest(late[place:high], width) - _highest(late[low:place], width) > least:
            if again and moves[place - 1] > moves[found[-1] - 1]:
                found[-1] = place
            elif not again:
                found.append(place)
    return [int(kept[place - 1]) + 1 for place in found]


def _means_rise(late: Floats, places: NDArray[np.int64], width: int) -> Floats:
    sums = np.concatenate([[0.0], np.cumsum(late - late[0])])
    low, high = np.maximum(places - width, 0), np.minimum(places + width, len(late))
    return (sums[high] - sums[places]) / (high - places) - (sums[places] - sums[low]) / (places - low)


def _medians(values: Floats, width: int) -> Floats:
    blocks = min(len(values) // width, max(BLOCKS, FAR // width))
    return (
        np.median(values[: blocks * width].reshape(blocks, width), axis=1) if blocks else np.array([np.median(values)])
    )


def _lowest(after: Floats, width: int) -> float:
    return float(_medians(after, width).min())


def _highest(before: Floats, width: int) -> float:
    return float(_medians(before[::-1], width).max())


def _slope(stamps: Floats, begins: Sequence[int], step: float) -> tuple[float, float]:
    """Return the step that fits all stretches best, and its standard error; the given one where none can be fitted."""
    kept = _kept(stamps, begins, step)
    stretch = np.searchsorted(begins, kept, "right") - 1
    number = np.maximum(np.bincount(stretch, minlength=len(begins)), 1)
    x, y = (
        values - (np.bincount(stretch, values, len(begins)) / number)[stretch]
        for values in (kept.astype(np.float64), stamps[kept] - stamps[0])
    )
    spread, free = float(x @ x), len(kept) - len(begins) - 1
    if not spread or free < 1:
        return step, np.inf
    slope = float(x @ y) / spread
    return (slope, float(np.sqrt(((y - slope * x) ** 2).sum() / free / spread))) if slope > 0 else (step, np.inf)


def _rounded(step: float, samples: int) -> float:
    """Return a round rate or step, where it lets no sample of a stretch be off by a tenth of a step."""
    for digits in (2, 3, 4, 5):
        for near in (float(f"{step:.{digits}g}"), 1 / float(f"{1 / step:.{digits}g}")):
            if abs(near / step - 1) * samples < 0.1:
                return near
    return step


def _even(stamps: Floats, begins: Sequence[int], step: float) -> Floats:
    """Return stamps in equal steps from the beginning of each stretch."""
    kept, even = _kept(stamps, begins, step), np.empty(len(stamps))
    for begin, end in zip(begins, [*begins[1:], len(stamps)], strict=True):
        first, last = np.searchsorted(kept, [begin, end])
        known = kept[first : min(last, first + 1000)]
        even[begin:end] = np.median(stamps[known] - (known - begin) * step) + np.arange(end - begin) * step
    return even
