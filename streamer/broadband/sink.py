"""NAME-Broadband over LSL: the trace of a stream's steps, made in a thread of its own."""

import asyncio
import platform
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import version
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Self

from spikeloop.models.errors import FailureError
from spikeloop.streamer.broadband.step_traces import StepTraces, Trace
from spikeloop.streamer.broadband.templates import MICROVOLTS_PER_BIT, RATE_HZ
from spikeloop.streamer.broadband.traces import Synthesiser
from spikeloop.streamer.loop import Step
from spikeloop.streamer.lsl import BROADBAND, Provenance, import_pylsl

if TYPE_CHECKING:
    import pylsl

__all__ = ["BroadbandSink"]

QUEUE_S = 1.0  # of steps that wait
ARTEFACT_UV_PER_UA = 30.0  # of a stimulation pulse, on every channel: strong ones saturate an amplifier, as they do
BACKLOG_S, BACKLOG_BYTES = 10, 2**28  # of samples for a consumer that stalls: the fewer of these
LINGER_S = 0.5  # an inlet loses what it is about to hand out when its stream closes


class BroadbandSink:
    """An outlet of int16 at 30 kHz, open from entering to leaving the async context.

    Sample i has the stamp start_s + i / 30,000: a spike's trough is at the sample nearest to the spike's own time. A
    step's samples come when the step does, but for its last 0.7 ms, in which a waveform of the next may begin.

    Parameters
    ----------
    name : of the stream of counts; this one is called NAME-Broadband
    synthesiser : only this sink may take blocks from it
    provenance : of the stream of counts

    Attributes
    ----------
    dropped : steps left out as the queue was full; their samples are a gap in the stamps
    """

    def __init__(self, name: str, synthesiser: Synthesiser, provenance: Provenance) -> None:
        self.name = f"{name}{BROADBAND}"
        self.dropped = 0
        self._synthesiser, self._provenance = synthesiser, provenance
        self._most_steps = max(2, round(QUEUE_S / (provenance.bin_size_s * provenance.step_bins)))
        self._steps: SimpleQueue[Step | None] = SimpleQueue()
        self._outlet: pylsl.StreamOutlet | None = None

    async def __aenter__(self) -> Self:
        lsl = import_pylsl()
        channels = self._synthesiser.probe.channels
        source = f"spikeloop-{platform.node()}-{self.name}"
        info = lsl.StreamInfo(self.name, "Broadband", channels, float(RATE_HZ), "int16", source)
        self._describe(info)
        backlog_s = max(1, min(BACKLOG_S, int(BACKLOG_BYTES / (2 * channels * RATE_HZ))))
        try:
            self._outlet = lsl.StreamOutlet(info, max_buffered=backlog_s)
        except RuntimeError as error:
            raise FailureError(
                f"LSL could not open {self.name!r} ({error}); stop other programs that use LSL"
            ) from error
        self._worker = ThreadPoolExecutor(1, "spikeloop-broadband")
        self._work_done = self._worker.submit(self._work)
        return self

    async def __aexit__(self, *error: object) -> None:
        self._steps.put(None)
        try:
            await asyncio.wrap_future(self._work_done)
            if self.has_consumers():
                await asyncio.sleep(LINGER_S)
        finally:
            self._worker.shutdown(wait=False)
            self._outlet = None  # an outlet closes when nothing refers to it

    def push(self, step: Step) -> None:
        """Leave a step to the thread; where too many wait, the oldest is dropped."""
        if self._steps.qsize() >= self._most_steps:
            with suppress(Empty):
                self._steps.get_nowait()
                self.dropped += 1
        self._steps.put(step)

    def artefact(self, channel: int | None, at_s: float, amplitude_uv: float) -> None:
        """Show a stimulation pulse on the trace, of one channel or of all; from any thread.

        Parameters
        ----------
        at_s : on the clock of the stream; a pulse in a step that went out already is lost, or what is left of it shown
        amplitude_uv : at its beginning; it decays within 8 ms, and is cut off at the 6.4 mV of int16
        """
        self._synthesiser.artefact(channel, at_s - self._provenance.start_s, amplitude_uv)

    def pulse(self, at_s: float, amplitude_ua: float) -> None:
        """Show a pulse of so many microamperes on every channel."""
        self.artefact(None, at_s, ARTEFACT_UV_PER_UA * amplitude_ua)

    def has_consumers(self) -> bool:
        """Whether anybody receives the trace."""
        return self._outlet is not None and self._outlet.have_consumers()

    def _work(self) -> None:
        traces = StepTraces(self._synthesiser, self._provenance.bin_size_s, self._provenance.start_s)
        while (step := self._steps.get()) is not None:
            self._send(traces.of(step))
        self._send(traces.rest())

    def _send(self, trace: Trace) -> None:
        if self._outlet is not None and len(trace.values):
            last = trace.first_sample + len(trace.values) - 1
            self._outlet.push_chunk(trace.values, self._provenance.start_s + last / RATE_HZ)

    def _describe(self, info: "pylsl.StreamInfo") -> None:
        """After the XDF conventions, with the scale and place of every channel, and the node of all our streams."""
        description = info.desc()
        channels = description.append_child("channels")
        for number, (x_um, y_um) in enumerate(self._synthesiser.probe.positions_um.tolist()):
            channel = channels.append_child("channel")
            channel.append_child_value("label", f"channel {number}").append_child_value("type", "Broadband")
            channel.append_child_value("unit", "uV").append_child_value("scaling_factor", repr(MICROVOLTS_PER_BIT))
            place = channel.append_child("location")  # in mm
            place.append_child_value("X", repr(x_um / 1000)).append_child_value("Y", repr(y_um / 1000))
        acquisition = description.append_child("acquisition")
        acquisition.append_child_value("manufacturer", "spikeloop").append_child_value("model", self._provenance.bundle)
        own = description.append_child("spikeloop")
        entries = {"version": version("spikeloop"), "probe": self._synthesiser.probe.name, **asdict(self._provenance)}
        entries["microvolts_per_bit"] = MICROVOLTS_PER_BIT
        for key, value in entries.items():
            own.append_child_value(key, value if isinstance(value, str) else repr(value))
