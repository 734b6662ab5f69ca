"""What was recorded beside the spikes, brought onto the bins; and gaps in it, filled or left out."""

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.found import Series
from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.condition import LONGEST_NAME, Condition, conditions_from, conditions_of, is_sound
from spikeloop.models.recordings.conditioning import one_for_each_bin
from spikeloop.models.recordings.cutting import split_where
from spikeloop.models.recordings.physical_units import factor_between
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.spike_times import EDGE_TOLERANCE

__all__ = ["fill_gaps", "in_unit", "on_bins", "with_series"]

SAME_PACE = 1.01  # bins between the samples of a series, from which on it is slower than the bins


def in_unit(series: Series, wanted: str | None) -> Series:
    """Bring a series into the unit that was asked for: converted where both are lengths or speeds, else called so."""
    if wanted is None or not series.units:
        return series
    factors = [factor_between(stated, wanted) or 1.0 for stated in series.units]
    values = series.values if set(factors) == {1.0} else series.values * np.array(factors)
    return replace(series, values=values, units=(wanted,) * len(series.units))


def with_series(recording: Recording, series: Series) -> Recording:
    """Attach one more series as conditions; NaN where it was not recorded, for `fill_gaps`.

    Raises
    ------
    BadInputError
        If it does not fit the bins.
    """
    values = _as_bins(recording, series) if series.times_s is None else on_bins(recording, series)
    before = recording.driven_by
    driven_by = values if before is None else np.concatenate([before, values], axis=2)
    channels = tuple(Condition(name, unit, 0.0, 0.0) for name, unit in zip(series.names, series.units, strict=True))
    if series.ranges is not None:
        channels = conditions_from(
            [vars(channel) | given for channel, given in zip(channels, series.ranges, strict=True)], recording.name
        )
    taken = {channel.name for channel in recording.channels}
    if twice := [channel.name for channel in channels if channel.name in taken]:
        raise BadInputError(f"--condition: expected names of their own, found {twice[0]!r:.60} twice")
    return replace(recording, driven_by=driven_by, channels=(*recording.channels, *channels))


def _as_bins(recording: Recording, series: Series) -> NDArray[np.float32]:
    """Check a series that has one sample for each bin."""
    values = np.asarray(series.values)
    if values.ndim == 2 and _fits(recording, values):
        values = values.reshape(recording.repeats, -1, values.shape[1])
    with np.errstate(over="ignore"):
        return one_for_each_bin(recording, values, len(series.names)).astype(np.float32)


def _fits(recording: Recording, values: NDArray) -> bool:
    return recording.lengths is None and len(values) == recording.repeats * recording.bins


def on_bins(recording: Recording, series: Series) -> NDArray[np.float32]:
    """Average a sampled series in each bin; one that is sampled more slowly is interpolated at the bin's middle.

    Parameters
    ----------
    recording : Recording
        With `starts_s`.
    series : Series
        With times, by the clock of the spikes.

    Returns
    -------
    array of shape (repeats, bins, channels), float32
        NaN where the series has no samples: before its first and after its last one, where its own samples are NaN,
        and between samples more than two bins and two of its own usual intervals apart. A bin with a sample of a slow
        series, but none on its other side, has that sample.

    Raises
    ------
    BadInputError
        If the recording has no times, or samples are infinite.
    """
    assert series.times_s is not None
    begins_s = (0.0,) if recording.starts_s is None and recording.repeats == 1 else recording.starts_s
    if begins_s is None:
        raise BadInputError(f"{recording.name}: no times of its trials, so that --condition can't be matched to them")
    if series.stops_s is not None:
        return _held(recording, series, series.stops_s, begins_s)
    times, values = np.asarray(series.times_s, np.float64), np.asarray(series.values, np.float64)
    if np.isinf(values).any():
        sample, channel = np.argwhere(np.isinf(values))[0]
        raise BadInputError(
            f"{recording.name}: expected conditions that are finite, found infinity in {series.names[channel]}, sample"
            f" {sample}"
        )
    known = np.isfinite(times) & np.isfinite(values).all(axis=1)
    order = np.argsort(times[known], kind="stable")
    times, values = times[known][order], values[known][order]
    result = np.full((*recording.counts.shape[:2], values.shape[1]), np.nan, np.float32)
    if not len(times):
        return result
    size, usual = recording.bin_size_s, float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    summed = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    for repeat, (start, bins) in enumerate(zip(begins_s, recording.bins_of_repeats, strict=True)):
        edges = start + np.arange(bins + 1) * size
        place = np.searchsorted(times, edges - EDGE_TOLERANCE * size)  # as spikes on an edge are counted
        number = np.diff(place)
        with np.errstate(invalid="ignore", divide="ignore"):
            means = (summed[place[1:]] - summed[place[:-1]]) / number[:, np.newaxis]
        between = _between(times, values, edges[:-1] + size / 2, 2 * max(size, usual))
        averaged = number[:, np.newaxis] > 0
        if usual > size * SAME_PACE:
            averaged = averaged & np.isnan(between)
        result[repeat, :bins] = np.where(averaged, means, between)
    return result


