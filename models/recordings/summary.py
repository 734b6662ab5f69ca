"""A recording in one line, with warnings of what is probably not as it was meant."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from spikeloop.models.html import ShownAsTable, Table
from spikeloop.models.recordings.condition import Condition
from spikeloop.models.recordings.plausibility import warnings_of
from spikeloop.models.recordings.recording import Recording, Signal

__all__ = ["RecordingSummary", "format_duration", "summarise"]

SHOWN_CONDITIONS = 4  # of one line; the others are counted


@dataclass(frozen=True, repr=False)
class RecordingSummary(ShownAsTable):
    """What a recording holds.

    Attributes
    ----------
    name, origin : str
    signal : "spikes" or "fluorescence"
    trials : int
        1 of a continuous recording.
    shortest_bins, longest_bins : int, bins
        Of a trial.
    units : int
    bin_size_s : float > 0, s
    duration_s : float > 0, s
        Of all trials together.
    mean_rate_hz, lowest_rate_hz, highest_rate_hz : float, Hz, or None
        Over units; None of fluorescence.
    lowest_value, highest_value : float
        Of the counts, or of the fluorescence.
    conditions : tuple of Condition
        With unit and range.
    warnings : tuple of str
        What is probably not as it was meant, each with the remedy.
    history : tuple of str
        What was done to the data since they left their file.
    """

    name: str
    origin: str
    signal: Signal
    trials: int
    shortest_bins: int
    longest_bins: int
    units: int
    bin_size_s: float
    duration_s: float
    mean_rate_hz: float | None
    lowest_rate_hz: float | None
    highest_rate_hz: float | None
    lowest_value: float
    highest_value: float
    conditions: tuple[Condition, ...]
    warnings: tuple[str, ...]
    history: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Describe the recording in types that JSON has."""
        described = asdict(self)
        return described | {key: list(described[key]) for key in ("conditions", "warnings", "history")}

    def __str__(self) -> str:
        return f"{self.name}: {self._size()}; {self._values()}; {self._conditions()}"

    def _size(self) -> str:
        bins = f"{self.longest_bins}"
        if self.shortest_bins < self.longest_bins:
            bins = f"{self.shortest_bins} to {self.longest_bins}"
        trials = "1 trial" if self.trials == 1 else f"{self.trials} trials"
        size = f"{trials} x {bins} bins x {self.units} unit{'' if self.units == 1 else 's'}"
        return f"{size}, {self.bin_size_s * 1000:g} ms bins, {format_duration(self.duration_s)}"

    def _values(self) -> str:
        if self.mean_rate_hz is None:
            return f"fluorescence {self.lowest_value:.3g} to {self.highest_value:.3g}"
        rates = f"mean rate {self.mean_rate_hz:.3g} Hz ({self.lowest_rate_hz:.3g} to {self.highest_rate_hz:.3g})"
        return f"{rates}, counts {self.lowest_value:g} to {self.highest_value:g}"

    def _conditions(self) -> str:
        if not self.conditions:
            return "no conditions"
        shown = [
            f"{channel.name} {channel.low:.3g} to {channel.high:.3g}{f' {channel.unit}' if channel.unit else ''}"
            for channel in self.conditions[:SHOWN_CONDITIONS]
        ]
        more = len(self.conditions) - len(shown)
        return f"conditions {', '.join(shown)}{f' and {more} more' if more else ''}"

    def _table(self) -> Table:
        rows = {"holds": self._size(), "values": self._values(), "conditions": self._conditions()}
        rows |= {f"warning {number}": warning for number, warning in enumerate(self.warnings, 1)}
        return f"Recording {self.name}", (), rows.items()


def summarise(recording: Recording, to_learn: bool = True) -> RecordingSummary:
    """Summarise a recording, and warn of what is probably not as it was meant.

    Parameters
    ----------
    recording : Recording
    to_learn : bool, default True
        As of `warnings_of`.

    Returns
    -------
    RecordingSummary

    Examples
    --------
    >>> import spikeloop
    >>> from spikeloop.models.recordings.summary import summarise
    >>> print(summarise(spikeloop.Recording.from_counts([[0, 1], [2, 0]] * 2000, bin_size_s=0.1)))
    recording: 1 trial x 4000 bins x 2 units, 100 ms bins, 6 min 40 s; mean rate 7.5 Hz (5 to 10), counts 0 to 2; no conditions
    """  # noqa: E501
    bins, of_spikes = recording.bins_of_repeats, recording.signal == "spikes"
    rates = recording.rates_hz
    lowest, highest = _extremes(recording)
    return RecordingSummary(
        name=recording.name,
        origin=recording.origin,
        signal=recording.signal,
        trials=recording.repeats,
        shortest_bins=int(bins.min()),
        longest_bins=int(bins.max()),
        units=recording.units,
        bin_size_s=recording.bin_size_s,
        duration_s=recording.duration_s,
        mean_rate_hz=float(np.clip(rates.mean(), rates.min(), rates.max())) if of_spikes else None,
        lowest_rate_hz=float(rates.min()) if of_spikes else None,
        highest_rate_hz=float(rates.max()) if of_spikes else None,
        lowest_value=lowest,
        highest_value=highest,
        conditions=recording.channels,
        warnings=warnings_of(recording, to_learn),
        history=recording.history,
    )


def _extremes(recording: Recording) -> tuple[float, float]:
    if recording.lengths is None:
        return float(recording.counts.min()), float(recording.counts.max())
    trials = [trial[:bins] for trial, bins in zip(recording.counts, recording.lengths, strict=True) if bins]
    return float(min(trial.min() for trial in trials)), float(max(trial.max() for trial in trials))


def format_duration(duration_s: float) -> str:
    """Write a duration in the two largest of its units: "1 h 15 min", "6 min 40 s", "12.5 s".

    Parameters
    ----------
    duration_s : float >= 0, s

    Examples
    --------
    >>> format_duration(4536), format_duration(12.5)
    ('1 h 16 min', '12.5 s')
    """
    if duration_s < 59.95:
        return f"{duration_s:.3g} s"
    seconds = round(duration_s)
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s" if seconds % 60 else f"{seconds // 60} min"
    minutes = round(duration_s / 60)
    days, hours = minutes // 1440, minutes // 60 % 24
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    return f"{hours} h {minutes % 60} min" if minutes % 60 else f"{hours} h"
