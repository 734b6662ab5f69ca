"""How a page was served."""

from dataclasses import asdict, dataclass
from typing import Any

from spikeloop.exporters.documents import json_values

__all__ = ["WebReport"]


@dataclass(frozen=True)
class WebReport:
    """How a page was served.

    Attributes
    ----------
    url : str
    stream : str
        Name of the stream; empty where none was found.
    viewers : int
        Pages that were opened.
    frames, dropped_frames : int
        Messages for pages, and those that slow pages did not get.
    refused_requests : int
        Of pages, those that were not accepted.
    cpu_cores : float
        Processor time of the server over time passed, without the stream, which has a process of its own.
    own_stream : dict or None
        How the stream ran that was started; None where it was attached to.
    latency : dict or None
        Of those who played, from the hand to the cursor on the screen: the number of samples, and p50 and p99 of each
        stage, ms; None where nobody can play.
    """

    url: str
    stream: str
    viewers: int
    frames: int
    dropped_frames: int
    refused_requests: int
    cpu_cores: float
    own_stream: dict[str, Any] | None
    latency: dict[str, Any] | None

    def to_dict(self) -> dict[str, Any]:
        """Return the document that `spikeloop web --json` prints."""
        return json_values(asdict(self))