def _held(recording: Recording, series: Series, stops_s: Floats, begins_s: Sequence[float]) -> NDArray[np.float32]:
    """Give each bin the value that holds at its middle; of several, the one that began last."""
    starts, values = np.asarray(series.times_s, np.float64), np.asarray(series.values, np.float64)
    known = np.flatnonzero(np.isfinite(starts) & np.isfinite(stops_s))
    known = known[np.argsort(starts[known], kind="stable")]
    result = np.full((*recording.counts.shape[:2], values.shape[1]), np.nan, np.float32)
    for repeat, (start, bins) in enumerate(zip(begins_s, recording.bins_of_repeats, strict=True)):
        middles = start + (np.arange(bins) + 0.5) * recording.bin_size_s
        for row in known[(starts[known] <= middles[-1]) & (stops_s[known] >= middles[0])]:
            first, last = np.searchsorted(middles, (starts[row], stops_s[row]))
            result[repeat, first:last] = values[row]
    return result


def _between(times: Floats, values: Floats, at: Floats, longest: float) -> Floats:
    """Interpolate linearly between samples that are close enough to each other; NaN elsewhere."""
    after = np.searchsorted(times, at)
    inside = (after > 0) & (after < len(times))
    after = np.clip(after, 1, max(1, len(times) - 1))
    if len(times) == 1:
        return np.full((len(at), values.shape[1]), np.nan)
    left, right = times[after - 1], times[after]
    close = inside & (right - left <= longest * (1 + 1e-9))
    share = ((at - left) / np.where(right > left, right - left, 1.0))[:, np.newaxis]
    return np.where(close[:, np.newaxis], values[after - 1] * (1 - share) + values[after] * share, np.nan)


def fill_gaps(recording: Recording, max_gap_s: float, held: Collection[str] = ()) -> Recording:
    """Interpolate conditions over gaps of up to `max_gap_s`, and leave out the bins of longer ones.

    A recording that loses bins is cut there, into repeats of unequal lengths. What was done is in its history.

    Parameters
    ----------
    recording : Recording
    max_gap_s : float >= 0, s
    held : collection of str
        Conditions whose values hold until the next one, such as a target; they keep the last value over a gap.

    Raises
    ------
    BadInputError
        If no bin is left, or conditions are infinite.
    """
    values = recording.driven_by
    if values is None:
        return recording
    recorded = recording.recorded
    if np.isinf(values[recorded]).any():
        repeat, bin_, channel = np.argwhere(np.isinf(values) & recorded[..., np.newaxis])[0]
        raise BadInputError(
            f"{recording.name}: expected conditions that are finite as float32, found infinity in"
            f" {recording.channels[channel].name}, trial {repeat}, bin {bin_}"
        )
    missing = np.isnan(values).any(axis=2) & recorded
    history: list[str] = []
    left = recorded
    if missing.any():
        longest = int(max_gap_s / recording.bin_size_s + 1e-6)
        values, filled = _interpolated(values, missing, recorded, longest, [c.name in held for c in recording.channels])
        history = _what_was_missing(recording, missing, filled, max_gap_s)
        left = recorded & (filled | ~missing)
    values = np.where(recorded[..., np.newaxis], np.nan_to_num(values), 0).astype(np.float32)
    if not left.any():
        raise BadInputError(f"{recording.name}: {history[0]}; no bin is left: choose other conditions, or times")
    recording = replace(recording, driven_by=values, history=(*recording.history, *history))
    if not (left == recorded).all():
        recording = split_where(recording, left)
    return replace(recording, channels=_with_ranges(recording))


