"""The LSL streams of a source: NAME carries counts, NAME-Events each spike, NAME-Condition what drove each bin.

NAME-Markers carries what was done to a stream that others can reach into.
"""

import asyncio
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from spikeloop.exporters.stream_names import CONDITION, EVENTS, FLUORESCENCE, MARKERS, SPIKES, STREAM_TYPES
from spikeloop.models.recordings.condition import Condition
from spikeloop.models.recordings.provenance import Provenance, Replayed
from spikeloop.streamer.lsl.description import LARGEST_INT8, Entries, channel
from spikeloop.streamer.lsl.library import LINGER_S
from spikeloop.streamer.lsl.outlet import open_outlet
from spikeloop.streamer.stream.step import Step

if TYPE_CHECKING:
    import pylsl

__all__ = ["CountFormat", "LslSink"]

CountFormat = Literal["float32", "int16", "int8"]
EVENTS_BACKLOG = 10_000  # of events, in hundreds, as LSL counts them in irregular streams


class LslSink:
    """LSL outlets, open from entering to leaving the async context.

    Parameters
    ----------
    name : str
        Of the stream of counts, which the caller has found to be free; NAME-Events carries spikes, and
        NAME-Condition what drove each bin, if anything did.
    unit_names : tuple of str
    provenance : Provenance or Replayed
    count_format : {"float32", "int16", "int8"}
        LSL format of the counts; int8 holds up to 127, and what is more goes out as 127.
    channels : tuple of Condition
        Of the conditions.
    markers : bool
        Whether there is NAME-Markers, for `mark`.

    Raises
    ------
    FailureError
        On entering, if pylsl or liblsl is missing, or LSL can't open a stream.
    """

    def __init__(
        self,
        name: str,
        unit_names: tuple[str, ...],
        provenance: Provenance | Replayed,
        count_format: CountFormat = "float32",
        channels: tuple[Condition, ...] = (),
        markers: bool = False,
    ) -> None:
        self.name = name
        self._unit_names = unit_names
        self._provenance = provenance
        self._format: CountFormat = count_format
        self._channels, self._markers = channels, markers
        self._marking = threading.Lock()
        self._outlets: dict[str, pylsl.StreamOutlet] = {}  # by what is added to the name

    async def __aenter__(self) -> Self:
        signal, rate_hz = self._provenance.signal, 1 / self._provenance.bin_size_s
        kind, unit = (SPIKES, "count") if signal == "spikes" else (FLUORESCENCE, "a.u.")
        counts = [channel(label, unit, signal) for label in self._unit_names]
        try:
            self._open("", counts, kind, rate_hz=rate_hz, form=self._format)
            if signal == "spikes":
                event = channel("unit", "index", "event")
                self._open(EVENTS, [event], form="int32", backlog=EVENTS_BACKLOG)
            if self._channels:
                driving = [channel(driver.name, driver.unit, "condition") for driver in self._channels]
                self._open(CONDITION, driving, rate_hz=rate_hz)
            if self._markers:
                self._open(MARKERS, [channel("marker", "JSON", "marker")], form="string")
        except BaseException:
            self._outlets.clear()
            raise
        return self

    def _open(self, suffix: str, channels: Iterable[Entries], kind: str = "", **options: Any) -> None:
        self._outlets[suffix] = open_outlet(
            f"{self.name}{suffix}",
            kind or STREAM_TYPES[suffix],
            channels,
            provenance=self._provenance,
            check_name=False,
            **options,
        )

    async def __aexit__(self, *error: object) -> None:
        try:
            if self.has_consumers():
                await asyncio.sleep(LINGER_S)
        finally:
            with self._marking:
                self._outlets.clear()  # an outlet closes when nothing refers to it

    def push(self, step: Step) -> None:
        """Send a step's counts, spikes and conditions, with their stamps."""
        stamps_s = step.stamps_s.tolist()
        counts = step.counts if self._format != "int8" else np.minimum(step.counts, LARGEST_INT8)
        self._outlets[""].push_chunk(counts, stamps_s)
        if CONDITION in self._outlets:
            self._outlets[CONDITION].push_chunk(step.conditions, stamps_s)
        if len(step.event_units):
            self._outlets[EVENTS].push_chunk(step.event_units[:, None], step.event_stamps_s.tolist())

    def mark(self, text: str, stamp_s: float) -> None:
        """Send a marker with its own time; from any thread. Does nothing where the sink is not open."""
        with self._marking:  # an outlet is for one thread at a time
            outlet = self._outlets.get(MARKERS)
            if outlet is not None:
                outlet.push_sample([text], stamp_s)

    def has_consumers(self) -> bool:
        """Whether anybody receives one of the streams."""
        return any(outlet.have_consumers() for outlet in self._outlets.values())
