"""Inlets for recording: opened without waiting, pulled into memory that is used again and again."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.xdf.chunks import FORMATS
from spikeloop.exporters.formats.xdf.header import UNPRINTABLE
from spikeloop.models.arrays import Floats
from spikeloop.streamer.lsl.clock_offset import ClockOffset
from spikeloop.streamer.lsl.library import buffer_seconds, import_pylsl
from spikeloop.streamer.lsl.stream_xml import xml_of

if TYPE_CHECKING:
    import pylsl

__all__ = ["Gathering", "OpenInlet", "open_inlet"]

CONNECT_S = 5.0
BUFFER_S, SHORTEST_BUFFER_S = 360, 10  # LSL's own, and of streams that are too large for it
BUFFER_BYTES = 2**28
IRREGULAR_HUNDREDS = 5_000  # of samples that LSL keeps of an irregular stream: half a minute of 20,000 spikes a second
TEXT_BYTES = 64
AT_ONCE_S = 0.1  # of samples in one pull
AT_ONCE, AT_ONCE_BYTES = 512, 2**20  # samples at least, and bytes at most where that is more than a sample
PULLS = 8  # that fit into the memory


@dataclass(frozen=True, eq=False)
class OpenInlet:
    """An inlet that receives, and the description of its stream.

    Attributes
    ----------
    inlet : pylsl.StreamInlet
    info : xml.etree.ElementTree.Element
        The whole description.
    clock : ClockOffset
        Of its sender.
    """

    inlet: "pylsl.StreamInlet"
    info: ElementTree.Element
    clock: ClockOffset


def open_inlet(info: "pylsl.StreamInfo") -> OpenInlet:
    """Subscribe to a stream, then read its description; waits until both are done.

    The inlet does not recover by itself: LSL would go on with the stream's next run, under the first one's header.

    Raises
    ------
    BadInputError
        If its declared rate is none that samples can come at.
    RuntimeError
        If the stream can't be reached.
    """
    inlet = import_pylsl().StreamInlet(info, max_buflen=_buffer(info), recover=False)
    inlet.open_stream(CONNECT_S)
    return OpenInlet(inlet, _parse(inlet.info(CONNECT_S)), ClockOffset(info))


def _buffer(info: "pylsl.StreamInfo") -> int:
    """Say how much LSL keeps where the recorder stands still: seconds, or hundreds of samples without a rate."""
    rate_hz = info.nominal_srate()
    if rate_hz == 0:
        return IRREGULAR_HUNDREDS
    width = (FORMATS.get(_form(info)) or TEXT_BYTES) * max(1, info.channel_count())
    fitting_s = min(BUFFER_S, max(0.0, BUFFER_BYTES / width / rate_hz))
    return buffer_seconds(max(SHORTEST_BUFFER_S, int(fitting_s)), rate_hz)


def _form(info: "pylsl.StreamInfo") -> str:
    lsl, number = import_pylsl(), info.channel_format()
    return next((form for form in FORMATS if getattr(lsl, f"cf_{form}") == number), "undefined")


def _parse(info: "pylsl.StreamInfo") -> ElementTree.Element:
    """Parse a description; where it is no sound XML, make one of what LSL itself needs to know."""
    try:
        return ElementTree.fromstring(xml_of(info).translate(UNPRINTABLE))
    except ElementTree.ParseError:
        root = ElementTree.Element("info")
        facts = {
            "name": info.name(),
            "type": info.type(),
            "channel_count": info.channel_count(),
            "nominal_srate": info.nominal_srate(),
            "channel_format": _form(info),
            "source_id": info.source_id(),
            "uid": info.uid(),
            "hostname": info.hostname(),
        }
        for key, value in facts.items():
            ElementTree.SubElement(root, key).text = str(value).translate(UNPRINTABLE)
        return root


class Gathering:
    """Samples of an inlet that wait to be written.

    Parameters
    ----------
    inlet : pylsl.StreamInlet
    nominal_rate_hz : float >= 0, Hz
        0 for an irregular stream.
    """

    def __init__(self, inlet: "pylsl.StreamInlet", nominal_rate_hz: float) -> None:
        self.inlet = inlet
        channels = inlet.channel_count
        dtype = inlet.np_dtype
        fitting = AT_ONCE_BYTES // (channels * np.dtype(dtype or "O").itemsize)
        self._at_once = max(1, min(fitting, max(AT_ONCE, math.ceil(AT_ONCE_S * nominal_rate_hz))))
        self._stamps = np.empty(PULLS * self._at_once)
        self._values: NDArray[Any] | None = None
        if dtype is not None:
            self._values = np.empty((PULLS * self._at_once, channels), dtype)
        self._texts: list[Any] = []
        self._number = 0

    def pull(self, write: Callable[[Any, Floats], None]) -> int:
        """Gather what has arrived; hand it on where the memory is full.

        Parameters
        ----------
        write : callable
            Gets values and stamps, s, which are valid until it returns.

        Returns
        -------
        int
            How many samples have arrived.

        Raises
        ------
        RuntimeError
            If the stream ended; what was gathered before is kept.
        """
        arrived = 0
        for _ in range(PULLS * PULLS):  # where samples come faster than they are written, others have their turn
            if self._number + self._at_once > len(self._stamps):
                self.hand_on(write)
            place = slice(self._number, self._number + self._at_once)
            into = None if self._values is None else self._values[place]
            values, stamps = self.inlet.pull_chunk(0.0, self._at_once, dest_obj=into, as_numpy=True)
            if self._values is None:
                self._texts += np.asarray(values).tolist()
            number = len(stamps)
            self._stamps[self._number : self._number + number] = stamps
            self._number, arrived = self._number + number, arrived + number
            if number < self._at_once:
                break
        return arrived

    def hand_on(self, write: Callable[[Any, Floats], None]) -> None:
        """Hand on what was gathered."""
        if self._number:
            values = self._texts if self._values is None else self._values[: self._number]
            write(values, self._stamps[: self._number])
        self._number, self._texts = 0, []
