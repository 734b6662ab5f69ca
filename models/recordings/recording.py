"""A recording: spike counts of a population in equal bins, over one or more repeats, and what drove it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikeloop.models.arrays import Counts, Floats
from spikeloop.models.recordings.binning import Binning, bin_trains
from spikeloop.models.recordings.checks import (
    checked_bin_size,
    checked_counts,
    checked_fluorescence,
    checked_names,
)
from spikeloop.models.recordings.condition import Condition
from spikeloop.models.recordings.converted import ConvertedRecording
from spikeloop.models.recordings.provenance import Provenance, Signal
from spikeloop.models.recordings.repeats import recorded_rows
from spikeloop.models.recordings.spike_times import Trials, trains_of
from spikeloop.models.recordings.timed_spikes import SpikeTimes
from spikeloop.models.recordings.trial_ids import stretches_of
from spikeloop.models.scalars import checked_number, checked_text

__all__ = [
    "Recording",
    "Signal",
    "from_counts",
    "from_fluorescence",
]


@dataclass(frozen=True, eq=False, repr=False)
class Recording(ConvertedRecording):
    """Spike counts of a population, and what drove it.

    Attributes
    ----------
    counts : array of shape (repeats, bins, units), uint8
        A continuous recording is one repeat; a recording in trials has a repeat for each. Time runs on inside a
        repeat, never from one to the next. Of imaging, `signal` "fluorescence", the values are float32, 0 or more,
        and no counts.
    bin_size_s : float > 0, s
    unit_names : tuple of str
        One for each unit.
    name, origin : str
        What it is called, and where it comes from.
    signal : "spikes" or "fluorescence"
    channels : tuple of Condition
        What drove the population; empty where nothing was recorded or wanted.
    driven_by : array of shape (repeats, bins, channels), float32, or None
        In the channels' units.
    binning : Binning or None
        How spike times became counts, where they did.
    lengths : tuple of int, or None
        Recorded bins of each repeat, where they differ; beyond these, counts and conditions are 0 and mean nothing.
    starts_s : tuple of float, s, or None
        When the first bin of each repeat began, by the recording's own clock; None where that is not known.
    history : tuple of str
        What was done to the data since they left their file, one sentence each.
    provenance : Provenance or None
        What made the spikes, where they were generated.
    spike_times : SpikeTimes or None
        When each spike came, where that is known and `starts_s` too.
    unfit_times : bool
        Whether its file holds times of spikes that are not those of the counts, and that were left out therefore.
    contradictions : tuple of str
        Where its file says the same thing twice, and not alike; a sentence each.

    Examples
    --------
    >>> import spikeloop
    >>> recording = spikeloop.Recording.from_counts([[0, 1], [2, 0], [0, 0]], bin_size_s=0.02)
    >>> recording.counts.shape, recording.rates_hz.round(1).tolist()
    ((1, 3, 2), [33.3, 16.7])
    """

    counts: Counts
    bin_size_s: float
    unit_names: tuple[str, ...]
    name: str = "recording"
    origin: str = ""
    signal: Signal = "spikes"
    channels: tuple[Condition, ...] = ()
    driven_by: NDArray[np.float32] | None = None
    binning: Binning | None = None
    lengths: tuple[int, ...] | None = None
    starts_s: tuple[float, ...] | None = None
    history: tuple[str, ...] = ()
    provenance: Provenance | None = None
    spike_times: SpikeTimes | None = None
    unfit_times: bool = False
    contradictions: tuple[str, ...] = ()

    @classmethod
    def from_counts(
        cls,
        counts: ArrayLike,
        bin_size_s: float,
        unit_names: Sequence[str] | None = None,
        name: str = "recording",
        origin: str = "",
    ) -> "Recording":
        """Make a recording from spike counts.

        Parameters
        ----------
        counts : array of shape (bins, units) or (repeats, bins, units)
            Whole numbers from 0 to 255.
        bin_size_s : float from 1e-5 to 10, s
        unit_names : sequence of str, default "unit 0", "unit 1", ...
            One for each unit, printable.
        name, origin : str
            What it is called, and where it comes from.

        Raises
        ------
        BadInputError
            If the array has another shape, is empty, or holds anything but such counts.
        """
        name, origin = checked_text("name", name), checked_text("origin", origin)
        array = checked_counts(counts, name)
        names = checked_names(unit_names, array.shape[2], name)
        return cls(array, checked_bin_size(bin_size_s, name), names, name, origin)

    @classmethod
    def from_fluorescence(
        cls,
        values: ArrayLike,
        bin_size_s: float,
        unit_names: Sequence[str] | None = None,
        name: str = "recording",
        origin: str = "",
    ) -> "Recording":
        """Make a recording from fluorescence traces.

        Parameters
        ----------
        values : array of shape (frames, units) or (repeats, frames, units)
            Finite and 0 or more; a bin is a frame.
        bin_size_s, unit_names, name, origin
            As of `from_counts`.

        Raises
        ------
        BadInputError
            If the array has another shape, is empty, or holds anything else.
        """
        name, origin = checked_text("name", name), checked_text("origin", origin)
        array = checked_fluorescence(values, name)
        names = checked_names(unit_names, array.shape[2], name)
        return cls(array, checked_bin_size(bin_size_s, name), names, name, origin, "fluorescence")

    @classmethod
    def from_spike_times(
        cls,
        times: ArrayLike,
        unit_ids: ArrayLike,
        bin_size_s: float,
        start: float | None = None,
        stop: float | None = None,
        trials: ArrayLike | None = None,
        rate_hz: float | None = None,
        name: str = "recording",
        origin: str = "",
    ) -> "Recording":
        """Make a recording from spike times.

        A spike belongs to the bin that its time falls into; within a millionth of a bin below an edge it belongs to
        the bin that begins there, so that no rounding moves a spike. Times in any order, several spikes of a unit at
        one time, and spikes before `start` or after `stop` are accepted; `binning` says how many there were.

        Parameters
        ----------
        times : array of shape (spikes,), s
            Or, with `rate_hz`, numbers of samples.
        unit_ids : array of shape (spikes,)
            The unit of each spike, as whole numbers or text. Units are sorted; their names are "unit 7", or the text.
        bin_size_s : float from 1e-5 to 10, s
        start : float, s, default the earliest spike, rounded down to a multiple of the bin size
            Where the first bin begins; in trials whose spikes are numbered, where each begins.
        stop : float, s, default the end of the latest spike's bin
            Where the recording ends; spikes at `stop` or later are left out, and so is a last bin that is not whole.
        trials : array of shape (trials, 2), s, or of shape (spikes,), optional
            Begin and end of each trial, by the clock of the spikes; or the number of each spike's trial, where times
            count from the trial's own beginning. Numbers count on from the lowest: of 0, 1 and 3, trial 2 has no spike
            (but numbers of which fewer than half occur, and texts, are labels, which are sorted).
        rate_hz : float > 0, Hz, optional
            Sampling rate, where `times` are numbers of samples.
        name, origin : str
            What it is called, and where it comes from.

        Raises
        ------
        BadInputError
            If times and units don't fit together, times are not finite, no bin fits between start and stop, or a bin
            has more than 255 spikes of a unit.

        Examples
        --------
        >>> import spikeloop
        >>> times, units = [0.01, 0.03, 1.02], ["a", "b", "a"]
        >>> recording = spikeloop.Recording.from_spike_times(times, units, 0.02, trials=[[0, 0.1], [1, 1.06]])
        >>> recording.counts[..., 0].tolist(), recording.lengths
        ([[1, 0, 0, 0, 0], [0, 1, 0, 0, 0]], (5, 3))
        """
        size = checked_bin_size(bin_size_s, name)
        trains, names = trains_of(times, unit_ids, name)
        if rate_hz is not None:
            rate_hz = checked_number("rate_hz", rate_hz, 1e-3, 1e12, "Hz")
            trains = [train / rate_hz for train in trains]
        stretches, which = stretches_of(trains, (times, unit_ids), trials, size, start, stop, name)
        return cls.from_trains(trains, size, stretches, names, name, origin, which)

    @classmethod
    def from_trains(
        cls,
        trains: Sequence[NDArray[Any]],
        bin_size_s: float,
        trials: Trials,
        unit_names: Sequence[str] | None = None,
        name: str = "recording",
        origin: str = "",
        trial_of_spike: Sequence[NDArray[np.int64]] | None = None,
    ) -> "Recording":
        """Make a recording from the spike times of each unit; see `spike_times.bin_trains`."""
        counts, binning = bin_trains(trains, bin_size_s, trials, trial_of_spike, name)
        name, origin = checked_text("name", name), checked_text("origin", origin)
        names = checked_names(unit_names, counts.shape[2], name)
        lengths = tuple(trials.bins.tolist())
        return cls(
            counts,
            checked_bin_size(bin_size_s, name),
            names,
            name,
            origin,
            binning=binning,
            lengths=None if len(set(lengths)) == 1 else lengths,
            starts_s=tuple(trials.starts_s.tolist()),
        )

    @property
    def conditions(self) -> NDArray[np.float32]:
        """What drove the population, array of shape (repeats, bins, channels)."""
        nothing = np.zeros((*self.counts.shape[:2], 0), np.float32)
        return nothing if self.driven_by is None else self.driven_by

    @property
    def units(self) -> int:
        """Number of units."""
        return self.counts.shape[2]

    @property
    def bins(self) -> int:
        """Bins of one repeat, the longest."""
        return self.counts.shape[1]

    @property
    def repeats(self) -> int:
        """Number of repeats; 1 of a continuous recording."""
        return self.counts.shape[0]

    @property
    def bins_of_repeats(self) -> NDArray[np.int64]:
        """Recorded bins of each repeat, array of shape (repeats,)."""
        return np.full(self.repeats, self.bins) if self.lengths is None else np.array(self.lengths)

    @property
    def recorded(self) -> NDArray[np.bool_]:
        """Whether each bin was recorded, array of shape (repeats, bins); False beyond the end of a short repeat."""
        return np.arange(self.bins) < self.bins_of_repeats[:, np.newaxis]

    @property
    def recorded_bins(self) -> int:
        """Recorded bins of all repeats together."""
        return int(self.bins_of_repeats.sum())

    @property
    def duration_s(self) -> float:
        """Duration of all repeats together, s."""
        return self.recorded_bins * self.bin_size_s

    @property
    def rates_hz(self) -> Floats:
        """Mean firing rate of each unit, array of shape (units,), Hz; of fluorescence, NaN."""
        if self.signal != "spikes":
            return np.full(self.units, np.nan)
        return recorded_rows(self.counts, self.lengths).sum(axis=(0, 1), dtype=np.float64) / self.duration_s


from_counts, from_fluorescence = Recording.from_counts, Recording.from_fluorescence
