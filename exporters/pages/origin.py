"""How a page was made: at the end of every page."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from spikeloop.exporters.pages.shell import Section, facts, fill, section
from spikeloop.models.recordings.provenance import THIS_VERSION

__all__ = ["Origin", "made_by"]


@dataclass(frozen=True)
class Origin:
    """What made a page.

    Attributes
    ----------
    command : str
        What a person types to make it again; empty where nobody typed one.
    seed : str
        Of all random choices, in words; empty where there are none.
    written : datetime or None
        Local time; None of a page that is to be the same whenever it is made.
    """

    command: str = ""
    seed: str = ""
    written: datetime | None = None


def made_by(origin: Origin | None, more: Iterable[tuple[object, object]] = ()) -> Section:
    """Make the section that says how a page was made.

    Parameters
    ----------
    origin : Origin or None
    more : pairs of a name and what it is
    """
    origin = origin or Origin()
    known = [("command", fill("<code>{}</code>", origin.command) if origin.command else ""), *more]
    known += [("seed", origin.seed), ("spikeloop", THIS_VERSION)]
    known += [("written", f"{origin.written:%Y-%m-%d %H:%M:%S}" if origin.written is not None else "")]
    return section("How it was made", facts((name, value) for name, value in known if value != ""))
