"""NAME-Monitor over LSL: the state of a monitored stream in a few numbers, a sample for each report."""

from typing import TYPE_CHECKING, Self

import numpy as np

from spikeloop.exporters.stream_names import MONITOR, MONITOR_TYPE
from spikeloop.streamer.lsl.description import channel
from spikeloop.streamer.lsl.outlet import open_outlet
from spikeloop.streamer.monitor.figures import FIGURES, figures
from spikeloop.streamer.monitor.report import MonitorReport

if TYPE_CHECKING:
    import pylsl

__all__ = ["MonitorOutlet"]


class MonitorOutlet:
    """An irregular float32 stream with a channel for each of `FIGURES`, open from entering to leaving the context.

    Parameters
    ----------
    stream : str
        Name of the stream that is monitored.

    Raises
    ------
    BadInputError
        On entering, if another monitor has the name.
    FailureError
        On entering, if pylsl or liblsl is missing, or LSL can't open the stream.
    """

    def __init__(self, stream: str) -> None:
        self.name = f"{stream}{MONITOR}"
        self._outlet: pylsl.StreamOutlet | None = None

    def __enter__(self) -> Self:
        channels = [channel(figure.label, figure.unit, "statistic") for figure in FIGURES]
        self._outlet = open_outlet(self.name, MONITOR_TYPE, channels)
        return self

    def __exit__(self, *error: object) -> None:
        self._outlet = None  # an outlet closes when nothing refers to it

    def push(self, report: MonitorReport) -> None:
        """Send the figures, stamped now."""
        if self._outlet is not None:
            self._outlet.push_sample(np.array(list(figures(report).values()), np.float32))
