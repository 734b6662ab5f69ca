"""Which LSL streams to record: by name, by pattern or by a query of LSL's, as long as the recording lasts."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from spikeloop.exporters.stream_names import SUFFIXES
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.streamer.lsl.library import import_pylsl
from spikeloop.streamer.lsl.stream_query import StreamQuery

if TYPE_CHECKING:
    import pylsl

__all__ = ["Finder", "Selection"]

QUERY = re.compile(r"=|\b(?:starts-with|contains|count|not|true|string-length)\(")
ANYWHERE = StreamQuery(None)
FORGET_S = 5.0  # streams that do not answer; LSL asks every half second


@dataclass(frozen=True)
class Selection:
    """What was asked for.

    Attributes
    ----------
    text : str
        A name, which stands for the stream of that name and for those that spikeloop sends beside it (NAME-Events,
        NAME-Condition and the others of `SUFFIXES`); a pattern with * and ?; or an XPath predicate of LSL's, such as
        "type='EEG'".
    """

    text: str

    @property
    def is_query(self) -> bool:
        """Whether it is a predicate, which LSL evaluates."""
        return QUERY.search(self.text) is not None

    def matches(self, name: str) -> bool:
        """Whether a stream of this name is meant, where it is no predicate."""
        if any(wildcard in self.text for wildcard in "*?"):
            return fnmatchcase(name, self.text)
        return name == self.text or any(name == f"{self.text}{suffix}" for suffix in SUFFIXES)


class Finder:
    """Looks for streams from its making on, as long as something refers to it.

    Parameters
    ----------
    selections : sequence of Selection
    origin : StreamQuery
        Source id and host that all streams must have.

    Raises
    ------
    BadInputError
        If LSL does not understand a query.
    FailureError
        If LSL can't look for streams.
    """

    def __init__(self, selections: Sequence[Selection], origin: StreamQuery = ANYWHERE) -> None:
        self.selections, self.origin = tuple(selections), origin
        resolver = import_pylsl().ContinuousResolver
        try:
            self._all = resolver(forget_after=FORGET_S)
        except RuntimeError as error:
            raise FailureError(f"LSL can't look for streams ({error}); is a network configured?") from error
        self._asked: dict[str, pylsl.ContinuousResolver] = {}
        for selection in self.selections:
            if selection.is_query:
                try:
                    self._asked[selection.text] = resolver(pred=selection.text, forget_after=FORGET_S)
                except RuntimeError as error:
                    raise BadInputError(
                        f"expected a query such as \"type='EEG'\" or \"starts-with(name,'lab')\", found"
                        f" {selection.text!r:.100}; for a name that has = or ( in it, ask for \"name='...'\""
                    ) from error

    def look(self) -> dict[str, list["pylsl.StreamInfo"]]:
        """Return the streams that are on the network now, by what was asked for; at once."""
        everything = self._all.results()
        found = {
            selection.text: self._asked[selection.text].results()
            if selection.is_query
            else [info for info in everything if selection.matches(info.name())]
            for selection in self.selections
        }
        return {text: [info for info in infos if self.origin.matches(info)] for text, infos in found.items()}

    def on_network(self) -> list["pylsl.StreamInfo"]:
        """Return all streams that are on the network now."""
        return self._all.results()
