"""What a recording becomes for people, in JSON and in other libraries, as its methods."""

from dataclasses import asdict
from typing import Any

from spikeloop.models.html import ShownAsTable, Table
from spikeloop.models.recordings import conversions
from spikeloop.models.recordings.conversions import Convertible

__all__ = ["ConvertedRecording"]


class ConvertedRecording(ShownAsTable):
    """The conversions of a recording, which needs what `Convertible` says."""

    def to_dict(self: Convertible) -> dict[str, Any]:
        """Describe the recording, without its arrays, in types that JSON has."""
        return {
            "name": self.name,
            "origin": self.origin,
            "signal": self.signal,
            "repeats": self.repeats,
            "bins": self.bins,
            "units": self.units,
            "bin_size_s": self.bin_size_s,
            "duration_s": self.duration_s,
            "mean_rate_hz": float(self.rates_hz.mean()) if self.signal == "spikes" else None,
            "unit_names": list(self.unit_names),
            "conditions": [asdict(channel) for channel in self.channels],
            "binning": None if self.binning is None else asdict(self.binning),
            "lengths": None if self.lengths is None else list(self.lengths),
            "starts_s": None if self.starts_s is None else list(self.starts_s),
            "history": list(self.history),
            "provenance": None if self.provenance is None else asdict(self.provenance),
        }

    def _table(self: Convertible) -> Table:
        rows = {
            "origin": self.origin,
            "counts": f"{self.counts.shape} (repeats, bins, units), {self.counts.dtype}",
            "bin size": f"{self.bin_size_s * 1000:g} ms",
            "duration": f"{self.duration_s:g} s",
            "conditions": ", ".join(f"{channel.name} ({channel.unit})" for channel in self.channels) or "none",
        }
        if self.signal == "spikes":
            rows["mean rate"] = f"{self.rates_hz.mean():.3g} Hz"
        return f"Recording {self.name}", (), rows.items()

    def to_neo(self: Convertible) -> Any:
        """Convert to a `neo.Block`, with one segment for each repeat.

        A segment has a `SpikeTrain` for each unit, with the spikes' own times where `spike_times` has them, else with
        the n spikes of a bin placed evenly inside it; and one `AnalogSignal` of the conditions, if there are any.
        Fluorescence becomes an `AnalogSignal`. A segment begins at `starts_s`, where that is known, else at 0.

        Raises
        ------
        FailureError
            If Neo is not installed.
        """
        return conversions.to_neo(self)

    def to_pynapple(self: Convertible) -> dict[str, Any]:
        """Convert to pynapple: a `TsdFrame` "spikes" (or "fluorescence"), and one "conditions" if there are any.

        Times are the middles of the bins, by the clock of `starts_s`, where that is known and repeats don't overlap;
        else repeats follow each other. "repeats" is a `Ts` of where each begins.

        Raises
        ------
        FailureError
            If pynapple is not installed.
        """
        return conversions.to_pynapple(self)

    def to_pandas(self: Convertible) -> Any:
        """Convert to a `pandas.DataFrame` of one row for each bin, by repeat and time of the bin's beginning.

        Times are those of the clock of `starts_s`, where that is known, else they count from the repeat's beginning.
        Columns are the units, by name, and after them the conditions.

        Raises
        ------
        FailureError
            If pandas is not installed.
        """
        return conversions.to_pandas(self)
