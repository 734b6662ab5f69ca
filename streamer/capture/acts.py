"""Acts on a stream, as its markers number them, and which of them a recording lacks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spikeloop.exporters.documents import parsed_json

__all__ = ["ActsSeen", "MissingActs", "missing_acts", "parse_act"]

ACTS = ("gain", "pause", "resume", "stimulate", "perturb")


@dataclass(frozen=True)
class MissingActs:
    """Acts in a row that a recording lacks; those from 1 on came before it."""

    first: int
    last: int

    def __str__(self) -> str:
        one = self.first == self.last
        which, verb = (f"act {self.first}", "is") if one else (f"acts {self.first} to {self.last}", "are")
        return f"{which} on the stream {'came before the recording' if self.first == 1 else f'{verb} missing'}"


def parse_act(text: str) -> Mapping[str, Any] | None:
    """Read a marker of NAME-Markers that reports an act; None of any other text."""
    marker = parsed_json(text)
    known = isinstance(marker, dict) and marker.get("event") in ACTS
    return marker if known and isinstance(marker.get("stamp_s"), int | float) else None


def missing_acts(markers: Iterable[Mapping[str, Any]], after: int = 0) -> list[MissingActs]:
    """Return which acts are not among the markers, by their numbers; streams of earlier versions have none.

    Parameters
    ----------
    markers : iterable of mappings
        In their order.
    after : int >= 0
        The number of the act before the first of them.
    """
    missing = []
    for marker in markers:
        number = marker.get("act")
        if not isinstance(number, int):
            continue
        if number > after + 1:
            missing.append(MissingActs(after + 1, number - 1))
        after = max(after, number)
    return missing


class ActsSeen:
    """Follows the markers of a stream while they come, and says which acts it lacks."""

    def __init__(self) -> None:
        self._last = 0
        self._unreported: list[MissingActs] = []

    def add(self, rows: Iterable[Sequence[str]]) -> None:
        """Add the next markers, each a row of one text."""
        acts = [act for row in rows if (act := parse_act(row[0])) is not None]
        self._unreported += missing_acts(acts, self._last)
        self._last = max([self._last, *(act["act"] for act in acts if isinstance(act.get("act"), int))])

    def news(self) -> list[str]:
        """Say what was found since the last time."""
        found, self._unreported = self._unreported, []
        return [f"says that {missing}" for missing in found]
