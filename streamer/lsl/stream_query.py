"""Which LSL stream is meant: by name, and where two have one name, by source id or host."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qs

from spikeloop.models.errors import BadInputError

if TYPE_CHECKING:
    import pylsl

__all__ = ["StreamQuery", "describe_origin"]

KEYS = ("source_id", "host")


@dataclass(frozen=True)
class StreamQuery:
    """What a stream must have to be followed.

    Attributes
    ----------
    name : str or None
        None for any.
    source_id, host : str
        Empty for any.
    """

    name: str | None
    source_id: str = ""
    host: str = ""

    @classmethod
    def parse(cls, text: str, option: str = "--condition") -> Self:
        """Parse `NAME`, or `NAME?source_id=ID&host=HOST` with one or both of these.

        A question mark that is followed by neither belongs to the name. In the values, `%26` stands for `&` and so on,
        as in the address of a web page.

        Parameters
        ----------
        text : str
        option : str
            The command line's option that holds it, for messages.

        Raises
        ------
        BadInputError
            If there is no name, or one of the values is empty or stands there twice.
        """
        name, mark, rest = text.rpartition("?")
        if not mark or not any(rest.startswith(f"{key}=") for key in KEYS):
            name, rest = text, ""
        found = parse_qs(rest, keep_blank_values=True)
        good = all(key in KEYS and len(values) == 1 and values[0] for key, values in found.items())
        if not name or not good:
            raise BadInputError(
                f"{option}: expected the name of a stream, or NAME?source_id=ID&host=HOST with one or both of these,"
                f" found {text!r:.80}"
            )
        return cls(name, **{key: values[0] for key, values in found.items()})

    def matches(self, info: "pylsl.StreamInfo") -> bool:
        """Whether a stream on the network is one that is meant."""
        return (
            self.name in (None, info.name())
            and self.source_id in ("", info.source_id())
            and self.host in ("", info.hostname())
        )

    def __str__(self) -> str:
        parts = [f"{key} {value!r}" for key, value in (("source_id", self.source_id), ("host", self.host)) if value]
        named = [] if self.name is None else [repr(self.name)]
        return " ".join(named + ([f"with {' and '.join(parts)}"] if parts else []))


def describe_origin(info: "pylsl.StreamInfo") -> str:
    """Say where a stream comes from: its host and source id."""
    source_id = info.source_id()
    return (
        f"host {info.hostname()!r}, source_id {source_id!r}" if source_id else f"host {info.hostname()!r}, no source_id"
    )
