"""Recordings as objects of Neo, pynapple and pandas, where those are installed."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Counts, Floats
from spikeloop.models.packages import import_package
from spikeloop.models.recordings.binning import Binning
from spikeloop.models.recordings.provenance import Provenance
from spikeloop.models.recordings.repeats import begins_of, join_recorded, split_repeats
from spikeloop.models.recordings.spike_times import spike_times_in_bins
from spikeloop.models.recordings.timed_spikes import SpikeTimes, of_stretches, spikes_by_unit

__all__ = ["Convertible", "to_neo", "to_pandas", "to_pynapple"]


class Convertible(Protocol):
    """What a conversion reads of a recording."""

    @property
    def counts(self) -> Counts: ...

    @property
    def conditions(self) -> Any: ...

    @property
    def lengths(self) -> tuple[int, ...] | None: ...

    @property
    def starts_s(self) -> tuple[float, ...] | None: ...

    @property
    def bins_of_repeats(self) -> NDArray[np.int64]: ...

    @property
    def bin_size_s(self) -> float: ...

    @property
    def unit_names(self) -> tuple[str, ...]: ...

    @property
    def channels(self) -> tuple[Any, ...]: ...

    @property
    def signal(self) -> str: ...

    @property
    def spike_times(self) -> SpikeTimes | None: ...

    @property
    def name(self) -> str: ...

    @property
    def origin(self) -> str: ...

    @property
    def binning(self) -> Binning | None: ...

    @property
    def history(self) -> tuple[str, ...]: ...

    @property
    def provenance(self) -> Provenance | None: ...

    @property
    def repeats(self) -> int: ...

    @property
    def bins(self) -> int: ...

    @property
    def units(self) -> int: ...

    @property
    def duration_s(self) -> float: ...

    @property
    def rates_hz(self) -> Floats: ...


def to_neo(recording: Convertible) -> Any:
    """Convert to a `neo.Block` with one segment for each repeat; see `Recording.to_neo`."""
    neo, quantities = import_package("neo", "this conversion"), import_package("quantities", "this conversion")
    block = neo.Block(name=recording.name, description=recording.origin)
    period, second = recording.bin_size_s * quantities.s, quantities.s

    def signals(values: np.ndarray, name: str, labels: list[str], start: Any) -> Any:
        return neo.AnalogSignal(
            values, units="dimensionless", sampling_period=period, t_start=start, name=name,
            array_annotations={"labels": labels},
        )  # fmt: skip

    values = (split_repeats(part, recording.lengths) for part in (recording.counts, recording.conditions))
    starts_s = recording.starts_s or (0.0,) * len(recording.counts)
    for number, (counts, conditions, start_s) in enumerate(zip(*values, starts_s, strict=True)):
        start = start_s * second
        segment = neo.Segment(name=f"repeat {number}", index=number)
        if recording.signal == "spikes":
            stop_s = start_s + len(counts) * recording.bin_size_s
            for unit_name, times in zip(recording.unit_names, _trains(recording, number, counts, start_s), strict=True):
                first, last = (float(edge) for edge in (times.min(initial=start_s), times.max(initial=stop_s)))
                train = neo.SpikeTrain(times * second, t_start=first * second, t_stop=last * second, name=unit_name)
                segment.spiketrains.append(train)
        else:
            segment.analogsignals.append(signals(counts, recording.signal, list(recording.unit_names), start))
        if recording.channels:
            labels = [f"{channel.name} ({channel.unit})" for channel in recording.channels]
            segment.analogsignals.append(signals(conditions, "conditions", labels, start))
        block.segments.append(segment)
    return block


def _trains(recording: Convertible, repeat: int, counts: Counts, start_s: float) -> list[Floats]:
    """Return the spike times of each unit in one repeat, as they were, or else placed evenly in their bins."""
    if recording.spike_times is None:
        return [start_s + times for times in spike_times_in_bins(counts, recording.bin_size_s)]
    own = of_stretches(recording.spike_times, recording.counts, [(repeat, 0, len(counts))])
    return spikes_by_unit(own, counts.shape[1])


def to_pynapple(recording: Convertible) -> Any:
    """Convert to a dictionary of `pynapple.TsdFrame`; see `Recording.to_pynapple`."""
    nap = import_package("pynapple", "this conversion")
    lengths, size_s = recording.bins_of_repeats, recording.bin_size_s
    begins = begins_of(lengths, size_s, recording.starts_s)
    times = np.concatenate(
        [begin + (np.arange(bins) + 0.5) * size_s for begin, bins in zip(begins, lengths, strict=True)]
    )

    def frame(values: np.ndarray, columns: list[str]) -> Any:
        return nap.TsdFrame(t=times, d=join_recorded(values, recording.lengths), columns=columns)

    frames = {recording.signal: frame(recording.counts, list(recording.unit_names))}
    if recording.channels:
        frames["conditions"] = frame(recording.conditions, [channel.name for channel in recording.channels])
    return frames | {"repeats": nap.Ts(t=begins)}


def to_pandas(recording: Convertible) -> Any:
    """Convert to a `pandas.DataFrame`; see `Recording.to_pandas`."""
    pandas = import_package("pandas", "this conversion")
    repeat = np.repeat(np.arange(len(recording.counts)), recording.bins_of_repeats)
    rows = pandas.MultiIndex.from_arrays([repeat, _bin_starts(recording)], names=["repeat", "time_s"])
    counts, conditions = (join_recorded(part, recording.lengths) for part in (recording.counts, recording.conditions))
    table = pandas.DataFrame(counts, index=rows, columns=list(recording.unit_names))
    for index, channel in enumerate(recording.channels):
        table.insert(counts.shape[1] + index, channel.name, conditions[:, index], allow_duplicates=True)
    return table


def _bin_starts(recording: Convertible) -> Floats:
    """When each recorded bin begins, by the recording's clock, or else from its repeat's beginning."""
    starts_s = recording.starts_s or (0.0,) * len(recording.counts)
    own = [np.arange(bins) * recording.bin_size_s for bins in recording.bins_of_repeats]
    return np.concatenate([start + times for start, times in zip(starts_s, own, strict=True)])
