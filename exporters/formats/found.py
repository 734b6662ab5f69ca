"""What a reader finds in a file, before any choice has been made: spikes, and what was recorded beside them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats
from spikeloop.models.recordings.provenance import Provenance
from spikeloop.models.recordings.timed_spikes import SpikeTimes

__all__ = ["Binned", "Found", "Intervals", "Item", "Series", "SpikeTrains"]


@dataclass(frozen=True)
class Item:
    """One thing in a file, as `spikeloop inspect` and error messages list it.

    Attributes
    ----------
    path : str
        The name to ask for it by, such as "spikes" or "processing/behavior/Velocity".
    what : str
        What it is or could be, in a word or two: "counts", "spike times", "series", "trials", "text".
    shape : tuple of int
    dtype : str
    unit : str
    rate_hz : float > 0, Hz, or None
        Of a series that is sampled regularly.
    """

    path: str
    what: str
    shape: tuple[int, ...] = ()
    dtype: str = ""
    unit: str = ""
    rate_hz: float | None = None

    def __str__(self) -> str:
        size = f" {self.shape}" if self.shape else ""
        return f"{self.path}{size}"


@dataclass(frozen=True, eq=False)
class SpikeTrains:
    """Spike times of units.

    Attributes
    ----------
    trains : sequence of arrays of shape (spikes of the unit,), s
        In any order.
    trial_of_spike : sequence of arrays of shape (spikes of the unit,), int, or None
        The trial of each spike. Times count from the beginning of each trial; beside `Found.trials`, which says when
        each was, they are on the clock of the session.
    start_s, stop_s : float, s, or None
        Where the recording, or each trial, begins and ends; None where the file does not say.
    bin_size_s : float > 0, s, or None
        Of the bins in which they were counted before, in a file of ours; used where no other size is chosen.
    trials : int or None
        How many trials there are, with those that have no spike; None counts up to the last one that has.
    """

    trains: Sequence[NDArray[Any]]
    trial_of_spike: Sequence[NDArray[np.int64]] | None = None
    start_s: float | None = None
    stop_s: float | None = None
    bin_size_s: float | None = None
    trials: int | None = None


@dataclass(frozen=True, eq=False)
class Binned:
    """Spikes that are counted already, or fluorescence.

    Attributes
    ----------
    values : array of shape (trials, bins, units), or a sequence of arrays of shape (bins, units)
        NaN where nothing was recorded, as beyond the end of a short trial.
    bin_size_s : float > 0, s, or None
        None where the file does not say.
    starts_s : array of shape (trials,), s, or None
        When the first bin of each trial begins.
    signal : "spikes" or "fluorescence"
    spike_times : SpikeTimes or None
        When each of the counted spikes came, where a file of ours says so, even if these are other spikes.
    """

    values: NDArray[Any] | Sequence[NDArray[Any]]
    bin_size_s: float | None = None
    starts_s: Floats | None = None
    signal: Literal["spikes", "fluorescence"] = "spikes"
    spike_times: SpikeTimes | None = None


@dataclass(frozen=True, eq=False)
class Series:
    """Something that was recorded beside the spikes, which may become conditions.

    Attributes
    ----------
    values : array of shape (samples, channels), or (trials, bins, channels) where `times_s` is None
        NaN where nothing was recorded.
    times_s : array of shape (samples,), s, or None
        When each sample was taken, by the clock of the spikes; None where there is one sample for each bin.
    names : tuple of str
        One for each channel.
    units : tuple of str
        One for each channel; "" where it is not known.
    ranges : tuple of dict, or None
        "low", "high", "rest" and "cyclic" of each channel, where a file of ours states them.
    stops_s : array of shape (samples,), s, or None
        Of values that hold from `times_s` up to here, such as the target of a trial.
    """

    values: NDArray[Any]
    times_s: Floats | None
    names: tuple[str, ...]
    units: tuple[str, ...]
    ranges: tuple[dict[str, Any], ...] | None = None
    stops_s: Floats | None = None


@dataclass(frozen=True, eq=False)
class Intervals:
    """Trials of a continuous recording, by the clock of the spikes; arrays of shape (trials,), s."""

    starts_s: Floats
    stops_s: Floats


@dataclass(frozen=True, eq=False)
class Found:
    """What a file holds, as far as it was asked for.

    Attributes
    ----------
    spikes : SpikeTrains or Binned
    unit_names : tuple of str, or None
        None names them "unit 0", "unit 1", ...
    unit_labels : tuple of str, or None
        What the sorter or curator called each unit, such as "good" or "mua".
    trials : Intervals or None
        Trials into which a continuous recording can be cut; where spikes have a `trial_of_spike`, when each of their
        trials begins and ends.
    series : tuple of Series
        What was asked for as conditions; where nothing was, what the file itself calls conditions.
    name, origin : str
    history : tuple of str
        What the reader did to the data, one sentence each.
    chosen_by_number : bool
        Whether `--units 3-5` means units whose names end in these numbers, as of clusters, and not their places.
    provenance : Provenance or None
        What made the spikes, where a file of ours says so.
    contradictions : tuple of str
        Where a file of ours says the same thing twice, and not alike; a sentence each.
    """

    spikes: SpikeTrains | Binned
    unit_names: tuple[str, ...] | None = None
    unit_labels: tuple[str, ...] | None = None
    trials: Intervals | None = None
    series: tuple[Series, ...] = ()
    name: str = "recording"
    origin: str = ""
    history: tuple[str, ...] = field(default=())
    chosen_by_number: bool = False
    provenance: Provenance | None = None
    contradictions: tuple[str, ...] = ()
