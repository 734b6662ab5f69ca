"""How a replay ran: for programs, for people, and for a notebook."""

from dataclasses import dataclass
from typing import Any

from spikeloop.exporters.documents import json_values
from spikeloop.models.html import ShownAsTable, Table
from spikeloop.models.significant import significant

__all__ = ["ReplayReport", "StreamSent", "status_words"]


@dataclass(frozen=True)
class StreamSent:
    """What went out of one stream.

    Attributes
    ----------
    name : str
        Under which it went out.
    recorded_as : str
        Its name in the file; NAME#NUMBER of several of one name.
    type, format : str
    channels : int
    nominal_rate_hz : float >= 0, Hz
        As recorded; 0 of an irregular stream.
    samples : int
        In the part that is replayed.
    sent : int
        That went out, over all passes.
    """

    name: str
    recorded_as: str
    type: str
    format: str
    channels: int
    nominal_rate_hz: float
    samples: int
    sent: int

    @property
    def label(self) -> str:
        """Its name, and what it is in the file where that is another."""
        return self.name if self.recorded_as == self.name else f"{self.name} (of {self.recorded_as})"


@dataclass(frozen=True, repr=False)
class ReplayReport(ShownAsTable):
    """How a replay ran; `print(report)` shows it.

    Attributes
    ----------
    file : str
        Its path, or the recording's name.
    streams : tuple of StreamSent
    speed : float
    start_s, stop_s : float, s
        The part that was replayed, since the file's first sample.
    position_s : float, s
        The time of the file that was reached.
    samples, passes : int
        Samples that went out, of counts bins, and how often the end was reached.
    lateness_ms : dict of float, ms
        p50, p99 and max, from when samples were due to when they went out.
    late : int
        Times that samples went out more than a millisecond late.
    cpu_cores : float
        Processor time of the whole process over time passed.
    notes : tuple of str
        What was odd in the file: clocks that were set anew, damage.
    stream : dict or None
        Of a recording's counts: what `spikeloop stream --json` prints, but for what made the spikes.
    """

    file: str
    streams: tuple[StreamSent, ...]
    speed: float
    start_s: float
    stop_s: float
    position_s: float
    samples: int
    passes: int
    lateness_ms: dict[str, float]
    late: int
    cpu_cores: float
    notes: tuple[str, ...] = ()

    stream: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the document that `spikeloop replay --json` prints, all of what JSON holds."""
        return json_values(self)

    def _table(self) -> Table:
        lateness = self.lateness_ms
        title = (
            f"{self.file}: {self.samples} samples, {self.position_s:.2f} s of {self.start_s:g} to {self.stop_s:.2f} s"
            f" at speed {self.speed:g}, end reached {self.passes} times; lateness p50 {significant(lateness['p50'])},"
            f" p99 {significant(lateness['p99'])}, max {significant(lateness['max'])} ms, {self.late} times late;"
            f" {significant(self.cpu_cores)} CPU cores"
        )
        rows = [(sent.label, sent.type, f"{sent.samples:,}", f"{sent.sent:,}") for sent in self.streams]
        return title, ("stream", "type", "samples", "sent"), rows


def status_words(
    paused: bool, position_s: float, stop_s: float, samples: int, late_ms: float, has_consumers: bool
) -> str:
    """Return a line that says how a replay goes; `late_ms` is the 99th percentile of the lateness, ms."""
    return (
        f"{'paused  ' * paused}{position_s:8.1f} of {stop_s:.1f} s  {samples} samples"
        f"  lateness p99 {significant(late_ms)} ms  {'consumers' if has_consumers else 'no consumer'}"
    )