def _with_ranges(recording: Recording) -> tuple[Condition, ...]:
    """Give conditions whose range no file states that of their values."""
    channels = recording.channels
    measured = conditions_of(
        recording.conditions[recording.recorded],
        [channel.name for channel in channels],
        [channel.unit for channel in channels],
    )
    ranged = tuple(
        found if channel.low == channel.high == 0.0 else channel
        for channel, found in zip(channels, measured, strict=True)
    )
    if odd := [channel for channel in ranged if not is_sound(channel)]:
        raise BadInputError(
            f"{recording.name}: expected a name and a unit for every condition, printable and of up to"
            f" {LONGEST_NAME} letters, found {odd[0].name!r:.80} in {odd[0].unit!r:.80}"
        )
    return ranged


def _interpolated(
    values: NDArray[np.float32],
    missing: NDArray[np.bool_],
    recorded: NDArray[np.bool_],
    longest: int,
    held: Sequence[bool],
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Fill each channel over the gaps of up to `longest` bins that have values on both sides."""
    values, filled = values.copy(), np.zeros_like(missing)
    for repeat in np.flatnonzero(missing.any(axis=1)):
        bins = int(recorded[repeat].sum())
        steps = np.diff(np.concatenate(([0], missing[repeat, :bins].astype(np.int8), [0])))
        begins, ends = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
        for begin, end in zip(begins, ends, strict=True):
            if begin > 0 and end < bins and end - begin <= longest:
                filled[repeat, begin:end] = True
        at = np.flatnonzero(filled[repeat])
        for channel in range(values.shape[2]):
            known = np.flatnonzero(np.isfinite(values[repeat, :bins, channel]))
            gap = at[np.isnan(values[repeat, at, channel])]
            if len(gap) and held[channel]:
                values[repeat, gap, channel] = values[repeat, known[np.searchsorted(known, gap) - 1], channel]
            elif len(gap):
                values[repeat, gap, channel] = np.interp(gap, known, values[repeat, known, channel])
    return values, filled


def _what_was_missing(
    recording: Recording, missing: NDArray[np.bool_], filled: NDArray[np.bool_], max_gap_s: float
) -> list[str]:
    repeat, bin_ = np.argwhere(missing)[0]
    where = f"first in bin {bin_}" if recording.repeats == 1 else f"first in trial {repeat}, bin {bin_}"
    values = recording.conditions
    named = [
        channel.name
        for number, channel in enumerate(recording.channels)
        if np.isnan(values[..., number][recording.recorded]).any()
    ]
    left_out, total = int((missing & ~filled).sum()), recording.recorded_bins
    done = []
    if filled.any():
        done.append(f"{int(filled.sum())} interpolated (gaps of up to {max_gap_s * 1000:g} ms)")
    if left_out:
        done.append(f"{left_out} left out with their spikes")
    return [f"{', '.join(named)}: missing in {int(missing.sum())} of {total} bins, {where}; {', '.join(done)}"]
