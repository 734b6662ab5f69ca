"""The times of the samples of a series, in seconds by the clock of the spikes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.choices import TIME_UNITS, Choices, per_second
from spikeloop.exporters.formats.found import Binned, SpikeTrains
from spikeloop.exporters.formats.named.spike_times import scale_of_key
from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError

__all__ = ["Clock", "clock_of", "sample_times_s"]

IN_COMMON = 5e-3  # of the longer of two stretches of time; of times that are taken for 1000 times as long, 0.001


@dataclass(frozen=True)
class Clock:
    """What is known of the times of the spikes.

    Attributes
    ----------
    span_s : tuple of float, or None
        The times of the first and the last spike, or of the first and the last bin.
    per_second : float
        How many of the spikes' units of time make a second; 1 where they are numbers of samples.
    """

    span_s: tuple[float, float] | None
    per_second: float


def clock_of(spikes: SpikeTrains | Binned, key: str, choices: Choices) -> Clock:
    """Find when the spikes were, and in which unit of time.

    Parameters
    ----------
    spikes : SpikeTrains or Binned
        In seconds, unless `choices` name a unit of time.
    key : str
        Of the spikes.
    choices : Choices
        `time_unit`, `bin_size_s`.
    """
    unit = TIME_UNITS.get(choices.time_unit) or (1.0 if choices.time_unit else scale_of_key(key) or 1.0)
    if isinstance(spikes, SpikeTrains):
        ends = [(np.min(train), np.max(train)) for train in spikes.trains if len(train)]
        scale = per_second(choices.time_unit) if choices.time_unit else 1.0
        span = (float(np.min(ends)) / scale, float(np.max(ends)) / scale) if ends else (np.nan, np.nan)
        return Clock(span if np.isfinite(span).all() else None, unit)
    size = choices.bin_size_s if spikes.bin_size_s is None else spikes.bin_size_s
    in_trials = len(spikes.values) and np.ndim(spikes.values[0]) == 2
    bins = [len(trial) for trial in spikes.values] if in_trials else [len(spikes.values)]
    if size is None or (spikes.starts_s is None and len(bins) > 1):
        return Clock(None, unit)
    starts = np.zeros(1) if spikes.starts_s is None else np.asarray(spikes.starts_s, np.float64)
    return Clock((float(starts.min()), float((starts + size * np.array(bins)).max())), unit)


def sample_times_s(times: NDArray[Any], name: str, clock: Clock) -> Floats:
    """Bring times into seconds: by the unit that their name ends in, else as seconds or in the unit of the spikes.

    Of these two, times are taken in the one in which they have more in common with the spikes.

    Parameters
    ----------
    times : array of shape (samples,)
    name : str
        Such as "t" or "cursor_times_ms".
    clock : Clock

    Returns
    -------
    array of shape (samples,), s

    Raises
    ------
    BadInputError
        If the name ends in no unit, and the times don't fit the spikes in either.
    """
    stated = scale_of_key(name)
    if stated is not None:
        return times.astype(np.float64) / stated
    shares = {scale: _in_common(times, scale, clock) for scale in (1.0, clock.per_second)}
    best = max(shares, key=lambda scale: shares[scale])
    if clock.span_s is not None and shares[best] < IN_COMMON:
        raise BadInputError(
            f"--condition: expected the times of its samples in {name} to be seconds by the clock of the spikes, which"
            f" are from {clock.span_s[0]:g} to {clock.span_s[1]:g} s, found {np.nanmin(times):g} to"
            f" {np.nanmax(times):g}; give the array a name that ends in its unit, such as {name}_ms or {name}_s"
        )
    return times.astype(np.float64) / best


def _in_common(times: NDArray[Any], scale: float, clock: Clock) -> float:
    """Return what share of the longer stretch samples and spikes have in common; 1 where that is not known."""
    known = times[np.isfinite(times)] / scale
    if clock.span_s is None or len(known) < 2:
        return 1.0
    low, high, (first, last) = float(known.min()), float(known.max()), clock.span_s
    common, longest = min(high, last) - max(low, first), max(high - low, last - first)
    return common / longest if longest > 0 else float(common == 0)
