"""How well found spikes agree with true ones: what SpikeInterface counts, and how late they came."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from math import isnan
from typing import Any

import numpy as np

from spikeloop.models.arrays import Floats
from spikeloop.models.html import ShownAsTable, Table

__all__ = ["SortingScore", "UnitScore", "figure_words"]

WELL = 0.8  # accuracy from which a unit counts as well detected, as SpikeInterface has it


@dataclass(frozen=True)
class UnitScore:
    """How well a true unit was found.

    Attributes
    ----------
    unit : str
    found : str or None
        The found unit that agrees with it best, where at least half of their spikes together are pairs, each found
        unit for one true unit.
    spikes, found_spikes, pairs : int
        True spikes, spikes of the found unit, and those of both that are within the tolerance of each other.
    accuracy : float
        Pairs of all spikes, pairs / (spikes + found_spikes - pairs), which is the agreement of the two.
    precision, recall : float
        Pairs of the found spikes, and of the true ones; precision is NaN without a found unit.
    latency_ms, jitter_ms : float, ms
        Median, and half the distance of the quantiles 0.16 and 0.84, of the time by which found spikes come after
        true ones, each by the clock that it was read with; NaN without pairs.
    """

    unit: str
    found: str | None
    spikes: int
    found_spikes: int
    pairs: int
    accuracy: float
    precision: float
    recall: float
    latency_ms: float
    jitter_ms: float


@dataclass(frozen=True, eq=False, repr=False)
class SortingScore(ShownAsTable):
    """How well a sorter's spikes agree with the true ones; `print(score)` shows it.

    Attributes
    ----------
    truth, found : str
        What was compared.
    tolerance_ms : float, ms
        Within which spikes are pairs, after the offset.
    offset_s : float, s
        That was added to found times.
    start_s, stop_s : float, s
        The stretch in which spikes of both were compared, by the truth's clock.
    units : tuple of UnitScore
        One for each true unit with spikes in the stretch.
    unmatched : tuple of str
        Found units that are of no true unit.
    redundant, overmerged : tuple of str
        Those of them that share spikes with a true unit that has a better match; and found units that share spikes
        with several true units; both as SpikeInterface counts them.
    latency_ms, jitter_ms : float, ms
        As of a unit, of all pairs together.
    agreement : array of shape (true units, found units), float64
        Of each pair of units, their accuracy.
    found_names : tuple of str
        Of the columns of `agreement`.
    """

    truth: str
    found: str
    tolerance_ms: float
    offset_s: float
    start_s: float
    stop_s: float
    units: tuple[UnitScore, ...]
    unmatched: tuple[str, ...]
    redundant: tuple[str, ...]
    overmerged: tuple[str, ...]
    latency_ms: float
    jitter_ms: float
    agreement: Floats = field(repr=False)
    found_names: tuple[str, ...] = ()

    @property
    def accuracy(self) -> float:
        """Mean over true units; 0 for those that were not found."""
        return float(np.mean([unit.accuracy for unit in self.units])) if self.units else float("nan")

    @property
    def well_detected(self) -> int:
        """True units of an accuracy of at least 0.8."""
        return sum(unit.accuracy >= WELL for unit in self.units)

    def to_dict(self) -> dict[str, Any]:
        """Return the document that `spikeloop score-sorting --json` prints, NaN as null once it is printed."""
        names = (
            "truth", "found", "tolerance_ms", "offset_s", "start_s", "stop_s", "accuracy", "well_detected",
            "latency_ms", "jitter_ms", "unmatched", "redundant", "overmerged",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names} | {"units": [asdict(unit) for unit in self.units]}

    def summary(self) -> Sequence[str]:
        """Return the findings in sentences."""
        matched = sum(unit.found is not None for unit in self.units)
        lines = [
            f"{self.found} against {self.truth}, {self.stop_s - self.start_s:.1f} s: {matched} of {len(self.units)}"
            f" units found, {self.well_detected} of them well (accuracy of {WELL:g} or more); mean accuracy"
            f" {self.accuracy:.3f}",
            f"{self._latency_words()}, compared with an offset of {self.offset_s:z.6f} s and a tolerance of"
            f" {self.tolerance_ms:g} ms",
        ]
        if self.unmatched:
            lines.append(
                f"{len(self.unmatched)} found units are of no true unit, {len(self.redundant)} of them redundant;"
                f" {len(self.overmerged)} of all found units are overmerged"
            )
        if any(unit.found is None for unit in self.units):
            lines.append("a dash: no found unit matches this true one, so it has no precision, latency or jitter")
        return lines

    def _latency_words(self) -> str:
        if isnan(self.latency_ms):
            return "no unit was found, so there is no latency"
        late = f"{abs(self.latency_ms):.3f} ms {'before' if round(self.latency_ms, 3) < 0 else 'after'} true ones"
        return f"found spikes come {late} (median; jitter {self.jitter_ms:.3f} ms)"

    def _table(self) -> Table:
        rows = [
            (
                unit.unit, unit.found or "-", unit.spikes, figure_words(unit.accuracy), figure_words(unit.precision),
                figure_words(unit.recall), figure_words(unit.latency_ms), figure_words(unit.jitter_ms),
            )
            for unit in self.units
        ]  # fmt: skip
        heads = ("unit", "found", "spikes", "accuracy", "precision", "recall", "latency (ms)", "jitter (ms)")
        return "\n".join(self.summary()), heads, rows


def figure_words(value: float, digits: int = 3) -> str:
    """Write a figure with so many digits after the point: NaN as a dash, and what rounds to zero without a sign."""
    return "-" if isnan(value) else f"{value:z.{digits}f}"
