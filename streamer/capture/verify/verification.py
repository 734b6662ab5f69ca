"""What came of verifying a file."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from spikeloop.exporters.documents import json_values
from spikeloop.models.html import ShownAsTable, Table

__all__ = ["Difference", "Lost", "StreamVerification", "Verification"]


@dataclass(frozen=True)
class Difference:
    """Where a file first holds something else than what was made.

    Attributes
    ----------
    bin : int
        From 0 at the stream's start.
    time_s : float, s
        The end of the bin, or the spike's own time, by the clock of the stream.
    channel : str
        The unit, or the condition.
    index : int
        Its number.
    expected, found : float
        A count, or a value; of a spike's own time, the number of spikes at that time.
    """

    bin: int
    time_s: float
    channel: str
    index: int
    expected: float
    found: float

    def __str__(self) -> str:
        return f"bin {self.bin} ({self.time_s:.6f} s), {self.channel}: expected {self.expected:g}, found {self.found:g}"


@dataclass(frozen=True)
class Lost:
    """Bins in a row that a file lacks, between others that it has; `time_s` is when the first of them began."""

    first_bin: int
    bins: int
    time_s: float

    def __str__(self) -> str:
        return f"bins {self.first_bin} to {self.first_bin + self.bins - 1}, from {self.time_s:.6f} s on"


@dataclass(frozen=True)
class StreamVerification:
    """What came of one stream of a file.

    Attributes
    ----------
    name, bundle, sha256, version : str
    seed : int
        As the file says.
    first_bin, last_bin : int
        Of those in the file, from 0 at the stream's start.
    bins : int
        In the file.
    agreeing_bins, differing_bins, uncompared_bins : int
        Of these.
    first_difference : Difference or None
    lost_bins : int
        Between the first and the last bin, but for those that a pause kept back.
    lost : tuple of Lost
        The first 100 stretches of them.
    repeated_bins : int
        That are in the file more than once.
    condition_bins, differing_conditions : int
        Bins whose conditions were compared, and those that differ.
    first_differing_condition : Difference or None
    spikes : int or None
        Spikes with times of their own that were expected; None where none were compared.
    missing_spikes, unexpected_spikes : int
        Of these, those that differ.
    first_differing_spike : Difference or None
    problems : tuple of str
        What is wrong, or could not be compared, in sentences.
    """

    name: str
    bundle: str
    sha256: str
    version: str
    seed: int
    first_bin: int
    last_bin: int
    bins: int
    agreeing_bins: int = 0
    differing_bins: int = 0
    uncompared_bins: int = 0
    first_difference: Difference | None = None
    lost_bins: int = 0
    lost: tuple[Lost, ...] = ()
    repeated_bins: int = 0
    condition_bins: int = 0
    differing_conditions: int = 0
    first_differing_condition: Difference | None = None
    spikes: int | None = None
    missing_spikes: int = 0
    unexpected_spikes: int = 0
    first_differing_spike: Difference | None = None
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether every bin, spike and condition is there and as it was made."""
        return not self.problems and self.agreeing_bins == self.bins

    @property
    def verdict(self) -> str:
        """What came of it, in words."""
        if self.agrees:
            return "all agrees"
        return "does not agree" if self.agreeing_bins or self.differing_bins else "nothing was compared"

    def rows(self) -> dict[str, str]:
        """Return what to show people, by what it is."""
        rows = {
            "made by": f"{self.bundle} ({self.sha256[:12]}), seed {self.seed}, spikeloop {self.version}",
            "bins": f"{self.bins} ({self.first_bin} to {self.last_bin}): {self.agreeing_bins} agree,"
            f" {self.differing_bins} differ, {self.uncompared_bins} not compared, {self.lost_bins} lost",
        }
        if self.condition_bins:
            rows["conditions"] = f"of {self.condition_bins} bins in the file: {self.differing_conditions} differ"
        if self.spikes is None:
            rows["spikes' times"] = "none were compared"
        elif self.spikes or self.unexpected_spikes:
            missing, more = self.missing_spikes, self.unexpected_spikes
            rows["spikes' times"] = f"{self.spikes} expected: {missing} missing, {more} others"
        if self.notes:
            rows["note"] = "; ".join(self.notes)
        return rows


@dataclass(frozen=True, eq=False, repr=False)
class Verification(ShownAsTable):
    """What came of verifying a file.

    Attributes
    ----------
    file : str
    streams : tuple of StreamVerification
    """

    file: str
    streams: tuple[StreamVerification, ...]

    @property
    def agrees(self) -> bool:
        """Whether all of the file is as it was made, and nothing was lost."""
        return all(stream.agrees for stream in self.streams)

    def to_dict(self) -> dict[str, Any]:
        """Convert to what JSON holds."""
        streams = [vars(stream) | {"agrees": stream.agrees} for stream in self.streams]
        return json_values({"file": self.file, "agrees": self.agrees, "streams": streams})

    def _table(self) -> Table:
        rows: list[Sequence[object]] = []
        for stream in self.streams:
            rows.append((stream.name, stream.verdict))
            rows += [("", f"{what}: {said}") for what, said in stream.rows().items()]
            rows += [("", problem) for problem in stream.problems]
        return f"{self.file}: {'all agrees' if self.agrees else 'does not agree'}", (), rows
