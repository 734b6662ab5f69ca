"""What is probably not as it was meant in a recording: axes, bin size, units of time, silent and copied units."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.plural import number_of
from spikeloop.models.recordings.orientation import orientation_warning
from spikeloop.models.recordings.recording import Recording

__all__ = ["warnings_of"]

HIGHEST_MEAN_HZ = 200.0  # no population fires faster on average; single fast units do, in bursts
LOWEST_MEAN_HZ = 0.02  # a spike a minute: real units fire more, but for those that the sorter should have left out
LEAST_BINS = 1000  # of all trials: a fifth is held out, and must still hold some windows of 32 to 128 bins
STRETCHES = 500  # of a recording, in which units of the same counts have as many spikes
LEAST_IN_COPY = 10  # spikes: two units with fewer may agree by chance
LEAST_MULTIPLES = 20  # filled bins, of at least two heights, before a common divisor says anything
LEAST_RISES = 5  # of a unit whose values never fall
AT_ONCE = 2**22  # counts, so that little memory is needed
NAMED = 3  # units that a warning names


def warnings_of(recording: Recording, to_learn: bool = True) -> tuple[str, ...]:
    """List what is probably not as it was meant, each in one sentence with the remedy.

    Parameters
    ----------
    recording : Recording
    to_learn : bool, default True
        Whether models are to be trained on it or compared with it, for which few bins are too little.

    Returns
    -------
    tuple of str
        Empty where all looks well.
    """
    found = [*_of_shape(recording, to_learn), *_of_conditions(recording)]
    if recording.signal == "spikes":
        found += [*_of_values(recording), *_of_units(recording)]
    return tuple(found)


def _of_shape(recording: Recording, to_learn: bool) -> Iterator[str]:
    bins, units = recording.recorded_bins, recording.units
    if units > bins:
        yield (
            f"more units ({units}) than bins ({bins}): is the order of the axes right, or are the counts transposed?"
            " give --transpose, or leave it out where it was given, or say the order with --axes units,bins; else"
            " choose smaller bins with --bin-size-ms"
        )
    elif (said := orientation_warning(recording)) is not None:
        yield said
    elif to_learn and bins < LEAST_BINS:
        yield (
            f"only {bins} bins, which is little to train on or to compare with ({LEAST_BINS} or more are better):"
            " give a longer recording, or smaller bins with --bin-size-ms where the file has spike times"
        )


def _of_values(recording: Recording) -> Iterator[str]:
    counts, mean_hz = recording.counts, float(recording.rates_hz.mean())
    if _look_like_times(recording):
        yield (
            "the values never fall from bin to bin, as times do, and counts do not: name the array of times with"
            " --key and that of their units with --unit-key"
        )
        return
    multiple = _common_multiple(counts)
    if multiple > 1:
        yield (
            f"every count is a multiple of {multiple}: if the values are rates in Hz of bins of {1000 / multiple:g}"
            f" ms, give --bin-size-ms {1000 / multiple:g}; else divide them by {multiple}"
        )
    if mean_hz > HIGHEST_MEAN_HZ:
        mean = float(counts.sum(dtype=np.float64)) / max(1, recording.recorded_bins * recording.units)
        yield (
            f"a mean rate of {mean_hz:.3g} Hz is more than a population fires: give the right --bin-size-ms"
            f" ({recording.bin_size_s * 1000:g} ms now) or, of spike times, --time-unit; if the values are rates in"
            f" Hz (mean {mean:.3g}), turn them into counts"
        )
    elif 0 < mean_hz < LOWEST_MEAN_HZ:
        yield (
            f"a mean rate of {mean_hz:.2g} Hz is less than a population fires: give the right --bin-size-ms"
            f" ({recording.bin_size_s * 1000:g} ms now) or, of spike times, --time-unit"
        )


def _look_like_times(recording: Recording) -> bool:
    """Whether most units with spikes rise again and again in the first trial, and never fall."""
    trial = recording.counts[0, : recording.bins_of_repeats[0]]
    if len(trial) <= LEAST_RISES:
        return False
    beginning = np.diff(trial[:200].astype(np.int16), axis=0)
    if (beginning < 0).any(axis=0).mean() > 0.5:
        return False
    rises, falls = np.zeros(recording.units, np.int64), np.zeros(recording.units, np.bool_)
    step = max(1, AT_ONCE // recording.units)
    for first in range(0, len(trial) - 1, step):
        before, after = trial[first : first + step], trial[first + 1 : first + step + 1]
        before = before[: len(after)]
        rises += (after > before).sum(axis=0)
        falls |= (after < before).any(axis=0)
    active = trial.any(axis=0)
    rising = (rises >= LEAST_RISES) & ~falls
    return bool(active.any() and rising[active].mean() > 0.5)


def _common_multiple(counts: NDArray[np.unsignedinteger]) -> int:
    """The largest number that divides every count; 1 where there are too few to tell."""
    flat = counts.reshape(-1)
    numbers, heights = np.zeros(int(counts.max(initial=0)) + 1, np.int64), np.empty(0, np.int64)
    for first in range(0, len(flat), AT_ONCE):
        numbers += np.bincount(flat[first : first + AT_ONCE], minlength=len(numbers))
        heights = np.flatnonzero(numbers[1:]) + 1
        if len(heights) and np.gcd.reduce(heights) == 1:
            return 1
    if len(heights) < 2 or numbers[1:].sum() < LEAST_MULTIPLES:
        return 1
    return int(np.gcd.reduce(heights))


def _of_units(recording: Recording) -> Iterator[str]:
    course = _course(recording)
    spikes = course.sum(axis=0)
    silent = np.flatnonzero(spikes == 0)
    if len(silent) == recording.units:
        yield "no unit has a spike: choose other times, trials or units with --start, --stop, --trials, --units"
        return
    if len(silent):
        yield (
            f"{_units(recording, silent)} without a spike, which a model can't learn: leave them out with --units, or"
            " expect them to stay silent"
        )
    copies = _copies(recording, course)
    if copies:
        pairs = [f"{recording.unit_names[copy]} of {recording.unit_names[unit]}" for unit, copy in copies[:NAMED]]
        more = len(copies) - len(pairs)
        yield (
            f"{len(copies)} unit{'s are copies' if len(copies) > 1 else ' is a copy'} of another"
            f" ({', '.join(pairs)}{f' and {more} more' if more else ''}): leave the copies out with --units"
        )


def _units(recording: Recording, chosen: NDArray[np.int64]) -> str:
    named = ", ".join(recording.unit_names[number] for number in chosen[:NAMED])
    more = f" and {len(chosen) - NAMED} more" if len(chosen) > NAMED else ""
    return f"{number_of(len(chosen), 'unit')} ({named}{more})"


def _course(recording: Recording) -> NDArray[np.int64]:
    """Sum the counts of each unit over stretches of the recording, (stretches, units)."""
    counts = recording.counts.reshape(-1, recording.units)
    edges = np.unique(np.linspace(0, len(counts), STRETCHES + 1, dtype=np.int64)).tolist()
    return np.array([counts[first:last].sum(axis=0, dtype=np.int64) for first, last in pairwise(edges)])


def _copies(recording: Recording, course: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Units that have the very counts of an earlier one, with that one; those of unequal course aren't compared."""
    found: list[tuple[int, int]] = []
    firsts: dict[bytes, list[int]] = {}
    for unit in np.flatnonzero(course.sum(axis=0) >= LEAST_IN_COPY).tolist():
        alike = firsts.setdefault(course[:, unit].tobytes(), [])
        original = next((o for o in alike if _equal(recording, o, unit)), None)
        if original is None:
            alike.append(unit)
        else:
            found.append((original, unit))
    return found


def _equal(recording: Recording, one: int, other: int) -> bool:
    return np.array_equal(recording.counts[..., one], recording.counts[..., other])


def _of_conditions(recording: Recording) -> Iterator[str]:
    if recording.driven_by is None or not recording.channels:
        return
    values = recording.conditions[recording.recorded]
    constant = np.flatnonzero(values.min(axis=0) == values.max(axis=0))
    if len(constant):
        named = ", ".join(recording.channels[number].name for number in constant[:NAMED])
        more = f" and {len(constant) - NAMED} more" if len(constant) > NAMED else ""
        yield (
            f"constant throughout, so that no model can learn from it: {named}{more}; choose other conditions with"
            " --condition NAME=PATH"
        )
