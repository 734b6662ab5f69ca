"""NAME-Monitor over LSL: the state of a monitored stream in a few numbers, a sample each time it is told."""

import platform
from typing import TYPE_CHECKING, Self

import numpy as np

from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.streamer.lsl import import_pylsl
from spikeloop.streamer.monitor.report import FIGURES, MonitorReport, figures

if TYPE_CHECKING:
    import pylsl

__all__ = ["MONITOR", "MonitorOutlet"]

MONITOR = "-Monitor"  # appended to the name of the counts
LOOK_FOR_NAMESAKES_S = 0.5


class MonitorOutlet:
    """An irregular float32 stream with a channel for each of `FIGURES`, open from entering to leaving the context.

    Parameters
    ----------
    stream : name of the stream that is monitored

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
        lsl = import_pylsl()
        others = lsl.resolve_byprop("name", self.name, timeout=LOOK_FOR_NAMESAKES_S)
        if others:
            raise BadInputError(
                f"{self.name!r} is on the network already, from another monitor on {others[0].hostname()}"
            )
        source = f"spikeloop-{platform.node()}-{self.name}"
        info = lsl.StreamInfo(self.name, "Monitor", len(FIGURES), 0.0, "float32", source)
        channels = info.desc().append_child("channels")
        for label, unit in FIGURES.items():
            channel = channels.append_child("channel")
            channel.append_child_value("label", label).append_child_value("unit", unit)
            channel.append_child_value("type", "statistic")
        try:
            self._outlet = lsl.StreamOutlet(info)
        except RuntimeError as error:
            raise FailureError(
                f"LSL could not open {self.name!r} ({error}); stop other programs that use LSL"
            ) from error
        return self

    def __exit__(self, *error: object) -> None:
        self._outlet = None  # an outlet closes when nothing refers to it

    def push(self, report: MonitorReport) -> None:
        """Send the figures, stamped now."""
        if self._outlet is not None:
            self._outlet.push_sample(np.array(list(figures(report).values()), np.float32))
