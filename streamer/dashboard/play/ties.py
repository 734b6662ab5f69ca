"""What a game needs of the page's server."""

from collections.abc import Callable
from dataclasses import dataclass

from spikeloop.models.arrays import Floats

__all__ = ["Ties"]


@dataclass(frozen=True)
class Ties:
    """What a game needs of the page's server.

    Attributes
    ----------
    drive : callable
        Gets conditions, (channels,), that drive the population from now on; None lets it rest.
    mark : callable
        Gets what is done now, and its details.
    hurry : callable
        Has the stream looked at more often for a while.
    now : callable
        LSL's clock, s.
    """

    drive: Callable[[Floats | None], None]
    mark: Callable[..., None]
    hurry: Callable[[], None]
    now: Callable[[], float]
